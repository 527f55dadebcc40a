import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof REVISIONS)[number];

export type Status = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';

/** One line of a scenario's checks.json, as the suite writes it. */
export interface Check {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

/** Checks by scenario. */
export type Checks = ReadonlyMap<string, readonly Check[]>;

const root = resolve(import.meta.dirname, '../..');
const packageFolder = join(root, 'node_modules/@modelcontextprotocol/conformance');
const BOUND_MS = 240_000;

export const suiteVersion = (): string =>
  (JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string }).version;

/** The suite's own list of what a revision requires. */
export const requirementsFile = (revision: Revision): string => join(packageFolder, 'requirements', `${revision}.yaml`);

export interface SuiteRun {
  readonly checks: Checks;
  /** What the suite printed, for when there are no checks to show. */
  readonly output: string;
}

/** Runs the suite's own command line to its end and reads what it wrote. Its exit code says nothing that the checks do not. */
export async function runSuite(
  words: readonly string[],
  folder: string,
  prefix: 'server-' | '',
  env: Readonly<Record<string, string>> = {},
): Promise<SuiteRun> {
  const program = join(packageFolder, 'dist/index.js');
  const child = spawn(process.execPath, [program, ...words, '-o', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const bound = setTimeout(() => child.kill('SIGKILL'), BOUND_MS);
  await once(child, 'close');
  clearTimeout(bound);
  return { checks: readChecks(folder, prefix), output };
}

/** Folders are called like the scenario, with the time of the run; a scenario's own slashes are folders too. */
function readChecks(folder: string, prefix: string): Checks {
  const checks = new Map<string, readonly Check[]>();
  if (!existsSync(folder)) return checks;
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = entry.replaceAll('\\', '/');
    const scenario = /^(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z\/checks\.json$/.exec(path)?.[1];
    if (scenario === undefined) continue;
    const name = scenario.startsWith(prefix) ? scenario.slice(prefix.length) : scenario;
    checks.set(name, JSON.parse(readFileSync(join(folder, entry), 'utf8')) as Check[]);
  }
  return checks;
}
