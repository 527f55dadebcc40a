import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Running, startScript } from '../processes.ts';
import { type Diagnostics, startGatehouse } from './gatehouse.ts';
import {
  type Caller,
  listOnce,
  median,
  open,
  openMany,
  openOnce,
  percentile,
  sequential,
  type Target,
  throughput,
  throughputOf,
} from './load.ts';
import { publish } from './organisation.ts';
import { fetchPeers, startPeers } from './peers.ts';
import type { Row } from './row.ts';

const here = (path: string) => resolve(import.meta.dirname, path);

/** What one run of the benchmark shares: its folder and everything it started. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  readonly rounds: number;
  readonly say: (line: string) => void;
  readonly #running: { stop(): Promise<void> }[] = [];

  constructor(rounds: number, say: (line: string) => void) {
    this.rounds = rounds;
    this.say = say;
  }

  keep<T extends { stop(): Promise<void> }>(started: T): T {
    this.#running.push(started);
    return started;
  }

  async end(started: { stop(): Promise<void> }): Promise<void> {
    this.#running.splice(this.#running.indexOf(started), 1);
    await started.stop();
  }

  async close(): Promise<void> {
    for (const each of [...this.#running].reverse()) await this.end(each);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async backend(): Promise<number> {
    const { ready } = this.keep(await startScript<{ port: number }>(here('backend.ts')));
    return ready.port;
  }

  gatehouse(data: string, org: string, options: { diagnostics?: boolean } = {}) {
    return startGatehouse(join(this.folder, data), org, options).then((started) => this.keep(started));
  }
}

const urlOf = (port: number, index: number) => `http://127.0.0.1:${port}/mcp/${index}`;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const times = (count: number, measure: () => Promise<number>) =>
  Array.from({ length: count }).reduce<Promise<number[]>>(
    async (before) => [...(await before), await measure()],
    Promise.resolve([]),
  );

interface Measured {
  readonly target: Target;
  readonly caller: Caller;
  readonly p50: number[];
  readonly p99: number[];
  readonly at16: number[];
  readonly open: number[];
}

/** Ten servers of a hundred tools each under fifty rules: speed, lists, sessions, start, memory. */
export async function mainRows(bench: Bench, calls: number): Promise<readonly Row[]> {
  const { rounds, say } = bench;
  const port = await bench.backend();
  const proxy: Running<{ port: number }> = bench.keep(await startScript(here('proxy.ts'), [String(port)]));
  say('publishing an organisation of 10 servers with 100 tools each and 50 rules …');
  const ten = Array.from({ length: 10 }, (_, index) => ({ alias: `bench${index}`, url: urlOf(port, index) }));
  const org = publish(join(bench.folder, 'org'), ten, 50);

  // The first start on a computer checks the policy; that is an enrolment, not a start.
  await (await startGatehouse(join(bench.folder, 'data'), org)).stop();
  const starts: number[] = [];
  for (let index = 0; index < 5; index += 1) {
    const once = await startGatehouse(join(bench.folder, 'data'), org);
    starts.push(once.startMs);
    await once.stop();
  }
  const gatehouse = await bench.gatehouse('data', org);
  await pause(3_000);
  const idle = gatehouse.memory();

  const targets: readonly [Target, Target, Target] = [
    { name: 'direct', url: urlOf(port, 0), tool: 'tool_0' },
    { name: 'proxy', url: urlOf(proxy.ready.port, 0), tool: 'tool_0' },
    gatehouse.target('bench0__tool_0'),
  ];
  const measured: Measured[] = [];
  for (const target of targets) {
    const caller = await open(target);
    await sequential(target, caller, 500);
    await throughput(target, 16, 5_000);
    measured.push({
      target,
      caller,
      p50: [],
      p99: [],
      at16: [],
      open: [],
    });
  }
  for (let round = 0; round < rounds; round += 1) {
    say(`round ${round + 1} of ${rounds} …`);
    for (const { target, caller, p50, p99, at16, open: opened } of measured) {
      const taken = await sequential(target, caller, 500);
      p50.push(percentile(taken, 0.5));
      p99.push(percentile(taken, 0.99));
      at16.push(await throughput(target, 16, 3_000));
      opened.push(median(await times(5, () => openOnce(target))));
    }
  }
  const of = (key: 'p50' | 'p99' | 'at16' | 'open') => {
    const [direct, bare, ours] = measured.map((each) => median(each[key]));
    return { direct: direct ?? Number.NaN, proxy: bare ?? Number.NaN, gatehouse: ours ?? Number.NaN };
  };
  const beside = (key: 'p50' | 'p99' | 'at16') => {
    const { direct, proxy: bare, gatehouse: ours } = of(key);
    return { beside: { direct, proxy: bare }, gatehouse: ours, ratio: ours / bare };
  };
  const rows: Row[] = [
    { what: 'throughput, HTTP, 16 callers', unit: 'calls/s', ...beside('at16'), bar: { atLeast: 0.7 }, of: 'ratio' },
    { what: 'sequential, p50', unit: 'ms', ...beside('p50'), bar: { atMost: 1.4 }, of: 'ratio' },
    { what: 'sequential, p99', unit: 'ms', ...beside('p99'), bar: { atMost: 2 }, of: 'ratio' },
    await listRow(
      ten.map(({ url }) => ({ name: 'direct', url, tool: '' })),
      gatehouse.target(''),
    ),
    {
      what: 'session open, 10 servers running',
      unit: 'ms',
      beside: { direct: of('open').direct },
      gatehouse: of('open').gatehouse,
      bar: { atMost: 10 },
    },
    { what: 'start to ready', unit: 'ms', beside: {}, gatehouse: median(starts), bar: { atMost: 500 } },
    { what: 'memory, idle', unit: 'MB', beside: {}, gatehouse: idle, bar: { atMost: 100 } },
  ];
  await bench.end(gatehouse);
  return [...rows, ...(await memoryRows(bench, org, calls)), ...(await loopRows(bench, org))];
}

