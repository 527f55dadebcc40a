// npm run bench [-- --rounds N] [-- --json]
// One run, interleaved: a raw HTTP MCP backend called directly, through a bare reverse proxy, and through Gatehouse with
// a policy of fifty rules and the full record on. Figures are medians over the rounds; the bars are ratios within the run.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { callOnce, listOnce, median, openSession, percentile, type Target, throughput } from './bench/load.ts';
import { type HeadlessReady, type Running, startScript } from './processes.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);
const root = resolve(import.meta.dirname, '..');
const here = (path: string) => join(root, path);
const say = (line: string) => process.stderr.write(`${line}\n`);

const work = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
const running: Running<unknown>[] = [];
const env = { ...process.env, GATEHOUSE_PASSPHRASE: 'bench only' };
const admin = (...args: string[]) =>
  execFileSync(process.execPath, [here('out/main/admin.js'), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });

function makeOrganisation(backendPort: number): string {
  const org = join(work, 'org');
  admin('init', org, '--name', 'Bench');
  for (let index = 0; index < 10; index += 1) {
    admin('server', 'add', org, '--http', `http://127.0.0.1:${backendPort}/mcp/${index}`, '--alias', `bench${index}`);
  }
  admin('pin', org);
  const rules = Array.from(
    { length: 50 },
    (_, index) =>
      `@id("extra-${index}")\n@reason("Rule ${index} of fifty.")\nforbid (principal in Group::"nobody-${index}", action in Action::"call", resource);\n`,
  );
  const cedar = join(org, 'policy.cedar');
  writeFileSync(cedar, `${readFileSync(cedar, 'utf8')}\n${rules.join('\n')}`);
  admin('publish', org);
  return org;
}

const memoryOf = (pid: number | undefined) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
const medianOf = async (times: number, measure: () => Promise<number>) => {
  const values: number[] = [];
  for (let index = 0; index < times; index += 1) values.push(await measure());
  return median(values);
};

