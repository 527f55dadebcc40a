import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import type { CallDetailView } from '../../../preload/contract.ts';
import { useLive } from '../../live.ts';
import { CallSentence } from '../../parts/call-sentence.tsx';
import { lookUp, OutcomeChip } from '../../parts/chips.tsx';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { LongText } from '../../parts/long-text.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Empty, Loaded } from '../../parts/states.tsx';
import { ValueView } from '../../parts/value-view.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { href } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatClockSeconds, formatDuration, formatMoment, formatNumber } from '../../words/format.ts';
import './call-story.css';

/** One call's whole story: who, what, which rule, who approved, what went out and came back, its place in the record. */
export function CallStory({ callId }: { callId: string }) {
  const detail = useLive('call', { callId }, ['activity']);
  const panel = useRef<HTMLElement>(null);
  // Braces: newer browsers answer with a promise, and an effect may only answer with its undoing.
  useEffect(() => {
    panel.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const { story } = words;
  return (
    <article className="card story" ref={panel} aria-label={story.title}>
      <a className="story-close icon-button" href={href('activity')} aria-label={story.close}>
        <Icon name="cross" />
      </a>
      <Loaded live={detail} rows={8}>
        {(call) => (call ? <Story call={call} /> : <Empty title={story.missing}>{story.missingDetail}</Empty>)}
      </Loaded>
    </article>
  );
}

function Story({ call }: { call: CallDetailView }) {
  const { story } = words;
  return (
    <>
      <header className="story-head">
        <OutcomeChip call={call} />
        <h2>
          <CallSentence call={call} />
        </h2>
        {call.message && (
          <p className="small muted">
            <VisibleText text={call.message} />
          </p>
        )}
      </header>
      <dl className="story-facts">
        <Fact name={story.when}>
          <span className="numbers">{formatMoment(call.at)}</span>
        </Fact>
        {call.durationMs !== undefined && (
          <Fact name={story.took}>
            <span className="numbers">{formatDuration(call.durationMs)}</span>
          </Fact>
        )}
        <Fact name={story.who}>
          <VisibleText text={call.user} />
        </Fact>
        <Fact name={story.rule}>
          {story.effects[call.effect]}
          {call.reason && (
            <span className="muted">
              {' '}
              <VisibleText text={call.reason} />
            </span>
          )}
          {call.rules.map((rule) => (
            <span key={rule.id} className="story-rule mono">
              <VisibleText text={rule.id} />
            </span>
          ))}
        </Fact>
        {call.approval && (
          <Fact name={story.approval}>
            {Object.hasOwn(story.approvals, call.approval)
              ? story.approvals[call.approval as keyof typeof story.approvals]
              : call.approval}
          </Fact>
        )}
        <Fact name={story.policy}>
          <span className="numbers">{formatNumber(call.policyVersion)}</span>{' '}
          <Hash value={call.policyDigest} label={story.copyPolicy} />
        </Fact>
      </dl>
      <Payload
        title={call.status === 'refused' ? story.wanted : story.sent}
        text={call.argumentsText}
        absent={story.digestOnly}
        digest={call.argumentsDigest}
      />
      <Asked call={call} />
      {call.status !== 'refused' && (
        <Payload
          title={story.answer}
          text={call.resultText}
          absent={call.status === 'running' ? story.noAnswerYet : story.noAnswerKept}
          isResult
        />
      )}
      <Chain call={call} />
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What went out or came back: readable first, the exact text one click away. */
function Payload({
  title,
  text,
  absent,
  digest,
  isResult = false,
}: {
  title: string;
  text: string | undefined;
  absent: string;
  digest?: string;
  isResult?: boolean;
}) {
  const parsed = useMemo(() => parse(text), [text]);
  return (
    <section className="story-part">
      <h3>{title}</h3>
      {text === undefined ? (
        <p className="small faint">{absent}</p>
      ) : (
        <>
          {parsed === undefined ? (
            <LongText text={text} label={title} mono />
          ) : (
            <ValueView value={isResult ? readable(parsed.value) : parsed.value} label={title} />
          )}
          <details className="story-raw">
            <summary>{words.story.exact}</summary>
            <div className="story-raw-box">
              <CopyButton text={text} label={words.story.copyExact} slim />
              <LongText
                text={parsed === undefined ? text : JSON.stringify(parsed.value, null, 2)}
                label={words.story.exact}
                mono
              />
            </div>
          </details>
        </>
      )}
      {digest && (
        <p className="tiny faint">
          SHA-256 <Hash value={digest} label={words.story.copyDigest} />
        </p>
      )}
    </section>
  );
}

/** What the tool set asked of the app in between, and what came of it. */
function Asked({ call }: { call: CallDetailView }) {
  if (call.asked.length === 0) return null;
  return (
    <section className="story-part">
      <h3>{words.story.asked}</h3>
      <ul className="story-asked">
        {call.asked.map(({ seq, at, what, answer }) => {
          const { question, answers } = words.story.asks[what];
          return (
            <li key={seq}>
              <span className="story-asked-what">
                <Sentence
                  text={question}
                  parts={{
                    app: <VisibleText text={call.app} />,
                    set: <VisibleText text={call.serverTitle || call.alias} />,
                  }}
                />
                : <b>{lookUp(answers, answer) ?? <VisibleText text={answer} />}</b>
              </span>
              <span className="tiny faint numbers">{formatClockSeconds(at)}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Chain({ call }: { call: CallDetailView }) {
  const { story } = words;
  return (
    <section className="story-part">
      <h3>{story.chain}</h3>
      <p className="small muted">{story.chainDetail}</p>
      <ol className="story-chain">
        {call.chain.map((link) => (
          <li key={link.seq}>
            <span className="story-chain-what">
              {Object.hasOwn(story.kinds, link.kind) ? story.kinds[link.kind as keyof typeof story.kinds] : link.kind}
            </span>
            <span className="tiny faint numbers">
              {story.entry(formatNumber(link.seq))} · {formatClockSeconds(link.at)}
            </span>
            <Hash value={link.hash} label={story.copyHash} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Hash({ value, label }: { value: string; label: string }) {
  return (
    <span className="hash">
      <code title={value}>{value.slice(0, 10)}</code>
      <CopyButton text={value} label={label} slim />
    </span>
  );
}

function parse(text: string | undefined): { readonly value: unknown } | undefined {
  if (text === undefined) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    // Not JSON, or cut short by the policy's size bound: shown as the text it is.
    return undefined;
  }
}

/** An MCP result that holds only text is that text; anything else stays as it came (tools, "Tool Result"). */
function readable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('content' in value) || !Array.isArray(value.content))
    return value;
  const items: readonly unknown[] = value.content;
  const texts = items.map((item) =>
    typeof item === 'object' && item !== null && 'text' in item && typeof item.text === 'string'
      ? item.text
      : undefined,
  );
  const all = texts.every((text) => text !== undefined);
  return all && !('structuredContent' in value) && texts.length > 0 ? texts.join('\n') : value;
}
