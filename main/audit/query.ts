import type Database from 'better-sqlite3';
import type { AuditEvent, AuditReader, AuditRow, CallFilter, CallStory } from './record.ts';
import { isCallStart, type StoryParts, tellStory } from './story.ts';

type Value = string | number;

const rowColumns = 'r.seq, r.at, r.kind, r.call_id AS callId, r.body, r.prev, r.hash';
const startKinds = "e.kind IN ('call.begin', 'call.refused')";
/** Read from the row: the one thing lists search that entries do not repeat. */
const argumentsText = "json_extract(r.body, '$.arguments')";
const hour = 3_600_000;

/**
 * Reads the record through the writer's own connection; a page costs two queries, whatever its length. `catchUp` runs
 * before each look, so that what lists are made from knows every row.
 */
export function createReader(
  db: Database.Database,
  openSeqs: () => readonly number[],
  catchUp: () => void,
): Omit<AuditReader, 'verify'> {
  // LIKE folds ASCII only, which is fast and right for ASCII needles; other text is compared here.
  db.function('holds_text', { deterministic: true }, (text: unknown, needle: unknown) =>
    typeof text === 'string' && typeof needle === 'string' && text.toLowerCase().includes(needle) ? 1 : 0,
  );
  const timeBounds = {
    since: db.prepare<[number], { seq: number | null }>(
      `SELECT min(seq) AS seq FROM entries e INDEXED BY calls_by_time WHERE ${startKinds} AND at >= ?`,
    ),
    until: db.prepare<[number], { seq: number | null }>(
      `SELECT max(seq) AS seq FROM entries e INDEXED BY calls_by_time WHERE ${startKinds} AND at <= ?`,
    ),
  };
  const partsOf = db.prepare<[string, string], AuditRow & { beginSeq: number | null }>(
    `SELECT r.seq, r.at, r.kind, r.call_id AS callId, json_remove(r.body, '$.result') AS body, r.prev, r.hash, e.begin_seq AS beginSeq
       FROM entries e CROSS JOIN rows r ON r.seq = e.seq
       WHERE e.kind = 'call.end' AND e.begin_seq IN (SELECT value FROM json_each(?))
     UNION ALL
     SELECT r.seq, r.at, r.kind, r.call_id, r.body, r.prev, r.hash, NULL
       FROM entries e CROSS JOIN rows r ON r.seq = e.seq
       WHERE e.call_id IN (SELECT value FROM json_each(?)) AND e.call_id IS NOT NULL
         AND e.kind <> 'call.end' AND e.kind = 'approval.answered'`,
  );
  const rowsOfCall = db.prepare<[string], AuditRow>(
    `SELECT ${rowColumns} FROM entries e CROSS JOIN rows r ON r.seq = e.seq
       WHERE e.call_id = ? AND e.kind <> 'call.end' ORDER BY e.seq`,
  );
  const endOf = db.prepare<[number], AuditRow>(
    `SELECT ${rowColumns} FROM entries e CROSS JOIN rows r ON r.seq = e.seq
       WHERE e.kind = 'call.end' AND e.begin_seq = ?`,
  );
  const countSince = db.prepare<[number], { kind: string; n: number }>(
    `SELECT kind, count(*) AS n FROM entries e INDEXED BY calls_by_time WHERE ${startKinds} AND at >= ? GROUP BY kind`,
  );
  const countHours = db.prepare<[number], { hour: number; allowed: number; refused: number }>(
    `SELECT at / ${hour} * ${hour} AS hour, sum(kind = 'call.begin') AS allowed, sum(kind = 'call.refused') AS refused
       FROM entries e INDEXED BY calls_by_time WHERE ${startKinds} AND at >= ? GROUP BY 1 ORDER BY 1`,
  );
  const countApps = db.prepare<[number], { app: string; n: number }>(
    `SELECT app, count(*) AS n FROM entries e INDEXED BY calls_by_time WHERE ${startKinds} AND at >= ? GROUP BY app`,
  );

  /** The seq range that time bounds leave; undefined when nothing lies in it. */
  function seqRange(filter: CallFilter): { low: number; high: number } | undefined {
    let low = 1;
    let high = filter.beforeSeq === undefined ? Number.MAX_SAFE_INTEGER : filter.beforeSeq - 1;
    // Without these a page at the edge of a time range would walk all rows beyond it to find that none fits.
    if (filter.since !== undefined) low = timeBounds.since.get(filter.since)?.seq ?? Number.MAX_SAFE_INTEGER;
    if (filter.until !== undefined) high = Math.min(high, timeBounds.until.get(filter.until)?.seq ?? 0);
    return low <= high ? { low, high } : undefined;
  }

  return {
    calls(filter) {
      catchUp();
      const range = seqRange(filter);
      if (range === undefined) return [];
      const { sql, values } = selectStarts(filter, range, openSeqs);
      const starts = db.prepare<Value[], AuditRow>(sql).all(...values);
      if (starts.length === 0) return [];
      const seqs = JSON.stringify(starts.map((row) => row.seq));
      const callIds = JSON.stringify(starts.map((row) => row.callId));
      const ends = new Map<number, AuditEvent>();
      const answers = new Map<string, AuditEvent>();
      for (const row of partsOf.all(seqs, callIds)) {
        if (row.beginSeq !== null) ends.set(row.beginSeq, eventOf(row));
        else if (row.callId !== null) answers.set(row.callId, eventOf(row));
      }
      return starts.map((start) => story(start, { end: ends.get(start.seq), answer: answers.get(start.callId ?? '') }));
    },

    call(callId) {
      catchUp();
      const rows = rowsOfCall.all(callId);
      const start = rows.find((row) => isCallStart(row.kind));
      if (start === undefined) return undefined;
      const end = endOf.get(start.seq);
      const answer = rows.findLast((row) => row.kind === 'approval.answered');
      const all = end === undefined ? rows : [...rows, end].sort((a, b) => a.seq - b.seq);
      return { story: story(start, { end: end && eventOf(end), answer: answer && eventOf(answer) }), rows: all };
    },

    hourly(since) {
      catchUp();
      return countHours.all(since);
    },

    totals(since) {
      catchUp();
      const counts = new Map(countSince.all(since).map(({ kind, n }) => [kind, n]));
      return { allowed: counts.get('call.begin') ?? 0, refused: counts.get('call.refused') ?? 0 };
    },

    countByApp(since) {
      catchUp();
      return new Map(countApps.all(since).map(({ app, n }) => [app, n]));
    },
  };
}

