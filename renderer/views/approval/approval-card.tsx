import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { CallArgs, QuestionView } from '../../../preload/contract.ts';
import { useNow } from '../../live.ts';
import { AppMark } from '../../parts/app-mark.tsx';
import { Chip, RiskChip } from '../../parts/chips.tsx';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Sign } from '../../parts/sign.tsx';
import { ValueView } from '../../parts/value-view.tsx';
import { hides } from '../../parts/visible-characters.ts';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { showOpened } from './show-opened.ts';
import { useGuard } from './use-guard.ts';
import './approval.css';

export type Answer = CallArgs<'answer'>['answer'];

interface Props {
  readonly question: QuestionView;
  readonly position: number;
  readonly count: number;
  /** Said above the question: what became of the one before. */
  readonly notice?: string | undefined;
  /** False when the answer did not reach main: the question still stands. */
  readonly onAnswer: (question: QuestionView, answer: Answer) => Promise<boolean>;
}

/** One question to the person. Mount it with a key of id and digest: another question is another card. */
export function ApprovalCard({ question, position, count, notice, onAnswer }: Props) {
  const deny = useRef<HTMLButtonElement>(null);
  const titleId = useId();
  const [answered, setAnswered] = useState(false);
  const guard = useGuard(() => deny.current?.focus({ preventScroll: true }));
  const over = useNow(250) >= question.expiresAt;

  useLayoutEffect(() => {
    deny.current?.focus({ preventScroll: true });
  }, []);

  const give = (answer: Answer): void => {
    if (answered || over || !guard.mayAnswer()) return;
    setAnswered(true);
    void onAnswer(question, answer).then(setAnswered);
  };
  const giveRef = useRef(give);
  giveRef.current = give;
  useEffect(() => {
    const onEscape = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.repeat) return;
      event.preventDefault();
      giveRef.current('deny');
    };
    addEventListener('keydown', onEscape);
    return () => removeEventListener('keydown', onEscape);
  }, []);

  const { approval } = words;
  const waits = !guard.armed || answered || over;
  return (
    <section className={`approval ${question.risk}`} role="alertdialog" aria-labelledby={titleId} aria-modal="true">
      <CountdownBar askedAt={question.askedAt} expiresAt={question.expiresAt} />
      <header className="approval-head">
        <span className="approval-mark">
          <AppMark name={question.app} size="large" />
          <span className="approval-sign">
            <Sign state="asking" size={16} />
          </span>
        </span>
        <div>
          <h1 id={titleId} {...(mayScroll(question) && { tabIndex: 0 })}>
            <Sentence
              text={approval.wants[question.kind]}
              parts={{
                app: <VisibleText text={question.app} />,
                tool: <VisibleText text={question.toolTitle || question.tool} />,
                set: <VisibleText text={question.serverTitle || question.alias} />,
              }}
            />
          </h1>
          <p className="small muted numbers">
            <Sentence text={approval.forYou} parts={{ user: <VisibleText text={question.user} /> }} />
            {count > 1 && <span className="approval-count">{approval.position(position, count)}</span>}
          </p>
        </div>
      </header>
      <div className="approval-body">
        {notice && (
          <p className="approval-notice small" role="status">
            <Icon name="info" />
            {notice}
          </p>
        )}
        <Arguments question={question} />
        <Why question={question} />
        <details className="approval-more" onToggle={showOpened}>
          <summary>{approval.raw}</summary>
          <div className="approval-raw">
            <CopyButton text={question.raw} label={approval.copyRaw} slim />
            <pre>
              <VisibleText text={question.raw} />
            </pre>
          </div>
        </details>
        {question.toolDescription && (
          <details className="approval-more" onToggle={showOpened}>
            <summary>{approval.about[question.kind]}</summary>
            <p className="approval-about">
              <VisibleText text={question.toolDescription} />
            </p>
          </details>
        )}
      </div>
      <footer className="approval-foot" data-waits={waits}>
        <Countdown expiresAt={question.expiresAt} />
        <div className="approval-buttons">
          <button ref={deny} type="button" className="button" onClick={() => give('deny')}>
            {approval.deny}
          </button>
          <span className="grow" />
          {question.remember.includes('session') && (
            <button type="button" className="button fades" onClick={() => give('allow-session')}>
              {approval.allowSession}
            </button>
          )}
          <button
            type="button"
            className={`button fades ${question.risk === 'destroys' ? 'danger' : 'primary'}`}
            onClick={() => give('allow-once')}
          >
            {approval.allowOnce}
          </button>
        </div>
      </footer>
    </section>
  );
}

