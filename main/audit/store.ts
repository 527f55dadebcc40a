import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import type { Clock, Log } from '../ports.ts';
import { type ChainPoint, genesis } from './chain.ts';
import { type Checkpoint, Checkpoints } from './checkpoints.ts';
import { errorCode, explainDiskError, openDatabase } from './database.ts';
import { Entries } from './entries.ts';
import { inspectRecord } from './inspect.ts';
import { Listeners } from './listeners.ts';
import { acquireWriterLock } from './lock.ts';
import { migrate } from './migrations/migrate.ts';
import { createReader } from './query.ts';
import type { AuditReader, AuditRow, AuditWriter, VerifyResult } from './record.ts';
import { readChainId, readOpenCalls } from './stored-rows.ts';
import { verifyAuditFile } from './verify.ts';
import { AuditUnavailable, createWriter } from './writer.ts';

export { AuditUnavailable } from './writer.ts';

export type AuditOpenCode = 'newer-database' | 'not-a-database' | 'broken-chain' | 'unwritable' | 'in-use';

export interface AuditStore {
  readonly reader: AuditReader;
  readonly writer: AuditWriter;
  /** Called after each row is committed, in order. Returns an unsubscribe. A listener that throws is logged and passed over. */
  onAppend(listener: (row: AuditRow) => void): () => void;
  /** Where the running writer knows that its chain ends. */
  head(): ChainPoint;
  /** A verdict on the file held against `before`, the head when its reading began: a cut tail or a swapped file shows. */
  compareWithHead(result: VerifyResult, before: ChainPoint): VerifyResult;
  close(): void;
}

export interface AuditOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly nativeBinding?: string;
  readonly log?: Log;
  /**
   * What an acknowledged row survives. "process" (default): the process being killed at any moment; a power loss may cost
   * the last moments, never the chain's integrity. "power": a power loss too, for one fsync per row.
   */
  readonly durability?: 'process' | 'power';
  /** Moves the log into the file on another thread. Without it, SQLite does it within a commit, every 16 MB. */
  readonly checkpoint?: Checkpoint;
}

type Refusal = { readonly ok: false; readonly code: AuditOpenCode; readonly message: string };

/** Opens or creates `file` (WAL), migrates, closes calls a crash left open as "interrupted". Never writes a newer or broken database. */
export function openAudit(options: AuditOptions): { readonly ok: true; readonly value: AuditStore } | Refusal {
  const { file, nativeBinding } = options;
  const refuse = (thrown: unknown): Refusal => {
    // Closing what a crash left open is the first write: a full disk shows there.
    const error = thrown instanceof AuditUnavailable ? thrown.cause : thrown;
    if (!isSystemError(error)) throw thrown;
    const message =
      `The record of calls cannot be written at ${file}: ${explainDiskError(error)}. ` +
      'Gatehouse makes no call without recording it. Make room there, or make the folder writable for this account, and start again.';
    return { ok: false, code: 'unwritable', message };
  };
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (error) {
    return refuse(error);
  }
  const lock = acquireWriterLock(file, nativeBinding);
  if (!lock.ok) return lock;
  let db: Database.Database | undefined;
  try {
    const inspection = inspectRecord(file, nativeBinding);
    if (!inspection.ok) {
      lock.value.release();
      return inspection;
    }
    makePrivate(file);
    db = openDatabase(file, { nativeBinding });
    prepareDatabase(db, options);
    return { ok: true, value: createStore(db, options, () => lock.value.release()) };
  } catch (error) {
    db?.close();
    lock.value.release();
    return refuse(error);
  }
}

/** SQLite gives its -wal and -shm files the permissions of the database. */
function makePrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

/** Pages of log at which a commit moves them itself: 16 MB, since every time rewrites the same index pages. With another thread at it, four times the most it lets be. */
const ownCheckpoint = { alone: 4_000, beside: 64_000 };

