import type { App } from '../app.ts';
import type { Log } from '../ports.ts';
import type { Notices } from './notifications.ts';
import type { Windows } from './windows.ts';
import { words } from './words.ts';

/**
 * Keeps the approval window and its notifications in step with the questions: one notification for each new question,
 * withdrawn when it is answered; the window goes when nothing is left to answer.
 */
export function followQuestions(app: App, windows: Windows, notices: Notices, log: Log): () => void {
  const notified = new Map<string, () => void>();

  const update = async () => {
    const questions = await app.handlers.questions({});
    const open = new Set(questions.map(({ id }) => id));
    for (const [id, withdraw] of notified) {
      if (open.has(id)) continue;
      notified.delete(id);
      withdraw();
    }
    for (const { id, kind, app: from, toolTitle, serverTitle } of questions) {
      if (notified.has(id)) continue;
      const body = words.asksBody(words.wantsTo[kind](oneLine(from), oneLine(toolTitle), oneLine(serverTitle)));
      notified.set(
        id,
        notices.show({ title: words.asksTitle, body, lasting: true, onClick: () => windows.approval.focus() }),
      );
    }
    if (questions.length === 0) windows.approval.dismiss();
    else windows.openApproval();
  };

  return app.onEvent((name, payload) => {
    if (name !== 'changed' || !('what' in payload) || payload.what !== 'questions') return;
    update().catch((error: unknown) => log.error('questions-not-shown', { error: String(error) }));
  });
}

/** Names come from apps and servers: without line breaks, control and direction characters, and of bounded length. */
function oneLine(text: string): string {
  const line = Array.from(text.replace(/\p{C}+/gu, ' ').trim());
  return line.length > 80 ? `${line.slice(0, 79).join('')}…` : line.join('');
}
