// npm run bench [-- --rounds N] [-- --json] [-- --long] [-- --growth]
// One run, interleaved: a raw HTTP MCP backend called directly, through a bare reverse proxy, and through Gatehouse with a policy of fifty
// rules, the full record and all guards on; a stdio server through Gatehouse and through gateways that check nothing. Figures are medians
// over the rounds; bars are for ratios within the run, where there is something to compare with. docs/performance.md says more.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { growthRows } from './bench/growth.ts';
import { Bench, mainRows, otherRows } from './bench/measure.ts';
import { meets, table } from './bench/row.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    /** Memory after a million calls instead of a hundred thousand. */
    long: { type: 'boolean', default: false },
    /** What many tools, rules and rows cost: publishing them takes minutes. */
    growth: { type: 'boolean', default: false },
  },
});

const bench = new Bench(Number(values.rounds), (line) => process.stderr.write(`${line}\n`));
try {
  const rows = [
    ...(await mainRows(bench, values.long ? 1_000_000 : 100_000)),
    ...(await otherRows(bench)),
    ...(values.growth ? await growthRows(bench) : []),
  ];
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${process.platform}`;
  const date = new Date().toISOString().slice(0, 10);
  const results = rows.map((row) => ({ ...row, met: meets(row) }));
  const text = values.json ? JSON.stringify({ date, machine, rows: results }) : `${date}, ${machine}\n\n${table(rows)}`;
  process.stdout.write(`${text}\n`);
} finally {
  await bench.close();
}
