// npm start -- [--data DIR] [--port N] [--org FILE] [--hidden]
// Installs and builds where needed, then starts Gatehouse: with its window where that is possible, else without one.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  downloadRuntime,
  findRuntime,
  isRoot,
  programOf,
  runtimeEnvironment,
  whyNoDisplay,
  whyNoSandbox,
} from './runtime.mjs';
import { ensureBuilt, ensureInstalled, findNode, root, run, runMain, say } from './setup.mjs';

/** Unassigned by IANA, and the desktop app's own: AI apps that were connected find it again. */
const PORT = '7717';

await runMain(async () => {
  await ensureInstalled();
  await ensureBuilt();
  const args = process.argv.slice(2);

  let why = whyNoDisplay();
  const runtime = why ? undefined : (findRuntime() ?? (await downloadRuntime()));
  why ??= runtime ? whyNoSandbox(runtime) : whyNoRuntime();
  if (why) {
    say(`starting without a window, because ${why}.`);
    return startHeadless(args);
  }
  const switches = [];
  if (isRoot()) {
    say('running as root: Chromium’s sandbox is off (--no-sandbox). Use an ordinary account for daily work.');
    switches.push('--no-sandbox');
  }
  return run(programOf(runtime), [...switches, root, ...args], {
    env: { ...process.env, ...runtimeEnvironment(runtime) },
  });
});

function whyNoRuntime() {
  const given = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  return given
    ? `there is no Electron in ELECTRON_OVERRIDE_DIST_PATH (${given})`
    : 'Electron could not be fetched (a proxy can be set with ELECTRON_GET_USE_PROXY=1 and HTTPS_PROXY, a mirror with ELECTRON_MIRROR)';
}

/** The same app in this terminal; its pages open in a browser by a link that works once. */
function startHeadless(given) {
  const args = given.filter((word) => word !== '--hidden');
  const has = (name) => args.some((word) => word === name || word.startsWith(`${name}=`));
  if (!has('--data')) args.push('--data', dataFolder());
  if (!has('--port')) args.push('--port', PORT);
  return run(findNode(), [join(root, 'out', 'main', 'headless.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    onStart(child) {
      createInterface({ input: child.stdout }).on('line', tellReady);
      createInterface({ input: child.stderr }).on('line', tellTrouble);
    },
  });
}

function tellReady(line) {
  const ready = parse(line);
  if (!ready?.ready) return void process.stdout.write(`${line}\n`);
  process.stdout.write(`Gatehouse is running without a window. Open: ${ready.console}\n`);
  process.stdout.write(`AI apps connect to ${ready.endpoint}. Ctrl-C stops it.\n`);
  for (const [name, token] of Object.entries(ready.clients ?? {}))
    process.stdout.write(`Token for ${name}: ${token}\n`);
}

/** Diagnostics are JSON lines for machines; a person needs those that tell of trouble. */
function tellTrouble(line) {
  const entry = parse(line);
  if (!entry) return void process.stderr.write(`${line}\n`);
  if (entry.level === 'warn' || entry.level === 'error') say(entry.message ?? entry.event);
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    // Not one of our lines: it is passed on as it is.
    return undefined;
  }
}

/** The desktop app's own data folder, so that both ways of starting are the same Gatehouse. */
function dataFolder() {
  const home = homedir();
  switch (process.platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support', 'Gatehouse');
    case 'win32':
      return join(process.env.APPDATA ?? join(home, 'AppData', 'Roaming'), 'Gatehouse');
    default:
      return join(process.env.XDG_CONFIG_HOME || join(home, '.config'), 'Gatehouse');
  }
}
