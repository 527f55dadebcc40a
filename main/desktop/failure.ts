import { app, dialog } from 'electron';
import { words } from './words.ts';

const EXIT_FAILED = 1;

/** Why Gatehouse did not start. `code` picks the advice; an unknown one gets the general advice. */
export interface StartFailure {
  readonly code: string;
  readonly message: string;
}

/** One line for a terminal, a plain window for a person; the exit code is 1 however it ends. */
export function failToStart({ code, message }: StartFailure): void {
  process.stderr.write(`gatehouse: cannot start (${code}): ${message.replace(/\s+/g, ' ')}\n`);
  const exit = () => app.exit(EXIT_FAILED);
  const advice = Object.hasOwn(words.nextSteps, code) ? code : 'other';
  const detail = `${message}\n\n${words.nextSteps[advice as keyof typeof words.nextSteps]}`;
  if (!app.isReady()) {
    dialog.showErrorBox(words.startFailed, detail);
    exit();
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, exit);
  app.on('before-quit', exit);
  dialog
    .showMessageBox({
      type: 'error',
      title: words.product,
      message: words.startFailed,
      detail,
      buttons: [words.menu.quit],
      noLink: true,
    })
    .then(exit, exit);
}

/** An exception's words, for the person: what could not be used, as the system put it. */
export function failureOf(error: unknown): StartFailure {
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'other', message };
}
