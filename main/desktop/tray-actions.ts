import { app } from 'electron';
import type { App } from '../app.ts';
import type { Log } from '../ports.ts';
import type { Notices } from './notifications.ts';
import type { TrayActions } from './tray-menu.ts';
import type { Windows } from './windows.ts';
import { words } from './words.ts';

/** What the menu's items do, by the same answers the windows get. `refresh` draws the menu anew. */
export function createTrayActions(
  running: App,
  windows: Windows,
  notices: Notices,
  log: Log,
  refresh: () => void,
): TrayActions {
  const { handlers } = running;
  type Done = Awaited<ReturnType<typeof handlers.pause>>;
  /** What a click asked for either happens or is said not to have happened; the menu then shows what is true. */
  const attempt = (asked: Done | Promise<Done>) => {
    Promise.resolve(asked)
      .then((done) => {
        if (!done.ok) notices.show({ title: words.notDone, body: done.message });
      })
      .catch((error: unknown) => {
        log.error('tray-action-failed', { error: String(error) });
        notices.show({ title: words.notDone, body: words.nextSteps.other });
      })
      .finally(refresh);
  };
  return {
    setToolSet: (alias, enabled) => attempt(handlers.setToolSetEnabled({ alias, enabled })),
    pause: (minutes) => attempt(handlers.pause({ minutes })),
    resume: () => attempt(handlers.resume({})),
    showQuestions: () => windows.approval.focus(),
    open: (page) => windows.openMain(page),
    quit: () => app.quit(),
  };
}
