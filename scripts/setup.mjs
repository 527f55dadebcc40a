// What every command needs first: the packages, a Node 24, and a build that is not older than its sources.
// Plain JavaScript without dependencies: it runs before anything is installed, on Node 20 or later.
// Everything it says goes to stderr; stdout belongs to the command.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

export const root = resolve(import.meta.dirname, '..');
const at = (...parts) => join(root, ...parts);
const OLDEST_NODE = 20;
const NEWER_NODE = 24;

export const say = (text) => process.stderr.write(`gatehouse: ${text}\n`);

/** Ends the command with what happened and what to do. */
export class SetupError extends Error {}

/** Runs `main`, turning its answer into the exit code and a SetupError into one plain message. */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    say(error instanceof SetupError ? error.message : (error?.stack ?? String(error)));
    process.exitCode = 1;
  }
}

// --- Child processes ---

/**
 * On Linux the C library gives memory back only when much more is free once a large piece was: reading the rule engine's 4 MB of
 * WebAssembly is such a piece, after which 20 MB that starting needed would be kept for good. Said up front, the bound stays.
 */
export const leanMemory = process.platform === 'linux' ? { MALLOC_TRIM_THRESHOLD_: String(128 * 1024) } : {};

/** Starts a program, forwards signals to it, waits for it. The answer is its exit code (128 + n for a signal). */
export function run(command, args, options = {}) {
  const { onStart, ...spawnOptions } = options;
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...spawnOptions });
    const forward = (signal) => {
      // Ctrl-C in a terminal reaches the whole group: the child has it already.
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const stop = () => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.on('error', (error) => {
      stop();
      failed(new SetupError(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      stop();
      done(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0));
    });
    onStart?.(child);
  });
}

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

// --- Packages ---

/** Runs `npm ci` when what is installed differs from package-lock.json. */
export async function ensureInstalled() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE) {
    throw new SetupError(
      `Node ${OLDEST_NODE} or later is needed, this is ${process.versions.node}. See https://nodejs.org/`,
    );
  }
  if (!isInstalled()) {
    say('installing packages (npm ci); the first time this takes a few minutes');
    const started = Date.now();
    const npm = npmCommand();
    const code = await run(npm.command, [...npm.args, 'ci', '--no-fund', '--no-audit', '--loglevel=error'], {
      stdio: ['ignore', process.stderr, process.stderr],
      shell: npm.shell,
    });
    if (code !== 0) {
      throw new SetupError(
        `npm ci ended with ${code}. Its messages are above. Usual causes: no way to the npm registry ` +
          '(check "npm config get registry" and your proxy), or no room on the disk. Then run the same command again.',
      );
    }
    say(`packages installed in ${Math.round((Date.now() - started) / 1000)} s`);
  }
  await ensureNode();
}

/** Every package the lock file names is installed in that version; those for other platforms may be absent. */
function isInstalled() {
  const wanted = readLock(at('package-lock.json'));
  const found = readLock(at('node_modules', '.package-lock.json'));
  if (!wanted) throw new SetupError('package-lock.json is missing or broken. Restore it from the repository.');
  if (!found) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link || entry.optional || entry.devOptional) return true;
    return found[path]?.version === entry.version && existsSync(at(path));
  });
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    // Missing or half-written: the caller decides what that means.
    return undefined;
  }
}

function npmCommand() {
  const script = process.env.npm_execpath;
  if (script && /npm-cli\.[cm]?js$/.test(script)) return { command: process.execPath, args: [script], shell: false };
  const windows = process.platform === 'win32';
  return { command: windows ? 'npm.cmd' : 'npm', args: [], shell: windows };
}

// --- Node 24 ---

const ownNode = () => at('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
let found;

/** Path of a Node 24 or later: the one installed with the packages, else the one running this. */
export function findNode() {
  found ??= [ownNode(), process.execPath].find((path) => nodeMajor(path) >= NEWER_NODE);
  return found;
}

function nodeMajor(path) {
  if (path === process.execPath) return Number(process.versions.node.split('.')[0]);
  if (!existsSync(path)) return 0;
  const { stdout, status } = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.split('.')[0]) : 0;
}

/** npm may be told to run no install scripts; the package "node" then lacks its program. Its own script mends that. */
async function ensureNode() {
  if (findNode()) return;
  const setup = at('node_modules', 'node', 'installArchSpecificPackage.js');
  if (existsSync(setup)) {
    say('fetching Node 24 (npm left out its install script)');
    await run(process.execPath, [setup], {
      cwd: at('node_modules', 'node'),
      stdio: ['ignore', process.stderr, process.stderr],
      // Left by an outer "npm run --ignore-scripts", it would reach the inner npm as well.
      env: { ...process.env, npm_config_ignore_scripts: 'false' },
    });
  }
  if (!findNode()) {
    throw new SetupError(
      `Node ${NEWER_NODE} is needed and could not be fetched. Run "npm rebuild node", or install Node ${NEWER_NODE} ` +
        `from https://nodejs.org/ and run the same command with it (this is ${process.versions.node}).`,
    );
  }
}

// --- Build ---

const SOURCES = [
  'main',
  'preload',
  'renderer',
  'resources',
  'electron.vite.config.ts',
  'package.json',
  'package-lock.json',
];
const BUILT = [
  'main/index.js',
  'main/headless.js',
  'main/bridge.js',
  'main/admin.js',
  'preload/index.cjs',
  'renderer/index.html',
];
const STAMP = at('out', '.sources');
const LOCK = at('out', '.building');

/** Builds out/ when a source differs from those it was built from. Two commands at once build once. */
export async function ensureBuilt() {
  if (isBuilt(hashSources())) return;
  mkdirSync(at('out'), { recursive: true });
  const release = await takeBuildLock();
  try {
    const sources = hashSources();
    if (isBuilt(sources)) return;
    say('building');
    rmSync(STAMP, { force: true });
    const started = Date.now();
    const builder = at('node_modules', 'electron-vite', 'bin', 'electron-vite.js');
    const code = await run(findNode(), [builder, 'build', '--logLevel', 'warn'], {
      stdio: ['ignore', process.stderr, process.stderr],
      env: { ...process.env, NODE_ENV: 'production' },
    });
    if (code !== 0) throw new SetupError(`the build ended with ${code}. Its messages are above.`);
    writeFileSync(`${STAMP}.new`, sources);
    renameSync(`${STAMP}.new`, STAMP);
    say(`built in ${Math.round((Date.now() - started) / 1000)} s`);
  } finally {
    release();
  }
}

function isBuilt(sources) {
  if (!BUILT.every((file) => existsSync(at('out', file)))) return false;
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sources;
}

function hashSources() {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((path) => listFiles(at(path)))) {
    hash.update(`${relative(root, file).split(sep).join('/')}\0`);
    hash.update(readFileSync(file));
    hash.update('\0');
  }
  return hash.digest('hex');
}

function listFiles(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listFiles(join(path, name)));
}

/** A directory with the builder's process id in it; one left by a process that is gone is taken over. */
async function takeBuildLock() {
  const owner = join(LOCK, 'pid');
  for (let told = false; ; ) {
    try {
      mkdirSync(LOCK);
      writeFileSync(owner, String(process.pid));
      return () => rmSync(LOCK, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const pid = existsSync(owner) ? Number(readFileSync(owner, 'utf8')) : 0;
    const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (pid > 0 ? !isAlive(pid) : age > 5_000) {
      rmSync(LOCK, { recursive: true, force: true });
      continue;
    }
    if (!told) say(`waiting for another command's build (process ${pid})`);
    told = true;
    await new Promise((next) => setTimeout(next, 250));
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
