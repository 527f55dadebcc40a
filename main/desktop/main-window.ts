import { BrowserWindow, screen } from 'electron';
import type { Preferences } from '../ports.ts';
import { fitInto, placeAbove, readBounds } from './bounds.ts';
import { followTheme, pageAddress, type WindowParts, windowOptions } from './window-options.ts';
import { words } from './words.ts';

const SIZE = { width: 1080, height: 700 };
const SMALLEST = { minWidth: 540, minHeight: 420 };
/** Milliseconds: a page that dies again within them stays as it is until it is opened anew. */
const RELOAD_AGAIN_MS = 30_000;
const BOUNDS_KEY = 'window.bounds';

export interface MainWindow {
  open(page?: string): void;
  /** The window while it exists, shown or not. */
  current(): BrowserWindow | undefined;
  /** From now on closing closes. */
  release(): void;
}

export interface MainWindowParts extends WindowParts {
  readonly preferences: Preferences;
  /** The person closed the window; Gatehouse stays in the tray. */
  readonly onHidden: () => void;
  /** Tells the page, once it listens, where to go. */
  readonly navigate: (window: BrowserWindow, page: string) => void;
}

/** One main window, remembered where it was. Closing it hides it: the gate stays open. */
export function createMainWindow(parts: MainWindowParts): MainWindow {
  let window: BrowserWindow | undefined;
  let released = false;

  const create = (page: string | undefined): BrowserWindow => {
    const created = new BrowserWindow({
      ...windowOptions(parts),
      ...restoredBounds(parts.preferences),
      ...SMALLEST,
      title: words.product,
    });
    followTheme(created);
    const remember = () => {
      if (!created.isMinimized() && !created.isFullScreen() && !created.isMaximized()) {
        parts.preferences.set(BOUNDS_KEY, created.getBounds());
      }
    };
    created.once('ready-to-show', () => created.show());
    created.on('close', (event) => {
      remember();
      if (released) return;
      event.preventDefault();
      created.hide();
      parts.onHidden();
    });
    created.on('closed', () => {
      window = undefined;
    });
    reloadAfterCrash(created);
    void created.loadURL(pageAddress(page));
    return created;
  };

  return {
    open(page) {
      if (!window) {
        window = create(page);
        return;
      }
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
      if (page !== undefined) parts.navigate(window, page);
    },
    current: () => window,
    release() {
      released = true;
    },
  };
}

function restoredBounds(preferences: Preferences) {
  const saved = readBounds(preferences.get(BOUNDS_KEY));
  const area = saved ? screen.getDisplayMatching(saved).workArea : screen.getPrimaryDisplay().workArea;
  return saved ? fitInto(area, saved) : placeAbove(area, SIZE);
}

/** A page that died is loaded anew, unless it just was: the gate itself does not depend on it. */
function reloadAfterCrash(window: BrowserWindow): void {
  let last = Number.NEGATIVE_INFINITY;
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit' || performance.now() - last < RELOAD_AGAIN_MS) return;
    last = performance.now();
    window.reload();
  });
}
