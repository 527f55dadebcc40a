import type { AppView, TokensSavedView } from '../../../preload/contract.ts';
import { explain, useLink, useLive } from '../../live.ts';
import { AppMark } from '../../parts/app-mark.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Ago } from '../../parts/live-time.tsx';
import { PageHead } from '../../parts/page-head.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Empty, Loaded } from '../../parts/states.tsx';
import { useToast } from '../../parts/toast.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { go, href } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatDay } from '../../words/format.ts';
import { ConnectApp } from './connect-app.tsx';
import { Saved, SavedNote } from './tokens-saved.tsx';
import './apps.css';

/** The AI apps that hold a key to this computer's gate. */
export function AppsPage({ adding }: { adding: boolean }) {
  const apps = useLive('apps', {}, ['apps', 'activity']);
  const saved = useLive('tokensSaved', {}, ['apps', 'tools']);
  const addButton = (
    <a className="button primary" href={href('apps', 'add')}>
      <Icon name="plus" />
      {words.apps.add}
    </a>
  );
  return (
    <>
      <PageHead title={words.apps.title} side={!adding && (apps.value?.length ?? 0) > 0 && addButton}>
        {words.apps.about}
      </PageHead>
      <Loaded live={apps} rows={3}>
        {(list) => (
          <>
            {adding && (
              <section className="card apps-add" aria-label={words.apps.add}>
                <ConnectApp known={list} onDone={() => go('apps')} />
              </section>
            )}
            {list.length > 0 ? (
              <>
                <ul className="card apps-list">
                  {list.map((app) => (
                    <AppRow
                      key={app.id}
                      app={app}
                      saved={saved.value?.filter((each) => each.app === app.id) ?? []}
                      onChanged={apps.reload}
                    />
                  ))}
                </ul>
                <SavedNote live={saved} />
              </>
            ) : (
              !adding && (
                <div className="card">
                  <Empty title={words.apps.none} action={addButton}>
                    {words.apps.noneDetail}
                  </Empty>
                </div>
              )
            )}
          </>
        )}
      </Loaded>
    </>
  );
}

function AppRow({ app, saved, onChanged }: { app: AppView; saved: readonly TokensSavedView[]; onChanged: () => void }) {
  const { bridge } = useLink();
  const toast = useToast();
  const { apps } = words;

  const attempt = async (name: 'revokeApp' | 'restoreApp'): Promise<boolean> => {
    try {
      const result = await bridge.call(name, { id: app.id });
      if (!result.ok) toast({ text: result.message, tone: 'bad' });
      return result.ok;
    } catch (error) {
      toast({ text: explain(error), tone: 'bad' });
      return false;
    } finally {
      onChanged();
    }
  };
  const revoke = async (): Promise<void> => {
    if (!(await attempt('revokeApp'))) return;
    const restore = async (): Promise<void> => {
      if (await attempt('restoreApp')) toast({ text: apps.restored(app.name), tone: 'plain' });
    };
    toast({ text: apps.revoked(app.name), tone: 'plain', undo: () => void restore() });
  };

  return (
    <li className="app-row">
      <AppMark name={app.name} />
      <div className="app-words">
        <h2>
          <VisibleText text={app.name} />
        </h2>
        <p className="small muted">
          <span className="mono">{app.hint}</span> · {apps.added(formatDay(app.issuedAt))}
        </p>
      </div>
      <dl className="app-facts small">
        <div>
          <dt className="unseen">{apps.connection}</dt>
          <dd className={`set-state ${app.sessions > 0 ? 'good' : ''}`}>{apps.sessions(app.sessions)}</dd>
        </div>
        <div>
          <dt className="unseen">{apps.used}</dt>
          <dd className="muted">
            {app.lastUsedAt === undefined ? (
              apps.neverUsed
            ) : (
              <Sentence text={apps.lastUsed} parts={{ when: <Ago at={app.lastUsedAt} /> }} />
            )}
          </dd>
        </div>
        <div>
          <dt className="unseen">{apps.today}</dt>
          <dd className="muted numbers">{apps.calls(app.callsToday)}</dd>
        </div>
      </dl>
      <button type="button" className="button slim" onClick={revoke} aria-label={apps.revokeName(app.name)}>
        {apps.revoke}
      </button>
      <Saved saved={saved} />
    </li>
  );
}
