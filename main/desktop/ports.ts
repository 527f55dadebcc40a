import { userInfo } from 'node:os';
import { join } from 'node:path';
import { app } from 'electron';
import type { Log, Notifier, Ports, Preferences, WindowOpener } from '../ports.ts';
import type { Notices } from './notifications.ts';

export interface PortParts {
  readonly data: string;
  readonly root: string;
  readonly log: Log;
  readonly preferences: Preferences;
  readonly notices: Notices;
  readonly windows: WindowOpener;
}

/** What Electron supplies to the app. */
export function createPorts({ data, root, log, preferences, notices, windows }: PortParts): Ports {
  const notifier: Notifier = {
    notify: (notice) => {
      notices.show(notice);
    },
  };
  // A binding from the environment is code: a packaged app loads its own only.
  const sqliteBinding = app.isPackaged ? undefined : process.env.GATEHOUSE_SQLITE_BINDING;
  return {
    clock: { now: () => Date.now() },
    log,
    paths: { data, resources: join(root, 'resources'), renderer: join(root, 'out', 'renderer') },
    preferences,
    notifier,
    windows,
    account: userInfo().username,
    version: app.getVersion(),
    ...(sqliteBinding ? { sqliteBinding } : {}),
  };
}