/** A long sentence scrolls in its place, which keys must reach too. One this short has room even at twice the size. */
function mayScroll({ app, toolTitle, serverTitle }: QuestionView): boolean {
  return app.length + toolTitle.length + serverTitle.length > 40;
}

function Arguments({ question }: { question: QuestionView }) {
  if (question.fields.length === 0) return <p className="approval-none muted small">{words.approval.noArguments}</p>;
  return (
    <dl className="approval-fields">
      {question.fields.map((field) => (
        <div key={field.path} className={isLong(field.value) ? 'long' : undefined}>
          <dt title={field.description}>
            <VisibleText text={field.label} />
          </dt>
          <dd>
            <ValueView value={field.value} label={field.label} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A value of several lines or parts gets the whole width, its name above it. */
function isLong(value: unknown): boolean {
  if (typeof value === 'string') return value.length > 160 || value.includes('\n');
  return typeof value === 'object' && value !== null && Object.values(value).some((part) => typeof part === 'object');
}

function Why({ question }: { question: QuestionView }) {
  const { labels } = words.approval;
  // Said where the answer is given: the mark itself may be far down in a long text.
  const hidden = useMemo(() => hides(question.fields.map(({ value }) => value)), [question.fields]);
  // The risk chip already says that something changes.
  const told = question.labels.filter((label) => label !== 'changes-state' || question.risk === 'reads');
  return (
    <div className="approval-why">
      <div className="approval-chips">
        <RiskChip risk={question.risk} said={words.approval.risk[question.risk]} />
        {[...hidden].map((kind) => (
          <Chip key={kind} tone="bad" icon="warning">
            {words.approval.hides[kind]}
          </Chip>
        ))}
        {told.map((label) => (
          <Chip key={label} tone="care" icon={label === 'private-data' ? 'eye' : 'info'}>
            {label in labels ? labels[label as keyof typeof labels] : <VisibleText text={label} />}
          </Chip>
        ))}
      </div>
      {question.message && (
        <p>
          <VisibleText text={question.message} />
        </p>
      )}
      <p className="muted">
        <VisibleText text={question.reason || words.approval.noReason} />
        {question.rules.length > 0 && <span className="approval-rules mono faint">{question.rules.join(' · ')}</span>}
      </p>
    </div>
  );
}

/** The time left, in words. Not announced each second: a screen reader reads it on request. */
function Countdown({ expiresAt }: { expiresAt: number }) {
  const seconds = Math.max(0, Math.ceil((expiresAt - useNow(250)) / 1_000));
  return (
    <p className={`approval-left tiny numbers${seconds <= 10 ? ' soon' : ''}`} role="timer" aria-live="off">
      {seconds === 0 ? words.approval.over : words.approval.left(seconds)}
    </p>
  );
}

function CountdownBar({ askedAt, expiresAt }: { askedAt: number; expiresAt: number }) {
  const now = useNow(1_000);
  const share = Math.min(1, Math.max(0, (expiresAt - now) / Math.max(1, expiresAt - askedAt)));
  return (
    <div className={`approval-clock${expiresAt - now <= 10_000 ? ' soon' : ''}`} aria-hidden="true">
      <span style={{ scale: `${share} 1` }} />
    </div>
  );
}
