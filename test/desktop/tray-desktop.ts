import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { missing, root, until } from './gatehouse.ts';

const SOURCE = resolve(root, process.env.GATEHOUSE_TRAY_WATCHER ?? '../shared/tools/tray-watcher.mjs');

/** Why tray and notifications cannot be watched here, or undefined. */
export const noTray =
  missing ??
  (process.platform === 'linux' ? undefined : 'trays are watched on Linux only') ??
  (existsSync(SOURCE) ? undefined : `there is no tray watcher at ${SOURCE} (set GATEHOUSE_TRAY_WATCHER)`);
if (noTray !== undefined && noTray !== missing) process.stderr.write(`tray tests are skipped: ${noTray}\n`);

export interface MenuItem {
  readonly label: string;
  readonly type: string;
  readonly enabled: boolean;
  readonly checked?: boolean;
  readonly items?: readonly MenuItem[];
}

export interface TrayItem {
  readonly tray: string;
  readonly tooltip: string;
  readonly icon: string;
  readonly menu: readonly MenuItem[];
}

export interface Notification {
  readonly notification: number;
  readonly title: string;
  readonly body: string;
}

/** The part of a desktop that shows tray icons and notifications. */
export interface TrayDesktop {
  /** The one tray item, once `holds` is true of it. */
  item(what: string, holds?: (item: TrayItem) => boolean): Promise<TrayItem>;
  click(...labels: string[]): Promise<void>;
  notification(what: string, holds: (notification: Notification) => boolean): Promise<Notification>;
  readonly notifications: () => readonly Notification[];
  readonly withdrawn: () => readonly number[];
  pressNotification(id: number): Promise<void>;
  close(): Promise<void>;
}

type Line = Partial<TrayItem & Notification> & {
  readonly ready?: boolean;
  readonly gone?: string;
  readonly closed?: number;
  readonly done?: unknown;
  readonly error?: string;
};

/** Start it before the app: an app looks for a tray once. */
export async function startTrayDesktop(): Promise<TrayDesktop> {
  // Its own imports are looked up from where it lies: inside node_modules it finds ours.
  const folder = join(root, 'node_modules', '.cache', 'gatehouse');
  mkdirSync(folder, { recursive: true });
  const script = join(folder, 'tray-watcher.mjs');
  copyFileSync(SOURCE, script);

  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const items = new Map<string, TrayItem>();
  const notifications: Notification[] = [];
  const withdrawn: number[] = [];
  const answers: Line[] = [];
  let ready = false;
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    if (line.ready) ready = true;
    else if (line.done !== undefined || line.error !== undefined) answers.push(line);
    else if (line.gone !== undefined) items.delete(line.gone);
    else if (line.closed !== undefined) withdrawn.push(line.closed);
    else if (line.tray !== undefined) items.set(line.tray, line as TrayItem);
    else if (line.notification !== undefined) notifications.push(line as Notification);
  });
  await until('the tray is there', () => ready || child.exitCode !== null, Boolean);

  const command = async (value: object) => {
    const before = answers.length;
    child.stdin.write(`${JSON.stringify(value)}\n`);
    await until('the tray answers', () => answers.length > before, Boolean);
    const answer = answers[before];
    if (answer?.error !== undefined) throw new Error(answer.error);
  };
  return {
    item: async (what, holds = () => true) => {
      const found = await until(
        what,
        () => [...items.values()],
        ([first, ...more]) => first !== undefined && more.length === 0 && holds(first),
      );
      if (!found[0]) throw new Error('no tray item');
      return found[0];
    },
    click: (...labels) => command({ click: labels }),
    notification: async (what, holds) => {
      await until(
        what,
        () => notifications,
        (all) => all.some(holds),
      );
      const found = notifications.find(holds);
      if (!found) throw new Error('no notification');
      return found;
    },
    notifications: () => notifications,
    withdrawn: () => withdrawn,
    pressNotification: (id) => command({ action: 'default', notification: id }),
    close: () => endChild(child),
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}
