import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app } from 'electron';
import { sessionEnvironment } from './bridge/place.ts';
import { runBridge } from './bridge/run.ts';

const headless = '--ozone-platform=headless';

/**
 * The bridge in the packaged app: no window, no lock on the one instance, and nothing in the person's folders, so that it can run beside
 * Gatehouse as often as there are apps. To be called before Electron is ready, which is not waited for.
 */
export function bridgeInElectron(argv: readonly string[]): void {
  const code = runWithoutScreen();
  if (code !== undefined) {
    app.exit(code);
    return;
  }
  const profile = mkdtempSync(join(tmpdir(), 'gatehouse-bridge-'));
  for (const name of ['userData', 'sessionData', 'crashDumps'] as const) app.setPath(name, profile);
  app.disableHardwareAcceleration();
  app.dock?.hide();
  const leave = () => rmSync(profile, { recursive: true, force: true });
  // Chromium may write a last word when it ends.
  app.on('quit', leave);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  app.on('before-quit', (event) => {
    event.preventDefault();
    stop.abort();
  });
  process.stderr.on('error', () => undefined);
  runBridge({
    argv,
    cwd: process.cwd(),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stop: stop.signal,
    say,
    start: starter(),
  })
    .catch((error: unknown) => {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return 1;
    })
    .then((exit) => {
      leave();
      app.exit(exit);
    });
}

/**
 * MCP libraries withhold DISPLAY from what they start, and Chromium ends without one, before any script could help. So it is started once more,
 * told that there is no screen, and this process stands by. Undefined where that is not needed.
 */
function runWithoutScreen(): number | undefined {
  if (process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY) return undefined;
  const words = process.argv.slice(1);
  if (words.includes(headless)) return undefined;
  const env = sessionEnvironment(process.env);
  const { status } = spawnSync(process.execPath, [headless, ...words], { stdio: 'inherit', env });
  return status ?? 1;
}

/** What starts this Gatehouse with its tray. An AppImage's own program is gone when the image is unmounted. */
function starter(): readonly string[] {
  if (app.isPackaged) return [process.env.APPIMAGE ?? process.execPath, '--hidden'];
  const switches = process.argv.includes('--no-sandbox') ? ['--no-sandbox'] : [];
  return [process.execPath, ...switches, app.getAppPath(), '--hidden'];
}

function say(sentence: string): void {
  process.stderr.write(`gatehouse bridge: ${sentence}\n`);
}
