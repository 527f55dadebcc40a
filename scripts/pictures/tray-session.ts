// Runs inside a display and a session bus of its own: FILE LIGHT ORG_JSON DATA. A real panel hosts the real app's tray icon;
// its menu is opened by a click, as a person's, and what the screen shows is the picture.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { launch } from '../../test/desktop/gatehouse.ts';
import { connectApp } from '../../test/desktop/organisation.ts';
import { APPS, until } from './day.ts';
import { SCREEN } from './panel.ts';

const [picture = '', light = 'light', orgJson = '', data = ''] = process.argv.slice(2);
const BACKDROP: Readonly<Record<string, string>> = { light: '#cfdcd8', dark: '#243330' };
const PICTURE = { width: 1120, height: 690 };
/** "Apps connected" is this many steps down; items that are greyed out are passed over. */
const APPS_ITEM = 5;

const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' }).trim();
const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** The window the panel gives its tray; it is there, a pixel wide, before the first icon is. */
function trayWidth(): { x: number; width: number } | undefined {
  const ids = run('xdotool', 'search', '--onlyvisible', '--class', 'wrapper-2.0').split('\n').filter(Boolean);
  for (const id of ids) {
    const shape = new Map(
      run('xdotool', 'getwindowgeometry', '--shell', id)
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );
    const width = Number(shape.get('WIDTH'));
    if (width >= 20) return { x: Number(shape.get('X')), width };
  }
  return undefined;
}

async function main(): Promise<void> {
  const panel = spawn('xfce4-panel', ['--disable-wm-check'], { stdio: 'ignore' });
  const env = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    await until('the panel is there', () => {
      try {
        return run('xdotool', 'search', '--onlyvisible', '--class', 'xfce4-panel') !== '';
      } catch {
        // xdotool ends with 1 while there is no such window.
        return false;
      }
    });
    await wait(2_000);
    // A display forgets its backdrop when its last client goes: not before the panel is there.
    run('xsetroot', '-solid', BACKDROP[light] ?? '#888888');
    const app = await launch({ data, env, remove: () => {} }, '--org', orgJson);
    try {
      const page = await app.mainPage();
      for (const name of APPS) await (await connectApp(page, name)).call('files__list_directory', { path: '.' });
      await page.evaluate(() => window.close());
      await wait(1_500);
      const tray = trayWidth();
      if (!tray) throw new Error('the panel shows no tray icon');
      run('xdotool', 'mousemove', String(tray.x + tray.width / 2), '30', 'click', '3');
      await wait(1_000);
      for (const key of Array(APPS_ITEM).fill('Down')) run('xdotool', 'key', key);
      run('xdotool', 'key', 'Right');
      await wait(1_000);
      const { width, height } = PICTURE;
      run('import', '-window', 'root', '-crop', `${width}x${height}+${SCREEN.width - width}+0`, '+repage', picture);
    } finally {
      await app.stop();
    }
  } finally {
    await end(panel);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}
// The apps' connections would keep the process for a while.
process.exit();
