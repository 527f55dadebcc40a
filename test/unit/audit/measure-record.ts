/**
 * Run by hand: node test/unit/audit/measure-record.ts [calls]. Fills a record (two rows a call) and prints what appending,
 * paging, opening and verifying cost on this machine.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditWriter, CallFacts, CallFilter } from '../../../main/audit/record.ts';
import { openAudit } from '../../../main/audit/store.ts';

const calls = Number(process.argv[2] ?? 500_000);
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-measure-'));
const clock = { now: () => Date.now() };

function open(name: string, durability: 'process' | 'power' = 'process') {
  const opened = openAudit({ file: join(folder, name), clock, durability });
  if (!opened.ok) throw new Error(opened.message);
  return opened.value;
}

function facts(callId: string, n: number): CallFacts {
  return {
    callId,
    user: 'alice',
    app: n % 1000 === 0 ? 'Rare' : `App ${n % 5}`,
    era: 'modern',
    session: 'session-1',
    alias: `server-${n % 7}`,
    tool: `tool_${n % 50}`,
    definition: 'a'.repeat(64),
    argumentsDigest: 'b'.repeat(64),
    arguments: JSON.stringify({
      owner: 'acme',
      repository: 'gatehouse',
      title: `Issue number ${n}`,
      body: 'x'.repeat(100),
    }),
    effect: 'allow',
    rules: [{ id: 'rule-1', reason: 'Engineers may do this' }],
    reason: 'Engineers may do this',
    policyVersion: 3,
    policyDigest: 'c'.repeat(64),
  };
}

function append(writer: AuditWriter, n: number): void {
  const callId = randomUUID();
  writer.append({ kind: 'call.begin', ...facts(callId, n) });
  writer.append({
    kind: 'call.end',
    callId,
    outcome: n % 10_000 === 0 ? 'timeout' : 'ok',
    durationMs: n % 300,
    resultDigest: 'd'.repeat(64),
    resultBytes: 300,
    result: 'y'.repeat(300),
  });
}

function measure<T>(name: string, work: () => T, divisor = 1, unit = 'ms'): T {
  const begun = process.hrtime.bigint();
  const value = work();
  const ms = Number(process.hrtime.bigint() - begun) / 1e6;
  process.stdout.write(`${name}: ${((unit === 'µs' ? ms * 1000 : ms) / divisor).toFixed(2)} ${unit}\n`);
  return value;
}

try {
  const power = open('power.db', 'power');
  measure(
    'append, durability "power"',
    () => {
      for (let n = 0; n < 1000; n++) append(power.writer, n);
    },
    2000,
    'µs',
  );
  power.close();
  let store = open('audit.db');
  const first = Math.min(calls, 10_000);
  measure(
    'append, first 20,000 rows',
    () => {
      for (let n = 0; n < first; n++) append(store.writer, n);
    },
    2 * first,
    'µs',
  );
  if (calls > first) {
    measure(
      `append, up to ${2 * calls} rows`,
      () => {
        for (let n = first; n < calls; n++) append(store.writer, n);
      },
      2 * (calls - first),
      'µs',
    );
  }
  measure('close', () => store.close());
  process.stdout.write(`file: ${(statSync(join(folder, 'audit.db')).size / 1e6).toFixed(0)} MB\n`);
  store = measure('open', () => open('audit.db'));
  const { reader } = store;
  const pages: Record<string, CallFilter> = {
    'first page': {},
    'page in the middle': { beforeSeq: calls },
    'a common app': { app: 'App 2' },
    'a rare app': { app: 'Rare' },
    'an app that never called': { app: 'Nobody' },
    'one tool': { alias: 'server-3', tool: 'tool_10' },
    'a tool that was never called': { alias: 'server-3', tool: 'none' },
    failed: { outcome: 'failed' },
    'failed, of one app': { outcome: 'failed', app: 'App 1' },
    refused: { outcome: 'refused' },
    running: { outcome: 'running' },
    ok: { outcome: 'ok' },
    'text, common': { text: 'number 49' },
    'text, nowhere': { text: 'nowhere to be found' },
    'text, not ASCII, nowhere': { text: 'überall' },
    'the last minute': { since: Date.now() - 60_000 },
    'before all': { until: 1 },
  };
  for (const [name, filter] of Object.entries(pages)) {
    const found = measure(`calls: ${name}`, () => reader.calls(filter));
    process.stdout.write(`  ${found.length} calls\n`);
  }
  const some = reader.calls({ limit: 1 })[0];
  if (some !== undefined) measure('call', () => reader.call(some.callId));
  measure('totals', () => reader.totals(0));
  measure('hourly', () => reader.hourly(0));
  measure('countByApp', () => reader.countByApp(0));
  const verdict = measure('verify', () => reader.verify());
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
  store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
