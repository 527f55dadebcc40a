import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { type HeadlessReady, type Running, startScript } from '../processes.ts';
import type { Target } from './load.ts';

const root = resolve(import.meta.dirname, '../..');
/** What scripts/run.mjs starts every program with; see scripts/setup.mjs. */
const leanMemory = process.platform === 'linux' ? { MALLOC_TRIM_THRESHOLD_: String(128 * 1024) } : {};

/** What `--diagnostics` prints at each signal: everything since the last. */
export interface Diagnostics {
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly cpuMs: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly stages: Readonly<Record<string, { readonly calls: number; readonly ms: number }>>;
}

export interface Gatehouse extends Running<HeadlessReady> {
  target(tool: string, endpoint?: string): Target;
  /** Resident memory, MB. */
  memory(): number;
  /** Only of one started with diagnostics. */
  diagnostics(): Promise<Diagnostics>;
}

/** Starts the built headless mode as `npm run headless` does. */
export async function startGatehouse(
  data: string,
  org: string,
  options: { diagnostics?: boolean } = {},
): Promise<Gatehouse> {
  const args = ['--data', data, '--port', '0', '--org', join(org, 'org.json'), '--client', 'bench'];
  const running = await startScript<HeadlessReady>(
    join(root, 'out/main/headless.js'),
    options.diagnostics ? [...args, '--diagnostics'] : args,
    { env: { ...leanMemory, ...process.env } },
  );
  const { ready, process: child } = running;
  const token = ready.clients.bench ?? '';
  let lines: Interface | undefined;
  return {
    ...running,
    target: (tool, endpoint = '') => ({ name: 'gatehouse', url: `${ready.endpoint}${endpoint}`, token, tool }),
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    async diagnostics() {
      if (child.stdout === null) throw new Error('expected a pipe for stdout');
      lines ??= createInterface({ input: child.stdout });
      const next = once(lines, 'line');
      child.kill('SIGUSR2');
      const [line]: string[] = await next;
      const parsed: { diagnostics: Diagnostics } = JSON.parse(line ?? '');
      return parsed.diagnostics;
    },
  };
}