async function listRow(servers: readonly Target[], merged: Target): Promise<Row> {
  const direct: number[] = [];
  const ours: number[] = [];
  const callers = await Promise.all(servers.map(open));
  const caller = await open(merged);
  for (let index = 0; index < 30; index += 1) {
    const started = performance.now();
    await Promise.all(callers.map(listOnce));
    direct.push(performance.now() - started);
    const { ms, tools } = await listOnce(caller);
    ours.push(ms);
    if (tools !== 1_000) throw new Error(`expected 1000 tools through Gatehouse, found ${tools}`);
  }
  const [beside, gatehouse] = [median(direct), median(ours)];
  const what = 'tools/list, 1,000 tools over 10 servers';
  return {
    what,
    unit: 'ms',
    beside: { direct: beside },
    gatehouse,
    ratio: gatehouse / beside,
    bar: { atMost: 1.5 },
    of: 'ratio',
  };
}

/** A Gatehouse of its own, so that what is counted is counted from its first call. */
async function memoryRows(bench: Bench, org: string, calls: number): Promise<readonly Row[]> {
  const first = 10_000;
  bench.say(`memory: ${calls.toLocaleString('en')} calls …`);
  const gatehouse = await bench.gatehouse('data-memory', org);
  const target = gatehouse.target('bench0__tool_0');
  await throughput(target, 16, first);
  const after10k = gatehouse.memory();
  await throughput(target, 16, calls - first);
  const afterAll = gatehouse.memory();
  await bench.end(gatehouse);
  const ratio = afterAll / after10k;
  const what = `memory, after ${calls.toLocaleString('en')} calls`;
  const beside = { 'after 10,000': after10k };
  return [{ what, unit: 'MB', beside, gatehouse: afterAll, ratio, bar: { atMost: 1.2 }, of: 'ratio' }];
}

/** With 64 callers, what else the process has to do must come to its turn; and alone, where the time of a call goes. */
async function loopRows(bench: Bench, org: string): Promise<readonly Row[]> {
  const gatehouse = await bench.gatehouse('data', org, { diagnostics: true });
  const target = gatehouse.target('bench0__tool_0');
  await throughput(target, 64, 10_000);
  await gatehouse.diagnostics();
  const delays: number[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    await throughput(target, 64, 5_000);
    delays.push((await gatehouse.diagnostics()).loopDelayMs.p99);
  }
  const caller = await open(target);
  await sequential(target, caller, 500);
  await gatehouse.diagnostics();
  const whole = await sequential(target, caller, 2_000);
  const { stages } = await gatehouse.diagnostics();
  await bench.end(gatehouse);
  const row = {
    what: 'event-loop delay p99, 64 callers',
    unit: 'ms',
    beside: {},
    gatehouse: median(delays),
    bar: { atMost: 20 },
  };
  return [row, ...profile(stages, whole)];
}

