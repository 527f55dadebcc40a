import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { app, powerMonitor } from 'electron';
import type { App, createApp } from '../app.ts';
import { answerWindows } from '../ipc/electron.ts';
import type { Log, Preferences } from '../ports.ts';
import { readManagedEnrolment } from '../trust/managed.ts';
import { followQuestions } from './asking.ts';
import { ORIGIN } from './assets.ts';
import type { StartFailure } from './failure.ts';
import { pageOfLink } from './link.ts';
import { lockPages, openSession, registerScheme } from './lockdown.ts';
import { createFileLog } from './log.ts';
import { setApplicationMenu } from './menu.ts';
import { createNotices, type Notices } from './notifications.ts';
import { type Options, readOptions } from './options.ts';
import { createPorts } from './ports.ts';
import { openPreferences } from './preferences.ts';
import { quitInOrder } from './quit.ts';
import { createTray } from './tray.ts';
import { createTrayActions } from './tray-actions.ts';
import { createWindows, type Windows } from './windows.ts';
import { words } from './words.ts';

/** Unassigned by IANA. Kept in the preferences once it was taken, so that connected AI apps find it again. */
const DEFAULT_PORT = 7717;
const PORT_KEY = 'desktop.port';
const TOLD_KEY = 'desktop.told-about-tray';

/** What a second start of Gatehouse asks of the first. */
export interface Instance {
  readonly data: string;
  /** Another start: it wants the window, on the page of its link if it has one. Also links that macOS hands over. */
  onOpen(listener: (link: string | undefined) => void): void;
}

/** Before "ready": name, folders, sandbox, scheme, and the one-instance lock (one per data folder). */
export function claimInstance(options: Options): Instance | undefined {
  app.setName(words.product);
  app.setAppUserModelId('com.gatehouse.app');
  const data = options.data ?? join(app.getPath('appData'), words.product);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  app.setPath('userData', data);
  app.setPath('sessionData', join(data, 'chromium'));
  // As root Chromium has no sandbox to enable and would end at once; whoever gave --no-sandbox knows.
  if (!(process.getuid?.() === 0 && app.commandLine.hasSwitch('no-sandbox'))) app.enableSandbox();
  registerScheme();
  if (!app.requestSingleInstanceLock()) return undefined;
  // macOS may hand over a link before anyone listens for it.
  let early: string | undefined;
  let open = (link: string | undefined) => {
    early = link;
  };
  app.on('open-url', (event, link) => {
    event.preventDefault();
    open(link);
  });
  app.on('second-instance', (_event, argv, cwd) => {
    const read = readOptions(argv.slice(1), cwd);
    open(read.ok ? read.value.link : undefined);
  });
  return {
    data,
    onOpen(listener) {
      open = listener;
      if (early !== undefined) listener(early);
    },
  };
}

/** After "ready": builds the ports from Electron, starts the app, and hangs windows and tray on it. */
export async function start(
  options: Options,
  instance: Instance,
  create: typeof createApp,
): Promise<StartFailure | undefined> {
  const log = createFileLog(instance.data, !app.isPackaged);
  const managed = readManagedEnrolment(process.platform);
  if (managed && !managed.ok) {
    log.error('start-failed', { code: 'enrolment', message: managed.message });
    return { code: 'enrolment', message: managed.message };
  }
  const root = resolve(import.meta.dirname, '../..');
  const resources = join(root, 'resources');
  lockPages(log);
  setApplicationMenu();
  const preferences = openPreferences(instance.data);
  const notices = createNotices(log);
  const windows = createWindows({
    session: openSession(join(root, 'out', 'renderer'), log),
    preload: join(root, 'out', 'preload', 'index.cjs'),
    icon: join(resources, 'icon.png'),
    preferences,
    onMainHidden: () => tellOnce(preferences, notices),
    onApprovalClosed: () => running?.closeQuestions('closed'),
  });
  // Windows exist before the app: a question cannot come before it either.
  let running: App | undefined;

  const ports = createPorts({ data: instance.data, root, log, preferences, notices, windows });
  const created = await create(ports, {
    ...appOptions(options, preferences),
    ...(managed && { managedEnrolment: managed.text }),
  });
  if (!created.ok) {
    log.error('start-failed', { code: created.code, message: created.message });
    return created;
  }
  running = created.value;
  rememberPort(options, running, preferences);
  connect(running, windows, notices, log, resources);

  if (!options.hidden || options.link) windows.openMain(options.link && pageOfLink(options.link));
  instance.onOpen((link) => windows.openMain(link && pageOfLink(link)));
  app.on('activate', () => windows.openMain());
  return undefined;
}

function connect(running: App, windows: Windows, notices: Notices, log: Log, resources: string): void {
  answerWindows({
    handlers: running.handlers,
    origin: ORIGIN,
    kindOf: windows.kindOf,
    onRefused: (reason, name) => log.warn('window-call-refused', { reason, name }),
  });
  running.onEvent((name, payload) => windows.send(name, payload));
  followQuestions(running, windows, notices, log);
  const tray = createTray(
    running,
    resources,
    createTrayActions(running, windows, notices, log, () => tray.refresh()),
  );
  // Tray first: while calls drain nobody should start anything new from it.
  quitInOrder(running, log, () => {
    tray.close();
    windows.closeAll();
  });
  // Gatehouse lives in the tray when its last window is gone.
  app.on('window-all-closed', () => {});
  powerMonitor.on('resume', () => {
    Promise.resolve(running.handlers.refreshPolicy({})).catch((error: unknown) =>
      log.warn('refresh-failed', { error: String(error) }),
    );
  });
}

function appOptions(options: Options, preferences: Preferences): Parameters<typeof createApp>[1] {
  const kept = preferences.get(PORT_KEY);
  const port = options.port ?? (typeof kept === 'number' && Number.isInteger(kept) ? kept : DEFAULT_PORT);
  return options.org === undefined ? { port } : { port, orgJson: readOrg(options.org) };
}

/** A port the person chose is kept; "any free one" is for this start only. */
function rememberPort(options: Options, running: App, preferences: Preferences): void {
  const { endpoint } = running.status();
  if (options.port !== 0 && endpoint !== undefined) preferences.set(PORT_KEY, Number(new URL(endpoint).port));
}

function tellOnce(preferences: Preferences, notices: Notices): void {
  if (preferences.get(TOLD_KEY) === true) return;
  preferences.set(TOLD_KEY, true);
  notices.show(words.stillHere);
}

function readOrg(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new Error(`The enrolment file ${file} cannot be read: ${found}. Expected the org.json of your organisation.`);
  }
}
