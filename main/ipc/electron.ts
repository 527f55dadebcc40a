import { ipcMain, type WebContents, type WebFrameMain } from 'electron';
import type { CallName, Handlers } from '../../preload/contract.ts';
import { dispatch } from './handlers.ts';

export const CALL_CHANNEL = 'gatehouse:call';

export type WindowKind = 'main' | 'approval';

export interface IpcParts {
  readonly handlers: Handlers;
  /** Origin our pages are served from. */
  readonly origin: string;
  readonly kindOf: (contents: WebContents) => WindowKind | undefined;
  readonly onRefused: (reason: string, name: string) => void;
}

/** What the approval window needs, and nothing else. */
const APPROVAL_CALLS: ReadonlySet<string> = new Set<CallName>(['questions', 'answer', 'status']);
/** Only the window that shows a question may answer it. */
const MAIN_REFUSED: ReadonlySet<string> = new Set<CallName>(['answer']);

/** Answers the windows' calls: first who asks (main frame, our origin, our window), then what, then with which arguments. */
export function answerWindows({ handlers, origin, kindOf, onRefused }: IpcParts): () => void {
  ipcMain.handle(CALL_CHANNEL, async (event, name: unknown, args: unknown) => {
    const shown = typeof name === 'string' ? name.slice(0, 64) : typeof name;
    const refuse = (reason: string) => {
      onRefused(reason, shown);
      return { ok: false, code: 'not-permitted', message: `This window may not ask for “${shown}”.` };
    };
    if (!isOurPage(event.senderFrame, event.sender, origin)) return refuse('foreign-frame');
    const kind = kindOf(event.sender);
    if (!kind) return refuse('unknown-window');
    if (typeof name !== 'string' || !mayAsk(kind, name)) return refuse(`not-for-${kind}`);
    return dispatch(handlers, name, args);
  });
  return () => ipcMain.removeHandler(CALL_CHANNEL);
}

/** Which window may make which call. Unknown names are left to the dispatcher to refuse. */
export function mayAsk(kind: WindowKind, name: string): boolean {
  switch (kind) {
    case 'approval':
      return APPROVAL_CALLS.has(name);
    case 'main':
      return !MAIN_REFUSED.has(name);
    default: {
      const unknown: never = kind;
      return unknown;
    }
  }
}

function isOurPage(frame: WebFrameMain | null, sender: WebContents, origin: string): boolean {
  if (!frame || frame.parent !== null || frame.detached) return false;
  return frame.frameTreeNodeId === sender.mainFrame.frameTreeNodeId && frame.origin === origin;
}
