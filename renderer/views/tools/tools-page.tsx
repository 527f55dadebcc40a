import { useDeferredValue, useEffect, useState } from 'react';
import type { StatusView, ToolSetView } from '../../../preload/contract.ts';
import { useLive } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { PageHead } from '../../parts/page-head.tsx';
import { SearchField } from '../../parts/search-field.tsx';
import { Empty, Loaded } from '../../parts/states.tsx';
import { words } from '../../words/current.ts';
import { matching } from './held.ts';
import { ToolSetCard } from './tool-set-card.tsx';
import './tools.css';

/** What the organisation approved, what each action may do, and the person's own switch for each. */
export function ToolsPage({ status, target }: { status: StatusView | undefined; target: string | undefined }) {
  const tools = useLive('tools', {}, ['tools', 'status']);
  const [text, setText] = useState('');
  const wanted = useDeferredValue(text.trim().toLocaleLowerCase());

  const loaded = tools.value !== undefined;
  useEffect(() => {
    if (loaded && target) document.getElementById(`set-${target}`)?.scrollIntoView({ block: 'start' });
  }, [loaded, target]);

  return (
    <>
      <PageHead title={words.tools.title}>
        {status?.organisation ? words.tools.approvedBy(status.organisation) : words.tools.approved}
      </PageHead>
      <Loaded live={tools} rows={3} tall>
        {(sets) => {
          const found = sets.flatMap((set) => {
            const shown = matching(set, wanted);
            return shown ? [{ set, shown }] : [];
          });
          if (sets.length === 0) {
            return (
              <div className="card">
                <Empty title={words.tools.none}>{words.tools.noneDetail(status?.contact)}</Empty>
              </div>
            );
          }
          return (
            <>
              <div className="tools-bar">
                <SearchField value={text} onChange={setText} label={words.tools.search} />
                <p className="small faint numbers" role="status">
                  {wanted ? words.tools.found(found.length, sets.length) : words.tools.count(usable(sets), sets.length)}
                </p>
              </div>
              {found.length === 0 ? (
                <div className="card">
                  <Empty
                    title={words.tools.notFound(text.trim())}
                    action={
                      <button type="button" className="button" onClick={() => setText('')}>
                        <Icon name="cross" />
                        {words.actions.clearSearch}
                      </button>
                    }
                  >
                    {words.tools.notFoundDetail(status?.organisation)}
                  </Empty>
                </div>
              ) : (
                <ul className="tools-list">
                  {found.map(({ set, shown }) => (
                    <li key={set.alias} id={`set-${set.alias}`}>
                      <ToolSetCard
                        set={set}
                        shown={shown}
                        opened={set.alias === target || wanted !== ''}
                        onChanged={tools.reload}
                      />
                    </li>
                  ))}
                </ul>
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** The tools this person may use as things stand: the number the sidebar and Home say too. */
function usable(sets: readonly ToolSetView[]): number {
  return sets
    .filter(({ enabled }) => enabled)
    .flatMap(({ actions }) => actions)
    .filter(({ effect, state }) => effect !== 'deny' && effect !== 'hidden' && state === 'approved').length;
}