/** Microseconds of each stage, one call after the other, and what is left of the whole for HTTP and the event loop. */
function profile(stages: Diagnostics['stages'], whole: readonly number[]): readonly Row[] {
  const calls = whole.length;
  const mean = (1_000 * whole.reduce((sum, ms) => sum + ms, 0)) / calls;
  const order = ['admit', 'era', 'decide', 'guard', 'audit', 'forward', 'serialise'];
  const parts = order.map((stage) => ({ stage, micros: (1_000 * (stages[stage]?.ms ?? 0)) / calls }));
  const rest = mean - parts.reduce((sum, { micros }) => sum + micros, 0);
  return [...parts, { stage: 'HTTP and all else', micros: rest }].map(({ stage, micros }) => ({
    what: `of a call: ${stage}`,
    unit: 'µs',
    beside: {},
    gatehouse: micros,
  }));
}

/** A stdio server behind Gatehouse and behind the peers, and what a rule over arguments costs. */
export async function otherRows(bench: Bench): Promise<readonly Row[]> {
  const { rounds, say } = bench;
  const port = await bench.backend();
  const echo = [process.execPath, here('stdio-echo.ts')];
  const servers = [
    { alias: 'plain', url: urlOf(port, 0) },
    { alias: 'ruled', url: urlOf(port, 1) },
    { alias: 'echo', command: echo },
  ];
  const rule =
    '@id("no-secrets")\nforbid (principal, action == Action::"call:ruled.tool_0", resource) when { context.args.text like "secret*" };\n';
  const org = publish(join(bench.folder, 'org-rule'), servers, 50, rule);
  const gatehouse = await bench.gatehouse('data-rule', org);

  const [plain, ruled] = [gatehouse.target('plain__tool_0'), gatehouse.target('ruled__tool_0')];
  const [without, withRule] = [await open(plain), await open(ruled)];
  await sequential(plain, without, 1_000);
  await sequential(ruled, withRule, 1_000);
  const differences: number[] = [];
  for (let round = 0; round < Math.max(rounds, 5); round += 1) {
    const one = median(await sequential(ruled, withRule, 300));
    const other = median(await sequential(plain, without, 300));
    differences.push(one - other);
  }
  const rows: Row[] = [
    {
      what: 'a rule over the called tool’s arguments',
      unit: 'ms a call',
      beside: {},
      gatehouse: median(differences),
      bar: { atMost: 0.25 },
    },
  ];

  const folder = join(bench.folder, 'peers');
  const peers = fetchPeers(folder, say) ? await startPeers(folder, echo, say) : [];
  for (const peer of peers) bench.keep(peer);
  const through = [gatehouse.target('echo__echo'), ...peers.map(({ target }) => target)];
  // The same sessions throughout: where each has a process of its own, those must have come up to speed.
  const sessions = new Map<Target, readonly Caller[]>();
  const perSecond = new Map(through.map((target): [Target, number[]] => [target, []]));
  for (const target of through) {
    sessions.set(target, await openMany(target, 16));
    await throughputOf(target, sessions.get(target) ?? [], 10_000);
  }
  for (let round = 0; round < rounds; round += 1) {
    say(`stdio, round ${round + 1} of ${rounds} …`);
    for (const target of through) {
      perSecond.get(target)?.push(await throughputOf(target, sessions.get(target) ?? [], 3_000));
    }
  }
  const [ours = Number.NaN, ...theirs] = through.map((target) => median(perSecond.get(target) ?? []));
  const beside = Object.fromEntries(peers.map(({ target }, index) => [target.name, theirs[index] ?? Number.NaN]));
  const best = Math.max(...theirs);
  const what = 'throughput, stdio, 16 callers';
  const ratio = theirs.length > 0 ? ours / best : Number.NaN;
  return [...rows, { what, unit: 'calls/s', beside, gatehouse: ours, ratio, bar: { atLeast: 1.5 }, of: 'ratio' }];
}
