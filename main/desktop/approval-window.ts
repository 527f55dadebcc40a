import { BrowserWindow, screen } from 'electron';
import { fitInto, placeAbove } from './bounds.ts';
import { followTheme, pageAddress, type WindowParts, windowOptions } from './window-options.ts';
import { words } from './words.ts';

const SIZE = { width: 480, height: 580 };
const SMALLEST = { minWidth: 420, minHeight: 440 };
/** Milliseconds after it appears in which neither a click nor a key meant for the app below can answer. */
export const GRACE_MS = 700;
/** Keys that press a focused button. */
const PRESSING = new Set(['Enter', 'NumpadEnter', 'Space']);

export interface ApprovalWindow {
  /** Shows the window without taking the keyboard; a window already shown stays as it is. */
  show(): void;
  /** Because the person asked for it (tray, notification): with the keyboard. */
  focus(): void;
  /** Nothing is left to answer. */
  dismiss(): void;
  current(): BrowserWindow | undefined;
}

/**
 * A small window above everything, so that a question cannot be missed. It never takes the keyboard by itself: what the
 * person is typing into another app must not answer it. Closing it is "no" to everything it shows.
 */
export function createApprovalWindow(parts: WindowParts & { readonly onClosedByPerson: () => void }): ApprovalWindow {
  let window: BrowserWindow | undefined;
  let wantsFocus = false;

  const create = (): BrowserWindow => {
    const area = screen.getDisplayNearestPoint(screen.getCursorScreenPoint()).workArea;
    const created = new BrowserWindow({
      ...windowOptions(parts),
      ...placeAbove(area, SIZE),
      ...SMALLEST,
      title: words.approvalTitle,
      alwaysOnTop: true,
      minimizable: false,
      maximizable: false,
      fullscreenable: false,
      // A panel on macOS appears above full-screen apps and does not activate this one.
      ...(process.platform === 'darwin' ? { type: 'panel' } : {}),
    });
    created.setAlwaysOnTop(true, 'pop-up-menu');
    if (process.platform === 'darwin') created.setVisibleOnAllWorkspaces(true, { visibleOnFullScreen: true });
    // Its own name in the list of windows, whatever the page is called.
    created.on('page-title-updated', (event) => event.preventDefault());
    followTheme(created);
    keepInSight(created);
    const guard = guardAgainstHaste(created);
    created.once('ready-to-show', () => {
      guard();
      if (wantsFocus) created.show();
      else created.showInactive();
      if (!created.isFocused()) created.flashFrame(true);
    });
    created.on('focus', () => created.flashFrame(false));
    created.on('close', () => parts.onClosedByPerson());
    created.on('closed', () => {
      if (window === created) window = undefined;
    });
    // Without its page nobody can answer: that is a "no", not a wait.
    created.webContents.on('render-process-gone', () => created.close());
    void created.loadURL(pageAddress('approval'));
    return created;
  };

  return {
    show() {
      if (window) return;
      wantsFocus = false;
      window = create();
    },
    focus() {
      if (!window) {
        wantsFocus = true;
        window = create();
      } else if (window.isVisible()) {
        window.moveTop();
        window.focus();
      } else wantsFocus = true;
    },
    dismiss() {
      // destroy() sends no "close": nobody said no.
      window?.destroy();
      window = undefined;
    },
    current: () => window,
  };
}

/** A window that pops up under a moving hand: clicks fall through, keys that press are dropped, for a moment. */
function guardAgainstHaste(window: BrowserWindow): () => void {
  let calmAt = Number.POSITIVE_INFINITY;
  window.setIgnoreMouseEvents(true);
  window.webContents.on('before-input-event', (event, input) => {
    if (performance.now() < calmAt && PRESSING.has(input.code)) event.preventDefault();
  });
  return () => {
    calmAt = performance.now() + GRACE_MS;
    setTimeout(() => {
      if (!window.isDestroyed()) window.setIgnoreMouseEvents(false);
    }, GRACE_MS);
  };
}

/** A question cannot be pushed off the screen, where its buttons and arguments would not be seen. */
function keepInSight(window: BrowserWindow): void {
  const back = () => {
    if (window.isDestroyed()) return;
    const bounds = window.getBounds();
    const fitted = fitInto(screen.getDisplayMatching(bounds).workArea, bounds);
    if (fitted.x !== bounds.x || fitted.y !== bounds.y || fitted.height !== bounds.height) window.setBounds(fitted);
  };
  let settle: NodeJS.Timeout | undefined;
  const later = () => {
    clearTimeout(settle);
    settle = setTimeout(back, 400);
  };
  window.on('move', later);
  window.on('resize', later);
  window.on('closed', () => clearTimeout(settle));
}