function selectStarts(
  filter: CallFilter,
  range: { low: number; high: number },
  openSeqs: () => readonly number[],
): { sql: string; values: Value[] } {
  const terms = [startKinds, 'e.seq BETWEEN ? AND ?'];
  const values: Value[] = [range.low, range.high];
  const where = (term: string, ...bound: Value[]): void => {
    terms.push(term);
    values.push(...bound);
  };
  const narrowed = filter.app !== undefined || filter.alias !== undefined || filter.outcome === 'refused';
  // Where no index narrows what is looked at, the newest come first in the table itself, and nothing has to be sorted.
  let from = narrowed || filter.outcome === 'running' ? 'entries e' : 'entries e NOT INDEXED';
  let order = 'e.seq';
  if (filter.app !== undefined) where('e.app = ?', filter.app);
  if (filter.alias !== undefined) where('e.alias = ?', filter.alias);
  if (filter.tool !== undefined) where('e.tool = ?', filter.tool);
  if (filter.since !== undefined) where('e.at >= ?', filter.since);
  if (filter.until !== undefined) where('e.at <= ?', filter.until);
  switch (filter.outcome) {
    case undefined:
      break;
    case 'refused':
      where("e.kind = 'call.refused'");
      break;
    case 'ok':
      where(
        "e.kind = 'call.begin' AND EXISTS (SELECT 1 FROM entries x WHERE x.kind = 'call.end' AND x.begin_seq = e.seq AND x.succeeded = 1)",
      );
      break;
    case 'running':
      // The writer knows them; the record would have to be searched from end to end.
      where('e.seq IN (SELECT value FROM json_each(?))', JSON.stringify(openSeqs()));
      break;
    case 'failed':
      // From the few that failed to their beginnings, not the other way.
      from = 'entries x INDEXED BY calls_failed CROSS JOIN entries e ON e.seq = x.begin_seq';
      where("x.kind = 'call.end' AND x.succeeded = 0 AND x.begin_seq BETWEEN ? AND ?", range.low, range.high);
      order = 'x.begin_seq';
      break;
    default:
      filter.outcome satisfies never;
  }
  const text = filter.text?.trim() ?? '';
  if (text !== '') {
    if (isAscii(text)) {
      const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
      const like = ['e.tool', 'e.app', argumentsText].map((text) => `${text} LIKE ? ESCAPE '\\'`);
      where(`(${like.join(' OR ')})`, pattern, pattern, pattern);
    } else {
      const needle = text.toLowerCase();
      where(
        `(holds_text(e.tool, ?) OR holds_text(e.app, ?) OR holds_text(${argumentsText}, ?))`,
        needle,
        needle,
        needle,
      );
    }
  }
  const limit = filter.limit === undefined || Number.isNaN(filter.limit) ? 100 : Math.floor(filter.limit);
  values.push(Math.min(500, Math.max(1, limit)));
  return {
    sql: `SELECT ${rowColumns} FROM ${from} CROSS JOIN rows r ON r.seq = e.seq WHERE ${terms.join(' AND ')} ORDER BY ${order} DESC LIMIT ?`,
    values,
  };
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

function story(start: AuditRow, parts: StoryParts): CallStory {
  return tellStory(start, eventOf(start), parts);
}

/** Rows were written by this store and are covered by the chain; one that is not even JSON was changed on the disk. */
function eventOf(row: AuditRow): AuditEvent {
  try {
    return JSON.parse(row.body) as AuditEvent;
  } catch (cause) {
    throw new Error(
      `Row ${row.seq} of the record cannot be read: it was changed outside Gatehouse. Verify the record.`,
      {
        cause,
      },
    );
  }
}
