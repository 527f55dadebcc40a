// npm test                    everything: setup, types and lint, all tests, the demo
// node scripts/test.mjs NAME…  only these vitest projects: unit, gateway, conformance, window, desktop
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { downloadRuntime, findRuntime, runtimeEnvironment } from './runtime.mjs';
import { ensureBuilt, ensureInstalled, findNode, root, run, runMain, SetupError, say } from './setup.mjs';

const PROJECTS = ['unit', 'gateway', 'conformance', 'window', 'desktop'];
/** What the window and desktop tests need of a Debian system. */
const PACKAGES = ['chromium', 'xvfb', 'xauth', 'dbus', 'libgtk-3-0', 'libnss3', 'libgbm1', 'libasound2', 'g++'];
const LIBRARIES = ['libgtk-3.so.0', 'libnss3.so', 'libgbm.so.1', 'libasound.so.2'];
const totals = { passed: 0, failed: 0, skipped: 0 };
const times = [];

await runMain(async () => {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !PROJECTS.includes(name));
  if (unknown.length > 0) throw new SetupError(`unknown tests: ${unknown.join(', ')}. Known: ${PROJECTS.join(', ')}`);
  const reports = mkdtempSync(join(tmpdir(), 'gatehouse-tests-'));
  try {
    return await runSteps(stepsFor(names, reports));
  } finally {
    rmSync(reports, { recursive: true, force: true });
    for (const { name, seconds, code } of times)
      say(`${code === 0 ? 'done  ' : 'FAILED'} ${seconds.padStart(6)} s  ${name}`);
    process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
  }
});

function stepsFor(names, reports) {
  const projects = names.length === 0 ? PROJECTS : names;
  const script = (...path) => join(root, 'node_modules', ...path);
  const onNode = (file, ...args) => run(findNode(), [file, ...args]);
  const all = names.length === 0;
  const steps = [
    ['install packages', ensureInstalled],
    ['system packages', () => ensureSystemPackages(projects)],
    ['build', ensureBuilt],
    all && ['types', () => onNode(script('typescript', 'bin', 'tsc'), '-b')],
    all && ['lint', () => onNode(script('@biomejs', 'biome', 'bin', 'biome'), 'check', '.')],
    ...projects.map((project) => [`tests: ${project}`, () => runProject(project, reports)]),
    all && existsSync(join(root, 'scripts', 'demo.ts')) && ['demo', () => onNode(join('scripts', 'demo.ts'))],
  ];
  return steps.filter(Boolean);
}

/** One after the other; the first that fails is the last. */
async function runSteps(steps) {
  for (const [name, step] of steps) {
    say(`— ${name}`);
    const started = Date.now();
    let code = 1;
    try {
      code = (await step()) ?? 0;
    } finally {
      times.push({ name, code, seconds: ((Date.now() - started) / 1000).toFixed(1) });
    }
    if (code !== 0) return code;
  }
  return 0;
}

async function runProject(project, reports) {
  const report = join(reports, `${project}.json`);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const command = [findNode(), vitest, 'run', '--project', project];
  command.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`, '--passWithNoTests');
  const { wrap, env } = project === 'desktop' ? await desktopSurroundings() : { wrap: [], env: {} };
  const [program, ...args] = [...wrap, ...command];
  const code = await run(program, args, { env: { ...process.env, ...env } });
  count(report, project);
  return code;
}

function count(report, project) {
  if (!existsSync(report)) {
    say(`${project}: vitest wrote no report`);
    return;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  totals.skipped += numPendingTests + numTodoTests;
}

// --- What the desktop tests run in ---

/** A display and a session bus of their own, and an Electron. What is missing, the tests themselves say and skip. */
async function desktopSurroundings() {
  const wrap = [];
  const missing = [];
  if (process.platform === 'linux') {
    if (has('dbus-run-session')) wrap.push('dbus-run-session', '--');
    else missing.push('dbus-run-session');
    if (has('xvfb-run')) wrap.push('xvfb-run', '-a', '--server-args=-screen 0 1600x1000x24');
    else if (!process.env.DISPLAY) missing.push('xvfb-run');
  }
  const runtime = findRuntime() ?? (await assembleRuntime()) ?? (await downloadRuntime());
  if (!runtime) missing.push('an Electron runtime (ELECTRON_OVERRIDE_DIST_PATH)');
  if (missing.length > 0) say(`desktop tests are skipped: ${missing.join(', ')} not found`);
  return {
    wrap,
    env: {
      ...(runtime ? runtimeEnvironment(runtime) : {}),
      // No portal, no accessibility bus: nothing of the real desktop answers in a test.
      NO_AT_BRIDGE: '1',
      GTK_USE_PORTAL: '0',
    },
  };
}

/** A test runtime from a script beside the repository, where there is one. It prints the folder as its last line. */
async function assembleRuntime() {
  const script = resolve(root, process.env.GATEHOUSE_ELECTRON_RUNTIME ?? '../shared/tools/electron-runtime.sh');
  if (!existsSync(script)) return undefined;
  let output = '';
  const code = await run(script, [], {
    stdio: ['ignore', 'pipe', process.stderr],
    onStart: (child) => {
      child.stdout.on('data', (data) => {
        output += data;
      });
    },
  });
  return code === 0 ? output.trim().split('\n').at(-1) : undefined;
}

// --- System packages ---

function has(program) {
  const { status } = spawnSync(process.platform === 'win32' ? 'where' : 'which', [program], { stdio: 'ignore' });
  return status === 0;
}

async function ensureSystemPackages(projects) {
  if (!projects.some((project) => project === 'window' || project === 'desktop')) return 0;
  if (process.platform !== 'linux') return 0;
  const missing = missingParts();
  if (missing.length === 0) return 0;
  if (!(process.getuid?.() === 0 && has('apt-get'))) {
    say(
      `missing: ${missing.join(', ')}; tests that need them are skipped. On Debian: apt-get install ${PACKAGES.join(' ')}`,
    );
    return 0;
  }
  say(`missing: ${missing.join(', ')}; installing ${PACKAGES.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const stdio = ['ignore', 'ignore', process.stderr];
  await run('apt-get', ['update', '-qq'], { env, stdio });
  const code = await run('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...PACKAGES], { env, stdio });
  if (code !== 0) say(`apt-get install ended with ${code}; tests that need these packages are skipped`);
  return 0;
}

function missingParts() {
  const missing = ['xvfb-run', 'xauth', 'dbus-run-session', 'g++'].filter((program) => !has(program));
  if (!['chromium', 'chromium-browser', 'google-chrome'].some(has)) missing.push('chromium');
  const { stdout } = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  return [...missing, ...LIBRARIES.filter((library) => !stdout?.includes(library))];
}
