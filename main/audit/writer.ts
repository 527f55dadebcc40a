import type Database from 'better-sqlite3';
import type { Clock } from '../ports.ts';
import { bodyOf } from './body.ts';
import { type ChainPoint, hashRow } from './chain.ts';
import { explainDiskError } from './database.ts';
import { OpenCalls } from './open-calls.ts';
import type { AuditEvent, AuditRow, AuditWriter } from './record.ts';
import { isPlain, readHead, readOpenCalls } from './stored-rows.ts';

/** The record could not be written. The call it was for must not happen. */
export class AuditUnavailable extends Error {
  constructor(why: string, cause?: unknown) {
    super(`The record of calls could not be written: ${why}. Nothing is called without being recorded.`, { cause });
    this.name = 'AuditUnavailable';
  }
}

interface Waiting {
  readonly event: AuditEvent;
  readonly resolve: (row: AuditRow) => void;
  readonly reject: (error: AuditUnavailable) => void;
}

export interface ChainWriter extends AuditWriter {
  /** The last committed row. */
  head(): ChainPoint;
  /** Rows with which calls began that have not ended. */
  openSeqs(): readonly number[];
  /** Keeps what `appendSoon` is given waiting until the returned function is called. */
  hold(): () => void;
  close(): void;
}

/** Appends to the chain. The head is kept in memory; the database itself refuses a row that does not follow its last one. */
export function createWriter(
  db: Database.Database,
  clock: Clock,
  start: ChainPoint,
  committed: (rows: readonly AuditRow[]) => void,
  openAtStart = readOpenCalls(db),
): ChainWriter {
  const insert = db.prepare<[number, number, string, string | null, string, string, string, number | null]>(
    'INSERT INTO rows (seq, at, kind, call_id, body, prev, hash, begin_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  let head = readHead(db, start);
  let open = new OpenCalls(openAtStart);
  let doubtful = false;
  let closed = false;

  function write(event: AuditEvent): AuditRow {
    if (doubtful) {
      head = readHead(db, start);
      open = new OpenCalls(readOpenCalls(db));
      doubtful = false;
    }
    const content = {
      seq: head.seq + 1,
      at: Math.floor(clock.now()),
      kind: event.kind,
      callId: callIdOf(event),
      body: bodyOf(event),
      prev: head.hash,
    };
    const row: AuditRow = { ...content, hash: hashRow(content) };
    const beginSeq = open.beginSeqFor(event);
    insert.run(row.seq, row.at, row.kind, row.callId, row.body, row.prev, row.hash, beginSeq);
    head = { seq: row.seq, hash: row.hash };
    open.note(event, row.seq);
    return row;
  }

  const unavailable = (error: unknown) => {
    // Whether the row reached the disk is for the disk to say: the head is read again before the next row.
    doubtful = true;
    return new AuditUnavailable(explainDiskError(error), error);
  };

  /** Many callers at once share one commit: its cost is in the pages it writes, not in the rows. */
  const writeAll = db.transaction((events: readonly AuditEvent[]) => events.map(write));
  let waiting: Waiting[] = [];
  let holds = 0;

  function flush(): void {
    if (holds > 0) return;
    const batch = waiting;
    waiting = [];
    let rows: AuditRow[];
    try {
      if (closed) throw new Error('it is closed');
      const only = batch.length === 1 ? batch[0] : undefined;
      // A statement by itself is a transaction: three steps less for a caller that is alone.
      rows = only === undefined ? writeAll(batch.map(({ event }) => event)) : [write(only.event)];
    } catch (error) {
      const failure = unavailable(error);
      for (const { reject } of batch) reject(failure);
      return;
    }
    committed(rows);
    for (const [index, row] of rows.entries()) batch[index]?.resolve(row);
  }

  return {
    append(event) {
      if (closed) throw new AuditUnavailable('it is closed');
      let row: AuditRow;
      try {
        row = write(event);
      } catch (error) {
        throw unavailable(error);
      }
      committed([row]);
      return row;
    },
    appendSoon: (event) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ event, resolve, reject });
      }),
    hold() {
      holds += 1;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        holds -= 1;
        if (holds === 0 && waiting.length > 0) setImmediate(flush);
      };
    },
    head: () => head,
    openSeqs: () => open.seqs(),
    close() {
      holds = 0;
      if (waiting.length > 0) flush();
      closed = true;
    },
  };
}

function callIdOf(event: AuditEvent): string | null {
  if (!('callId' in event) || event.callId === undefined) return null;
  if (!isPlain(event.callId)) throw new TypeError('a call id must be printable ASCII');
  return event.callId;
}
