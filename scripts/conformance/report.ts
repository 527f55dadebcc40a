import type { ClientReport } from './clients.ts';
import type { Row } from './compare.ts';
import type { Loss, ServerReport } from './servers.ts';
import { REVISIONS } from './suite.ts';

const MARK: Readonly<Record<Row['difference'], string>> = {
  same: '',
  lost: '◀ lost',
  gained: 'gained',
  noted: 'does not apply',
};

const count = (rows: readonly Row[], pick: (row: Row) => boolean) => rows.filter(pick).length;

/** Check by check, then the totals. */
export function serverTable({ revision, behind, rows }: ServerReport, losses: readonly Loss[]): string {
  const reasonOf = (row: Row) => losses.find((loss) => loss.row === row)?.reason;
  const label = (row: Row) => `${row.scenario}  ${row.name}`;
  const width = Math.max(...rows.map((row) => label(row).length), 10) + 2;
  const lines = rows.flatMap((row) => {
    const line = `${label(row).padEnd(width)}${row.direct.padEnd(9)}${row.through.padEnd(9)}${reasonOf(row) === undefined ? MARK[row.difference] : 'lost, as expected'}`;
    const message = reasonOf(row) ?? row.message;
    return message === '' ? [line.trimEnd()] : [line.trimEnd(), `    ${message.replace(/\s+/g, ' ').slice(0, 300)}`];
  });
  return [
    `\nServer scenarios, ${revision}, the server behind Gatehouse speaking ${behind}`,
    `${''.padEnd(width)}direct   through`,
    ...lines,
    totalLine(revision, rows),
  ].join('\n');
}

function totalLine(revision: string, rows: readonly Row[]): string {
  const direct = count(rows, (row) => row.direct === 'SUCCESS');
  const through = count(rows, (row) => row.through === 'SUCCESS');
  const lost = count(rows, (row) => row.difference === 'lost');
  return `${revision}: ${direct} checks pass directly, ${through} through Gatehouse, ${lost} are lost on the way`;
}

export function clientTable(reports: readonly ClientReport[]): string {
  const width = Math.max(...reports.map(({ scenario }) => scenario.length), 10) + 2;
  const lines = REVISIONS.flatMap((revision) => {
    const mine = reports.filter((report) => report.revision === revision);
    if (mine.length === 0) return [];
    return [
      `\nClient scenarios, ${revision}`,
      ...mine.flatMap(({ scenario, passed, failed, verdict, notes }) => [
        `${scenario.padEnd(width)}${String(passed).padStart(3)} passed ${String(failed).padStart(3)} failed  ${verdict}`,
        ...(verdict === 'passes' ? [] : notes.map((note) => `    ${note.replace(/\s+/g, ' ').slice(0, 300)}`)),
      ]),
    ];
  });
  return lines.join('\n');
}
