// Where Electron's program is, and whether it can show a window here.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { findNode, root, run, say } from './setup.mjs';

const PROGRAM =
  { darwin: join('Electron.app', 'Contents', 'MacOS', 'Electron'), win32: 'electron.exe' }[process.platform] ??
  'electron';
const DIST = join(root, 'node_modules', 'electron', 'dist');
/** Seconds a download may take before headless mode is the better answer. */
const LONGEST_DOWNLOAD = 300;

/** The folder of an Electron that is here already, or undefined. */
export function findRuntime() {
  const given = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  const folder = given ? (isAbsolute(given) ? given : resolve(given)) : DIST;
  return existsSync(join(folder, PROGRAM)) ? folder : undefined;
}

export const programOf = (folder) => join(folder, PROGRAM);

/** What a runtime that is not the shipped one needs: a record database built for its older Node. */
export function runtimeEnvironment(folder) {
  const binding = join(folder, 'better_sqlite3-napi9.node');
  return {
    ELECTRON_OVERRIDE_DIST_PATH: folder,
    ...(existsSync(binding) && !process.env.GATEHOUSE_SQLITE_BINDING ? { GATEHOUSE_SQLITE_BINDING: binding } : {}),
  };
}

/** Electron's package fetches its program at first use. Tried once, for a bounded time. */
export async function downloadRuntime() {
  if (process.env.ELECTRON_OVERRIDE_DIST_PATH) return undefined;
  const seconds = Number(process.env.GATEHOUSE_DOWNLOAD_SECONDS) || LONGEST_DOWNLOAD;
  say(`fetching Electron (about 110 MB, at most ${seconds} s)`);
  let child;
  let errors = '';
  const limit = setTimeout(() => child?.kill('SIGKILL'), seconds * 1000);
  const dots = setInterval(() => say('still fetching Electron…'), 15_000);
  try {
    await run(findNode(), [join(root, 'node_modules', 'electron', 'install.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      onStart: (started) => {
        child = started;
        started.stderr.on('data', (data) => {
          errors = (errors + data).slice(0, 2_000);
        });
      },
    });
  } finally {
    clearTimeout(limit);
    clearInterval(dots);
  }
  const folder = findRuntime();
  if (!folder) say(`Electron was not fetched: ${errors.split('\n')[0]?.trim() || `nothing after ${seconds} s`}`);
  return folder;
}

/** Why no window can be shown here, or undefined. */
export function whyNoDisplay() {
  if (process.platform !== 'linux') return undefined;
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  return DISPLAY || WAYLAND_DISPLAY ? undefined : 'there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)';
}

export const isRoot = () => process.platform === 'linux' && process.getuid?.() === 0;

/** Why Chromium's sandbox cannot work here, or undefined. Without it no window is opened: it is not switched off silently. */
export function whyNoSandbox(folder) {
  if (process.platform !== 'linux' || isRoot()) return undefined;
  if (helperIsSetuid(folder)) return undefined;
  if (readFlag('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return 'this system allows no user namespaces, which Chromium’s sandbox needs (sysctl kernel.unprivileged_userns_clone)';
  }
  if (readFlag('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'AppArmor restricts user namespaces, which Chromium’s sandbox needs; install the packaged app, or make chrome-sandbox setuid root';
  }
  return undefined;
}

function helperIsSetuid(folder) {
  const helper = statSync(join(folder, 'chrome-sandbox'), { throwIfNoEntry: false });
  return helper !== undefined && helper.uid === 0 && (helper.mode & 0o4000) !== 0;
}

function readFlag(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
}
