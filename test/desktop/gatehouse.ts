import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright';

export const root = resolve(import.meta.dirname, '../..');
export const pictures = join(root, 'test-results', 'desktop');

/** Why the desktop tests cannot run here, or undefined. */
export const missing = whyMissing();
if (missing !== undefined) process.stderr.write(`desktop tests are skipped: ${missing}\n`);

function whyMissing(): string | undefined {
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(root, 'node_modules/electron/dist');
  if (!existsSync(dist))
    return `there is no Electron at ${dist} (set ELECTRON_OVERRIDE_DIST_PATH, or run "npm start" once)`;
  if (!existsSync(join(root, 'out/main/index.js'))) return 'out/ is not built (npm run build)';
  if (process.platform !== 'linux') return undefined;
  if (!process.env.DISPLAY && !process.env.WAYLAND_DISPLAY)
    return 'there is no display (npm run desktop starts one: xvfb-run)';
  if (!process.env.DBUS_SESSION_BUS_ADDRESS)
    return 'there is no session bus (npm run desktop starts one: dbus-run-session)';
  return undefined;
}

/** What every start gets: as root, Chromium has no sandbox to use. */
export const switches = process.getuid?.() === 0 ? ['--no-sandbox'] : [];

/** A person's machine: a data folder and a configuration home of its own, removed at the end. */
export function createLaptop(): { data: string; env: Record<string, string>; remove(): void } {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-desktop-'));
  const given = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    // Where the app looks by itself: a start that carries only a link finds it too.
    data: join(home, 'config', 'Gatehouse'),
    env: { ...Object.fromEntries(given), XDG_CONFIG_HOME: join(home, 'config'), ELECTRON_ENABLE_LOGGING: '' },
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}

export interface Running {
  readonly electron: ElectronApplication;
  readonly stderr: () => string;
  /** The main window's page. */
  mainPage(): Promise<Page>;
  /** The approval window's page, once it is there. */
  approvalPage(): Promise<Page>;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
  stop(): Promise<void>;
}

/** The real app, driven by Playwright. */
export async function launch(laptop: ReturnType<typeof createLaptop>, ...args: string[]): Promise<Running> {
  const electron = await _electron.launch({
    cwd: root,
    args: [...switches, root, '--data', laptop.data, '--port', '0', ...args],
    env: laptop.env,
  });
  const child = electron.process();
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const exited = ended(child);
  const pageOf = async (wanted: (page: Page) => boolean): Promise<Page> => {
    const found = electron.windows().find(wanted);
    return found ?? electron.waitForEvent('window', { predicate: wanted, timeout: 30_000 });
  };
  const isApproval = (page: Page) => page.url().includes('#/approval');
  return {
    electron,
    stderr: () => stderr,
    mainPage: () => pageOf((page) => !isApproval(page)),
    approvalPage: () => pageOf(isApproval),
    exited,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
        child.kill('SIGTERM');
        await exited;
        clearTimeout(force);
      }
    },
  };
}

/** The program as a person's desktop starts it, without Playwright. */
export function startProgram(laptop: ReturnType<typeof createLaptop>, ...args: string[]): Promise<Program> {
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(root, 'node_modules/electron/dist');
  const child = spawn(join(dist, 'electron'), [...switches, root, ...args], { cwd: root, env: laptop.env });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return Promise.resolve({ child, stderr: () => stderr, exited: ended(child) });
}

export interface Program {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const [code]: (number | null)[] = await once(child, 'exit');
  return code ?? null;
}

export async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** Asks until it holds; the last answer is in the error. Bounded by 30 s. */
export async function until<T>(what: string, ask: () => T | Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + 30_000;
  let answer = await ask();
  while (!holds(answer)) {
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await new Promise((next) => setTimeout(next, 50));
    answer = await ask();
  }
  return answer;
}
