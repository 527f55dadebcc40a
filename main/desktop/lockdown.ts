import { app, protocol, type Session, session } from 'electron';
import { readPage } from '../ipc/pages.ts';
import type { Log } from '../ports.ts';
import { assetHeaders, assetPath, ORIGIN, SCHEME } from './assets.ts';

/** Before "ready": our scheme gets an origin of its own; it bypasses nothing. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true } }]);
}

/** Windows live in a session that keeps nothing on disk, reaches no network and is granted next to nothing. */
export function openSession(root: string, log: Log): Session {
  // No "persist:" prefix: in memory only.
  const opened = session.fromPartition('gatehouse');
  opened.protocol.handle(SCHEME, (request) => answer(root, request));
  opened.webRequest.onBeforeRequest((details, decide) => {
    const allowed = details.url.startsWith(`${ORIGIN}/`) || (!app.isPackaged && details.url.startsWith('devtools://'));
    if (!allowed) log.warn('window-request-blocked', { url: details.url.slice(0, 200), kind: details.resourceType });
    decide({ cancel: !allowed });
  });
  opened.setPermissionRequestHandler((_contents, permission, decide, { requestingUrl }) =>
    decide(mayUse(permission, requestingUrl)),
  );
  opened.setPermissionCheckHandler((_contents, permission, origin) => mayUse(permission, origin));
  opened.setDevicePermissionHandler(() => false);
  opened.on('will-download', (event) => event.preventDefault());
  opened.setSpellCheckerEnabled(false);
  return opened;
}

/** Every page, also one nobody meant to open: no navigation, no new windows, no webview. */
export function lockPages(log: Log): void {
  app.on('web-contents-created', (_event, contents) => {
    const deny = (event: Electron.Event, url: string, what: string) => {
      event.preventDefault();
      log.warn('window-navigation-blocked', { what, url: url.slice(0, 200) });
    };
    contents.on('will-navigate', (event) => deny(event, event.url, 'navigate'));
    contents.on('will-frame-navigate', (event) => deny(event, event.url, 'frame'));
    contents.on('will-redirect', (event) => deny(event, event.url, 'redirect'));
    contents.on('will-attach-webview', (event) => deny(event, '', 'webview'));
    contents.setWindowOpenHandler(({ url }) => {
      log.warn('window-open-blocked', { url: url.slice(0, 200) });
      return { action: 'deny' };
    });
  });
}

/** The one thing granted: our own pages put text on the clipboard, after a click. Reading it stays forbidden. */
function mayUse(permission: string, origin: string): boolean {
  return permission === 'clipboard-sanitized-write' && (origin === ORIGIN || origin.startsWith(`${ORIGIN}/`));
}

async function answer(root: string, request: Request): Promise<Response> {
  if (request.method !== 'GET') return new Response('', { status: 405 });
  const path = assetPath(request.url);
  const page = path === undefined ? undefined : await readPage(root, path);
  if (!page) return new Response('', { status: 404 });
  return new Response(new Uint8Array(page.bytes), { headers: assetHeaders(page.type) });
}
