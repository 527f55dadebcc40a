import { join } from 'node:path';
import { openAudit } from '../../main/audit/store.ts';
import { newCallId } from '../../main/gateway/call-id.ts';
import { throughput } from './load.ts';
import type { Bench } from './measure.ts';
import { publish, type Server } from './organisation.ts';
import type { Row } from './row.ts';

/** What one call takes of the processor, µs: waiting for the client and the server does not count. */
async function cpuPerCall(bench: Bench, data: string, org: string, tool: string): Promise<number> {
  const gatehouse = await bench.gatehouse(data, org, { diagnostics: true });
  const target = gatehouse.target(tool);
  await throughput(target, 16, 10_000);
  const costs: number[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    await gatehouse.diagnostics();
    await throughput(target, 16, 5_000);
    costs.push((await gatehouse.diagnostics()).cpuMs / 5);
  }
  await bench.end(gatehouse);
  return Math.min(...costs);
}

function row(what: string, few: string, cost: number, costOfMany: number): Row {
  const ratio = costOfMany / cost;
  return {
    what,
    unit: 'µs a call',
    beside: { [few]: cost },
    gatehouse: costOfMany,
    ratio,
    bar: { atMost: 1.15 },
    of: 'ratio',
  };
}

/** What a call costs with many tools, many rules and a long record, beside few of each. */
export async function growthRows(bench: Bench): Promise<readonly Row[]> {
  const port = await bench.backend();
  const server = (index: number, tools: number): Server => ({
    alias: `bench${index}`,
    url: `http://127.0.0.1:${port}/mcp/${index}?tools=${tools}`,
  });
  const organisation = (name: string, servers: readonly Server[], rules: number) => {
    bench.say(`publishing ${name} …`);
    return publish(join(bench.folder, `org-${name.replaceAll(' ', '-')}`), servers, rules);
  };
  const rows: Row[] = [];

  const fewTools = organisation('10 tools', [server(0, 10)], 50);
  const manyTools = organisation(
    '10000 tools',
    Array.from({ length: 10 }, (_, index) => server(index, 1_000)),
    50,
  );
  const cost = await cpuPerCall(bench, 'few-tools', fewTools, 'bench0__tool_0');
  rows.push(
    row('growth, 10 to 10,000 tools', '10', cost, await cpuPerCall(bench, 'many-tools', manyTools, 'bench0__tool_0')),
  );

  const fewRules = organisation('10 rules', [server(0, 100)], 10);
  const manyRules = organisation('1000 rules', [server(0, 100)], 1_000);
  const costOfRules = await cpuPerCall(bench, 'few-rules', fewRules, 'bench0__tool_0');
  rows.push(
    row(
      'growth, 10 to 1,000 rules',
      '10',
      costOfRules,
      await cpuPerCall(bench, 'many-rules', manyRules, 'bench0__tool_0'),
    ),
  );

  const short = await cpuPerCall(bench, 'short-record', fewRules, 'bench0__tool_0');
  bench.say('writing a record of 1,000,000 rows …');
  writeRows(join(bench.folder, 'long-record', 'audit.db'), 1_000_000);
  rows.push(
    row(
      'growth, 10³ to 10⁶ rows of record',
      '10³',
      short,
      await cpuPerCall(bench, 'long-record', fewRules, 'bench0__tool_0'),
    ),
  );
  return rows;
}

/** What as many rows of ordinary calls look like, written as the gateway writes them. */
function writeRows(file: string, rows: number): void {
  let now = Date.now() - rows;
  const opened = openAudit({ file, clock: { now: () => now } });
  if (!opened.ok) throw new Error(opened.message);
  const { writer, reader, close } = opened.value;
  const digest = 'ab'.repeat(32);
  for (let row = 0; row < rows; row += 2) {
    now += 2;
    const callId = newCallId(now);
    writer.append({
      kind: 'call.begin',
      callId,
      user: 'alice',
      app: `App ${row % 5}`,
      era: 'legacy',
      session: 'session',
      policyVersion: 1,
      policyDigest: digest,
      alias: 'bench0',
      tool: `tool_${row % 50}`,
      definition: digest,
      argumentsDigest: digest,
      arguments: '{"text":"hello 1234","count":1234}',
      effect: 'allow',
      rules: [{ id: 'read-only', reason: 'Reading is allowed.' }],
      reason: 'Reading is allowed.',
    });
    const result = '{"content":[{"type":"text","text":"hello 1234"}]}';
    writer.append({
      kind: 'call.end',
      callId,
      outcome: 'ok',
      durationMs: 1,
      resultDigest: digest,
      resultBytes: 50,
      result,
    });
    if (row % 100_000 === 0) reader.calls({ limit: 1 });
  }
  close();
}
