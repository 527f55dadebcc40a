import type Database from 'better-sqlite3';
import { explainDiskError } from './database.ts';

/** Rows that wait for their entries at most this long, ms. */
const delayMs = 250;
/** Rows per transaction: about a millisecond, which is what one batch may hold up the rest of the process. */
const batch = 250;

/** What an entry says, from its row `r`. Used to write entries and to verify them. */
export const entryOfRow = {
  seq: 'r.seq',
  at: 'r.at',
  kind: 'r.kind',
  call_id: 'r.call_id',
  begin_seq: 'r.begin_seq',
  app: "json_extract(r.body, '$.app')",
  alias: "json_extract(r.body, '$.alias')",
  tool: "json_extract(r.body, '$.tool')",
  // What asks for more input did not fail: the app calls again with it.
  succeeded: "json_extract(r.body, '$.outcome') IN ('ok', 'input-required')",
} as const;

/**
 * The entries lists of calls are made from, filled behind the rows: an acknowledged row waits for none of them. They
 * catch up in batches while calls are made, and before each look at a list, so that no list misses a row. What a
 * crash left undone is done at the next start.
 */
export class Entries {
  readonly #db: Database.Database;
  readonly #failed: (error: unknown) => void;
  readonly #fill: Database.Statement<[number, number]>;
  readonly #rowsTo: Database.Statement<[], { seq: number | null }>;
  #filledTo: number;
  #timer: NodeJS.Timeout | undefined;

  /** `failed` hears of batches that nobody waited for and that the disk did not take. */
  constructor(db: Database.Database, failed: (error: unknown) => void) {
    this.#db = db;
    this.#failed = failed;
    const columns = Object.keys(entryOfRow).join(', ');
    this.#fill = db.prepare(
      `INSERT INTO entries (${columns}) SELECT ${Object.values(entryOfRow).join(', ')} FROM rows r
         WHERE r.seq > ? AND r.seq <= ? ORDER BY r.seq`,
    );
    this.#rowsTo = db.prepare('SELECT max(seq) AS seq FROM rows');
    this.#filledTo = entriesEnd(db);
  }

  /** A row was committed: its entry is written soon. */
  due(): void {
    this.#timer ??= setTimeout(() => this.#catchUpLater(), delayMs).unref();
  }

  /** Writes what is missing. Throws an Error in plain words when the disk does not take it: a list would leave calls out. */
  catchUp(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const end = this.#end();
    while (this.#filledTo < end) this.#writeBatch(end);
  }

  close(): void {
    this.#unlessFailed(() => this.catchUp());
  }

  /** One batch, and the next a turn of the event loop later: calls that came meanwhile go first. */
  #catchUpLater(): void {
    this.#timer = undefined;
    this.#unlessFailed(() => {
      const end = this.#end();
      if (this.#filledTo < end) this.#writeBatch(end);
      if (this.#filledTo < end) this.#timer = setTimeout(() => this.#catchUpLater(), 0).unref();
    });
  }

  #end(): number {
    return this.#rowsTo.get()?.seq ?? 0;
  }

  #writeBatch(end: number): void {
    const to = Math.min(end, this.#filledTo + batch);
    try {
      this.#fill.run(this.#filledTo, to);
      this.#filledTo = to;
    } catch (cause) {
      // Whether the batch reached the disk is for the disk to say.
      this.#filledTo = entriesEnd(this.#db);
      throw new Error(`The list of calls cannot be brought up to date: ${explainDiskError(cause)}.`, { cause });
    }
  }

  #unlessFailed(write: () => void): void {
    try {
      write();
    } catch (error) {
      // The rows are safe: the next list, or the next start, tries again.
      this.#failed(error);
    }
  }
}

/** The last row that has an entry; 0 for none. */
export function entriesEnd(db: Database.Database): number {
  return db.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM entries').get()?.seq ?? 0;
}

/** The first row whose entry is missing before others or is not what the row says, or the first entry without a row. Undefined when there is none. */
export function findWrongEntry(db: Database.Database): { readonly seq: number; readonly problem: string } | undefined {
  const differs = Object.entries(entryOfRow).map(([column, value]) => `e.${column} IS NOT (${value})`);
  const wrong = db
    .prepare<[number], { seq: number }>(
      `SELECT r.seq FROM rows r LEFT JOIN entries e ON e.seq = r.seq
         WHERE r.seq <= ? AND (${differs.join(' OR ')}) ORDER BY r.seq LIMIT 1`,
    )
    .get(entriesEnd(db));
  if (wrong !== undefined) {
    return { seq: wrong.seq, problem: `the entry of row ${wrong.seq} in the list of calls was changed` };
  }
  const alone = db
    .prepare<[], { seq: number }>(
      'SELECT seq FROM entries WHERE seq < 1 OR seq > (SELECT coalesce(max(seq), 0) FROM rows) ORDER BY seq LIMIT 1',
    )
    .get();
  if (alone === undefined) return undefined;
  return { seq: alone.seq, problem: `the list of calls has a row ${alone.seq} that is missing` };
}
