import { app, type BrowserWindow, type BrowserWindowConstructorOptions, nativeTheme, type Session } from 'electron';
import { ORIGIN } from './assets.ts';

/** What windows are made from. */
export interface WindowParts {
  readonly session: Session;
  /** Absolute path of the preload script. */
  readonly preload: string;
  /** Absolute path of the icon (Linux and Windows show it in their bars). */
  readonly icon: string;
}

/** The page's own background (stone), so that nothing flashes before the first paint. */
export function backgroundColour(): string {
  return nativeTheme.shouldUseDarkColors ? '#16181b' : '#f4f1ec';
}

export function windowOptions({ session, preload, icon }: WindowParts): BrowserWindowConstructorOptions {
  return {
    show: false,
    backgroundColor: backgroundColour(),
    icon,
    autoHideMenuBar: true,
    webPreferences: {
      session,
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      safeDialogs: true,
      spellcheck: false,
      devTools: !app.isPackaged,
    },
  };
}

/** Address of a window's page; the hash tells the renderer which one. */
export function pageAddress(page = ''): string {
  return page === '' ? `${ORIGIN}/index.html` : `${ORIGIN}/index.html#/${page}`;
}

/** Follows the theme while the window lives. */
export function followTheme(window: BrowserWindow): void {
  const paint = () => window.setBackgroundColor(backgroundColour());
  nativeTheme.on('updated', paint);
  window.on('closed', () => nativeTheme.off('updated', paint));
}