function prepareDatabase(db: Database.Database, { durability, checkpoint }: AuditOptions): void {
  db.pragma('journal_mode = WAL');
  // With a write-ahead log a commit is in the system's hands before it is acknowledged: it outlives the process. Only
  // FULL also waits for the disk.
  db.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  db.pragma(`wal_autocheckpoint = ${checkpoint === undefined ? ownCheckpoint.alone : ownCheckpoint.beside}`);
  // Room that rows no longer use is zeroed: no byte looks like part of a row that is not, and no old text lingers.
  db.pragma('secure_delete = FAST');
  db.pragma('trusted_schema = OFF');
  migrate(db);
  if (readChainId(db) === undefined) {
    db.prepare('INSERT INTO chain (one, id) VALUES (1, ?)').run(randomBytes(32).toString('hex'));
  }
  // Puts the format number into the file itself, where an older Gatehouse looks before it opens anything.
  db.pragma('wal_checkpoint(TRUNCATE)');
}

function createStore(db: Database.Database, options: AuditOptions, release: () => void): AuditStore {
  const { file, clock, nativeBinding, log } = options;
  const start = genesis(readChainId(db) ?? '');
  const listeners = new Listeners<AuditRow>((error) => log?.error('audit-listener-failed', { error: String(error) }));
  const entries = new Entries(db, (error) => log?.error('audit-entries-not-written', { error: String(error) }));
  const interrupted = readOpenCalls(db);
  const committed = (rows: readonly AuditRow[]) => {
    entries.due();
    checkpoints?.wrote(rows.reduce((bytes, row) => bytes + row.body.length, 0));
    for (const row of rows) listeners.announce(row);
  };
  const writer = createWriter(db, clock, start, committed, interrupted);
  const checkpoints =
    options.checkpoint &&
    new Checkpoints(
      options.checkpoint,
      () => writer.hold(),
      (error) => {
        log?.warn('audit-checkpoint-failed', { error: String(error) });
        if (!closed) db.pragma(`wal_autocheckpoint = ${ownCheckpoint.alone}`);
      },
    );
  let closed = false;
  closeInterrupted(db, writer, interrupted);
  return {
    writer,
    reader: {
      ...createReader(
        db,
        () => writer.openSeqs(),
        () => entries.catchUp(),
      ),
      verify: () =>
        compareWithHead(db, verifyAuditFile(file, nativeBinding === undefined ? {} : { nativeBinding }), writer.head()),
    },
    head: () => writer.head(),
    compareWithHead: (result, before) => compareWithHead(db, result, before),
    onAppend: (listener) => listeners.add(listener),
    close() {
      if (closed) return;
      closed = true;
      writer.close();
      entries.close();
      db.close();
      release();
    },
  };
}

/** What became of these calls is unknown; how long they ran is known only up to the last row before the end. */
function closeInterrupted(
  db: Database.Database,
  writer: AuditWriter,
  interrupted: ReturnType<typeof readOpenCalls>,
): void {
  const lastAt = db.prepare<[], { at: number }>('SELECT at FROM rows ORDER BY seq DESC LIMIT 1').get()?.at ?? 0;
  for (const { callId, at } of interrupted) {
    writer.append({
      kind: 'call.end',
      callId,
      outcome: 'interrupted',
      durationMs: Math.max(0, lastAt - at),
      message: 'Gatehouse stopped while this call was running. Whether it took effect is unknown.',
    });
  }
}

/** The running writer knows where the chain ends: here a cut tail or a swapped file does show. */
function compareWithHead(db: Database.Database, result: VerifyResult, before: ChainPoint): VerifyResult {
  if (!result.ok) return result;
  const { rows } = result;
  const broken = (problem: string): VerifyResult => ({ ok: false, rows, seq: Math.min(rows, before.seq) + 1, problem });
  if (rows < before.seq) return broken(`Rows ${rows + 1} to ${before.seq} are missing from the end of the file.`);
  // Rows may have been added while the file was read; the writer's own connection knows each of them.
  const own = db.prepare<[number], { hash: string }>('SELECT hash FROM rows WHERE seq = ?').get(rows)?.hash;
  if (rows > 0 && own !== result.head) return broken('The file is not the one being written: it was replaced.');
  return result;
}

function isSystemError(error: unknown): boolean {
  return /^(SQLITE_|E[A-Z]+$)/.test(errorCode(error) ?? '');
}
