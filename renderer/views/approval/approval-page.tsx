import { useEffect } from 'react';
import { useLink } from '../../live.ts';
import { Empty, Loaded } from '../../parts/states.tsx';
import { words } from '../../words/current.ts';
import { ApprovalCard } from './approval-card.tsx';
import { useQueue } from './use-queue.ts';
import './approval.css';

/** The approval window: nothing but the question. */
export function ApprovalPage() {
  const { place } = useLink();
  const queue = useQueue();
  const { current } = queue;
  useEffect(() => {
    document.title = words.approval.title;
  }, []);
  return (
    <main className="approval-window" id="main">
      {!current && <h1 className="unseen">{words.approval.title}</h1>}
      <Loaded live={queue.live}>
        {() =>
          current ? (
            <ApprovalCard
              key={`${current.id} ${current.digest}`}
              question={current}
              position={queue.position}
              count={queue.count}
              notice={queue.notice}
              onAnswer={queue.answer}
            />
          ) : (
            <Empty
              title={words.approval.nothing}
              action={
                place === 'desktop' && (
                  <button type="button" className="button" onClick={() => window.close()}>
                    {words.actions.close}
                  </button>
                )
              }
            >
              {queue.notice ?? words.approval.nothingMore}
            </Empty>
          )
        }
      </Loaded>
    </main>
  );
}