async function measure() {
  const backend = await startScript<{ port: number }>(here('scripts/bench/backend.ts'));
  running.push(backend);
  const proxy = await startScript<{ port: number }>(here('scripts/bench/proxy.ts'), [String(backend.ready.port)]);
  running.push(proxy);
  say('publishing an organisation of 10 servers with 100 tools each and 50 extra rules …');
  const org = makeOrganisation(backend.ready.port);

  const data = join(work, 'data');
  const start = () =>
    startScript<HeadlessReady>(here('out/main/headless.js'), [
      '--data',
      data,
      '--port',
      '0',
      '--org',
      join(org, 'org.json'),
      '--client',
      'bench',
    ]);
  const starts: number[] = [];
  for (let index = 0; index < 3; index += 1) {
    const once = await start();
    starts.push(once.startMs);
    await once.stop();
  }
  const gatehouse = await start();
  running.push(gatehouse);
  starts.push(gatehouse.startMs);
  await new Promise((done) => setTimeout(done, 2_000));
  const idleMb = memoryOf(gatehouse.process.pid);

  const token = gatehouse.ready.clients.bench ?? '';
  const targets: Target[] = [
    { name: 'direct', url: `http://127.0.0.1:${backend.ready.port}/mcp/0`, tool: 'tool_0' },
    { name: 'proxy', url: `http://127.0.0.1:${proxy.ready.port}/mcp/0`, tool: 'tool_0' },
    { name: 'gatehouse', url: gatehouse.ready.endpoint, token, tool: 'bench0__tool_0' },
  ];
  const sessions = new Map<string, string>();
  for (const target of targets) {
    sessions.set(target.name, await openSession(target));
    for (let index = 0; index < 200; index += 1) await callOnce(target, sessions.get(target.name) ?? '');
  }

  const samples = Object.fromEntries(
    targets.map(({ name }) => [
      name,
      { p50: [] as number[], p99: [] as number[], at16: [] as number[], at64: [] as number[], open: [] as number[] },
    ]),
  );
  for (let round = 0; round < rounds; round += 1) {
    say(`round ${round + 1} of ${rounds} …`);
    for (const target of targets) {
      const mine = samples[target.name];
      if (!mine) continue;
      const times: number[] = [];
      for (let index = 0; index < 500; index += 1) times.push(await callOnce(target, sessions.get(target.name) ?? ''));
      mine.p50.push(percentile(times, 0.5));
      mine.p99.push(percentile(times, 0.99));
      mine.at16.push(await throughput(target, 16, 3_000));
      mine.at64.push(await throughput(target, 64, 3_000));
      mine.open.push(
        await medianOf(5, async () => {
          const started = performance.now();
          await openSession(target);
          return performance.now() - started;
        }),
      );
    }
  }

  const listings: { direct: number[]; gatehouse: number[] } = { direct: [], gatehouse: [] };
  const through = targets[2];
  const ten = Array.from(
    { length: 10 },
    (_, index): Target => ({ name: 'direct', url: `http://127.0.0.1:${backend.ready.port}/mcp/${index}`, tool: '' }),
  );
  const tenSessions = await Promise.all(ten.map(openSession));
  let listed = 0;
  for (let index = 0; index < 20 && through; index += 1) {
    const started = performance.now();
    await Promise.all(ten.map((target, at) => listOnce(target, tenSessions[at] ?? '')));
    listings.direct.push(performance.now() - started);
    const { ms, tools } = await listOnce(through, sessions.get('gatehouse') ?? '');
    listings.gatehouse.push(ms);
    listed = tools;
  }
  if (listed !== 1_000) throw new Error(`expected 1000 tools through Gatehouse, found ${listed}`);

  const of = (name: string, key: 'p50' | 'p99' | 'at16' | 'at64' | 'open') => median(samples[name]?.[key] ?? []);
  return {
    throughput16: {
      direct: of('direct', 'at16'),
      proxy: of('proxy', 'at16'),
      gatehouse: of('gatehouse', 'at16'),
      ratio: of('gatehouse', 'at16') / of('proxy', 'at16'),
      bar: '>= 0.35',
    },
    throughput64: {
      direct: of('direct', 'at64'),
      proxy: of('proxy', 'at64'),
      gatehouse: of('gatehouse', 'at64'),
      ratio: of('gatehouse', 'at64') / of('proxy', 'at64'),
      bar: '',
    },
    p50: {
      direct: of('direct', 'p50'),
      proxy: of('proxy', 'p50'),
      gatehouse: of('gatehouse', 'p50'),
      ratio: of('gatehouse', 'p50') / of('proxy', 'p50'),
      bar: '<= 2.5',
    },
    p99: {
      direct: of('direct', 'p99'),
      proxy: of('proxy', 'p99'),
      gatehouse: of('gatehouse', 'p99'),
      ratio: of('gatehouse', 'p99') / of('proxy', 'p99'),
      bar: '',
    },
    list1000: {
      direct: median(listings.direct),
      proxy: Number.NaN,
      gatehouse: median(listings.gatehouse),
      ratio: median(listings.gatehouse) / median(listings.direct),
      bar: '',
    },
    sessionOpen: {
      direct: of('direct', 'open'),
      proxy: of('proxy', 'open'),
      gatehouse: of('gatehouse', 'open'),
      ratio: of('gatehouse', 'open') / of('proxy', 'open'),
      bar: '',
    },
    startToReadyMs: { gatehouse: median(starts), bar: '< 1000' },
    idleMb: { gatehouse: idleMb, bar: '< 130' },
    afterLoadMb: { gatehouse: memoryOf(gatehouse.process.pid), bar: '' },
  };
}

const UNITS: Readonly<Record<string, string>> = {
  throughput16: 'calls/s, 16 callers',
  throughput64: 'calls/s, 64 callers',
  p50: 'ms, sequential p50',
  p99: 'ms, sequential p99',
  list1000: 'ms, tools/list of 1,000 tools over 10 backends',
  sessionOpen: 'ms, session open',
  startToReadyMs: 'ms, start to ready',
  idleMb: 'MB idle',
  afterLoadMb: 'MB after the load',
};

try {
  const figures = await measure();
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else {
    const number = (value: number | undefined) =>
      (value === undefined || Number.isNaN(value) ? '—' : value.toFixed(value < 10 ? 2 : 0)).padStart(9);
    process.stdout.write(
      `${''.padEnd(46)}${['direct', 'proxy', 'gatehouse', 'ratio'].map((head) => head.padStart(10)).join('')}  bar\n`,
    );
    for (const [key, figure] of Object.entries(figures)) {
      const row: { direct?: number; proxy?: number; gatehouse: number; ratio?: number; bar: string } = figure;
      process.stdout.write(
        `${(UNITS[key] ?? key).padEnd(46)} ${number(row.direct)} ${number(row.proxy)} ${number(row.gatehouse)} ${number(row.ratio)}  ${row.bar}\n`,
      );
    }
  }
} finally {
  for (const one of running.reverse()) await one.stop();
  rmSync(work, { recursive: true, force: true });
}
