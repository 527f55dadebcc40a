import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Light } from './pages.ts';
import { panelSettings, SCREEN, toolkitSettings } from './panel.ts';

const root = resolve(import.meta.dirname, '../..');
const BOUND_MS = 180_000;

/** Each program the picture needs, and the Debian package that has it. */
const PROGRAMS = {
  'dbus-run-session': 'dbus',
  'xvfb-run': 'xvfb',
  xauth: 'xauth',
  'xfce4-panel': 'xfce4-panel',
  xdotool: 'xdotool',
  xsetroot: 'x11-xserver-utils',
  import: 'imagemagick',
} as const;

export interface TrayOptions {
  readonly orgJsonPath: string;
  readonly work: string;
  readonly pictures: string;
  readonly lights: readonly Light[];
}

/** Takes tray-light.png and tray-dark.png. Answers in one sentence what is missing here, if anything is. */
export async function takeTrayPictures({
  orgJsonPath,
  work,
  pictures,
  lights,
}: TrayOptions): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'the panel is one of Linux.';
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isThere(program));
  if (missing.length > 0)
    return `it needs ${missing.map(([program]) => program).join(', ')} (apt-get install ${missing.map(([, name]) => name).join(' ')}).`;
  const runtime = findElectron();
  if (!runtime) return 'there is no Electron (run "npm start" once, or set ELECTRON_OVERRIDE_DIST_PATH).';
  for (const light of lights) {
    const home = join(work, `desktop-${light}`);
    furnish(home, light);
    await runSession(home, runtime, [join(pictures, `tray-${light}.png`), light, orgJsonPath, join(home, 'data')]);
  }
  return undefined;
}

function isThere(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

/** The Electron that is here, or the one a script beside the repository assembles for tests. */
function findElectron(): string | undefined {
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(root, 'node_modules/electron/dist');
  if (existsSync(join(dist, 'electron'))) return dist;
  const script = resolve(root, process.env.GATEHOUSE_ELECTRON_RUNTIME ?? '../shared/tools/electron-runtime.sh');
  if (!existsSync(script)) return undefined;
  const { status, stdout } = spawnSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return status === 0 ? stdout.trim().split('\n').at(-1) : undefined;
}

/** A home with nothing in it but a panel and a theme. */
function furnish(home: string, light: Light): void {
  const channels = join(home, 'config/xfce4/xfconf/xfce-perchannel-xml');
  const toolkit = join(home, 'config/gtk-3.0');
  for (const folder of [channels, toolkit, join(home, 'cache')]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(channels, 'xfce4-panel.xml'), panelSettings(light));
  writeFileSync(join(toolkit, 'settings.ini'), toolkitSettings(light));
}

/** A display and a session bus of its own; both end with the script inside them. */
async function runSession(home: string, runtime: string, args: readonly string[]): Promise<void> {
  const binding = join(runtime, 'better_sqlite3-napi9.node');
  const script = join(import.meta.dirname, 'tray-session.ts');
  const command = ['xvfb-run', '-a', '--server-args', `-screen 0 ${SCREEN.width}x${SCREEN.height}x24`];
  const child = spawn('dbus-run-session', ['--', ...command, process.execPath, script, ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that one signal ends all of it.
    detached: true,
    env: {
      ...process.env,
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_CACHE_HOME: join(home, 'cache'),
      GDK_SCALE: '2',
      NO_AT_BRIDGE: '1',
      GTK_USE_PORTAL: '0',
      ELECTRON_OVERRIDE_DIST_PATH: runtime,
      ...(existsSync(binding) ? { GATEHOUSE_SQLITE_BINDING: binding } : {}),
    },
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk).slice(-4_000);
  });
  const endGroup = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const limit = setTimeout(endGroup, BOUND_MS);
  const [code]: (number | null)[] = await once(child, 'exit');
  clearTimeout(limit);
  try {
    endGroup();
  } catch {
    // Nothing of the group is left, as it should be.
  }
  if (code !== 0) throw new Error(`the tray picture ended with ${code}: ${errors}`);
}
