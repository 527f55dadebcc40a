import { app as electron, powerMonitor } from 'electron';
import type { App } from '../app.ts';
import type { Log } from '../ports.ts';

/** Calls in flight have five seconds in the gateway; backends then end. Beyond this, quitting wins. */
const LONGEST_MS = 12_000;

/** Quitting answers every open question "no", lets calls in flight end or be recorded, and only then exits. */
export function quitInOrder(app: App, log: Log, beforeExit: () => void): void {
  let state: 'running' | 'closing' | 'closed' = 'running';

  const close = async () => {
    app.closeQuestions('quit');
    beforeExit();
    const late = Symbol('late');
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), LONGEST_MS);
    });
    const ended = await Promise.race([app.close(), bound]);
    clearTimeout(timer);
    if (ended === late) throw new Error(`calls or tools did not end within ${LONGEST_MS} ms`);
  };

  electron.on('before-quit', (event) => {
    if (state === 'closed') return;
    event.preventDefault();
    if (state === 'closing') return;
    state = 'closing';
    close().then(
      () => {
        state = 'closed';
        electron.exit(0);
      },
      (error: unknown) => {
        state = 'closed';
        log.error('quit-incomplete', { error: String(error) });
        electron.exit(1);
      },
    );
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => electron.quit());
  powerMonitor.on('shutdown', () => electron.quit());
}
