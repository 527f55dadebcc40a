import type { WebContents } from 'electron';
import type { EventName, EventPayload } from '../../preload/contract.ts';
import type { WindowKind } from '../ipc/electron.ts';
import type { Preferences, WindowOpener } from '../ports.ts';
import { type ApprovalWindow, createApprovalWindow } from './approval-window.ts';
import { createMainWindow } from './main-window.ts';
import type { WindowParts } from './window-options.ts';

export interface Windows extends WindowOpener {
  readonly approval: Pick<ApprovalWindow, 'focus' | 'dismiss'>;
  /** Which of our windows a page belongs to, if any. */
  kindOf(contents: WebContents): WindowKind | undefined;
  /** Sends an event to the windows that may hear of it. */
  send<N extends EventName>(name: N, payload: EventPayload<N>): void;
  /** Closes everything; closing hides no longer. */
  closeAll(): void;
}

export interface WindowsParts extends WindowParts {
  readonly preferences: Preferences;
  readonly onMainHidden: () => void;
  readonly onApprovalClosed: () => void;
}

export const EVENT_CHANNEL = 'gatehouse:event';

export function createWindows(parts: WindowsParts): Windows {
  const approval = createApprovalWindow({ ...parts, onClosedByPerson: parts.onApprovalClosed });
  const main = createMainWindow({
    ...parts,
    onHidden: parts.onMainHidden,
    navigate: (window, page) => window.webContents.send(EVENT_CHANNEL, 'navigate', { page }),
  });

  return {
    openMain: (page) => main.open(page),
    openApproval: () => approval.show(),
    approval,
    kindOf(contents) {
      if (contents === main.current()?.webContents) return 'main';
      return contents === approval.current()?.webContents ? 'approval' : undefined;
    },
    send(name, payload) {
      main.current()?.webContents.send(EVENT_CHANNEL, name, payload);
      if (concernsApproval(name, payload)) approval.current()?.webContents.send(EVENT_CHANNEL, name, payload);
    },
    closeAll() {
      main.release();
      main.current()?.close();
      approval.dismiss();
    },
  };
}

/** The approval window hears only of questions and status. */
function concernsApproval(name: EventName, payload: EventPayload<EventName>): boolean {
  return name === 'changed' && 'what' in payload && (payload.what === 'questions' || payload.what === 'status');
}
