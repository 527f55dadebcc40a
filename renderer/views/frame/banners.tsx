import { type ReactNode, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import { explain, type Live, useConnection, useLink } from '../../live.ts';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { signState } from '../../parts/sign.tsx';
import { useToast } from '../../parts/toast.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { formatWhen } from '../../words/format.ts';
import './banners.css';

/** What is wrong or waiting, on every page: what happened, what still works, what to do. */
export function Banners({ status, onAnswer }: { status: Live<StatusView>; onAnswer: (() => void) | undefined }) {
  const link = useLink();
  const connection = useConnection();
  const toast = useToast();
  const [busy, setBusy] = useState(false);
  const { value } = status;

  const run = async (name: 'resume' | 'refreshPolicy'): Promise<void> => {
    setBusy(true);
    try {
      const result = await link.bridge.call(name, {});
      if (!result.ok) toast({ text: result.message, tone: 'bad' });
      else if (name === 'refreshPolicy') toast({ text: words.problems.checkedNow, tone: 'plain' });
    } catch (error) {
      toast({ text: explain(error), tone: 'bad' });
    }
    setBusy(false);
    status.reload();
  };

  if (connection === 'lost') {
    return (
      <Banner
        tone="bad"
        icon="warning"
        title={words.offline.title}
        action={{ text: words.actions.tryAgain, run: link.retry, busy: false }}
      >
        {words.offline.detail}
      </Banner>
    );
  }
  if (!value) return null;
  const { problem } = value;
  const known = problem && Object.hasOwn(words.problems.titles, problem.code);
  return (
    <>
      {problem && (
        <Banner
          tone={signState(value) === 'problem' ? 'bad' : 'care'}
          icon="warning"
          title={
            known
              ? words.problems.titles[problem.code as keyof typeof words.problems.titles]
              : words.problems.titles.other
          }
          action={{ text: words.actions.checkAgain, run: () => void run('refreshPolicy'), busy }}
        >
          <VisibleText text={problem.message} /> {words.problems.since(formatWhen(problem.since, Date.now()))}
          {value.contact && (
            <>
              {' '}
              {words.problems.ask} <VisibleText text={value.contact} />.
            </>
          )}
        </Banner>
      )}
      {value.state === 'paused' && (
        <Banner
          tone="plain"
          icon="pause"
          title={
            typeof value.pausedUntil === 'number'
              ? words.pause.until(formatWhen(value.pausedUntil, Date.now()))
              : words.pause.untilResumed
          }
          action={{ text: words.pause.resume, run: () => void run('resume'), busy }}
        >
          {words.pause.detail}
        </Banner>
      )}
      {onAnswer && value.waiting > 0 && (
        <Banner
          tone="care"
          icon="hand"
          title={words.waiting.title(value.waiting)}
          action={{ text: words.waiting.see, run: onAnswer, busy: false }}
        >
          {words.waiting.detail}
        </Banner>
      )}
    </>
  );
}

interface BannerProps {
  readonly tone: 'plain' | 'care' | 'bad';
  readonly icon: IconName;
  readonly title: string;
  readonly action?: { readonly text: string; readonly run: () => void; readonly busy: boolean };
  readonly children: ReactNode;
}

function Banner({ tone, icon, title, action, children }: BannerProps) {
  return (
    <section className={`banner ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon name={icon} />
      <div>
        <h2>{title}</h2>
        <p className="small">{children}</p>
      </div>
      {action && (
        <button type="button" className="button" onClick={action.run} disabled={action.busy}>
          {action.text}
        </button>
      )}
    </section>
  );
}
