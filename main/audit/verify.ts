import { existsSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { genesis, verifyRows } from './chain.ts';
import { errorCode, explainDiskError, isDamage } from './database.ts';
import { findWrongEntry } from './entries.ts';
import { findWrongIndex } from './index-damage.ts';
import { schemaVersion } from './migrations/migrate.ts';
import { readRecord } from './read-record.ts';
import type { VerifyResult } from './record.ts';
import { schemaDifference } from './schema.ts';
import { isPlain, readChainId, readStoredRows, type StoredRow } from './stored-rows.ts';

/**
 * Follows the whole chain of a record and then checks the file around it. Read-only: works beside a running Gatehouse
 * (rows committed by then are seen) and on a copy in a folder that cannot be written. Never throws for bad content.
 *
 * Rows cut from the end leave a shorter valid record: compare `rows` and `head` with a checkpoint noted elsewhere.
 */
export function verifyAuditFile(file: string, options: { readonly nativeBinding?: string } = {}): VerifyResult {
  const broken = (problem: string): VerifyResult => ({ ok: false, rows: 0, seq: 0, problem });
  if (!existsSync(file)) return broken(`There is no file ${file}.`);
  try {
    return readRecord(file, options.nativeBinding, (db) => verifyOpened(db, options.nativeBinding));
  } catch (error) {
    if (isDamage(error)) return broken(`${file} is damaged or is not a record of Gatehouse: ${textOf(error)}.`);
    if (errorCode(error) === undefined) throw error;
    return broken(`${file} cannot be read: ${explainDiskError(error)}.`);
  }
}

function verifyOpened(db: Database.Database, nativeBinding: string | undefined): VerifyResult {
  // One transaction: rows, tables and indexes are judged as of the same moment while a writer goes on.
  db.exec('BEGIN');
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version === 0 || version > schemaVersion) {
    const which =
      version === 0 ? 'It holds no record of Gatehouse' : `It was written by a newer Gatehouse (format ${version})`;
    return { ok: false, rows: 0, seq: 0, problem: `${which}; this one reads formats up to ${schemaVersion}.` };
  }
  const chain = verifyChain(db);
  if (!chain.ok) return chain;
  const around = (what: string, seq = 0): VerifyResult => ({
    ok: false,
    rows: chain.rows,
    seq,
    problem: `The content of all ${chain.rows} rows is intact, but ${what}.`,
  });
  const difference = schemaDifference(db, nativeBinding);
  if (difference !== undefined) return around(difference);
  const wrong = attribute(() => findWrongEntry(db));
  if (wrong !== undefined) return around(wrong.problem, wrong.seq);
  const damage = findDamage(db);
  if (damage !== undefined) {
    const entry = attribute(() => findWrongIndex(db));
    if (entry === undefined) return around(`the file around them is damaged: ${damage}`);
    return around(`the entry of row ${entry.seq} in the index ${entry.index} was changed`, entry.seq);
  }
  return chain;
}

function verifyChain(db: Database.Database): VerifyResult {
  const id = readChainId(db);
  if (id === undefined)
    return { ok: false, rows: 0, seq: 1, problem: "The record's beginning (its chain id) is missing." };
  const reading = new CheckedRows();
  let verdict: ReturnType<typeof verifyRows>;
  try {
    verdict = verifyRows(reading.follow(readStoredRows(db)), genesis(id));
  } catch (error) {
    if (!isDamage(error)) throw error;
    const last = reading.accepted === 0 ? 'no row before it is good' : `row ${reading.accepted} is the last good one`;
    const seq = reading.accepted + 1;
    return {
      ok: false,
      rows: reading.accepted,
      seq,
      problem: `Row ${seq} cannot be read: ${last} (${textOf(error)}).`,
    };
  }
  if (!verdict.ok) return { ok: false, rows: verdict.rows, seq: verdict.seq, problem: verdict.problem };
  const { fault } = reading;
  if (fault !== undefined) return { ok: false, rows: fault.seq - 1, seq: fault.seq, problem: fault.problem };
  return { ok: true, rows: verdict.rows, head: verdict.head, clockSteps: verdict.clockSteps };
}

/** Hands rows on and checks what no hash covers: storage classes, and `begin_seq` against the rows before. */
class CheckedRows {
  /** Rows the chain took so far: a generator goes on only when its consumer accepted the last one. */
  accepted = 0;
  fault: { readonly seq: number; readonly problem: string } | undefined;
  readonly #open = new Map<string, number>();

  *follow(rows: Iterable<StoredRow>): Generator<StoredRow> {
    for (const row of rows) {
      const seq = this.accepted + 1;
      if (row.seq === seq && (row.typed !== 1 || !isPlain(row.kind) || !isPlain(row.callId ?? ''))) {
        this.fault = { seq, problem: `Row ${seq} was changed: a value is not of the kind its column holds.` };
        return;
      }
      yield row;
      if (row.beginSeq !== this.#expectedBegin(row)) {
        this.fault = { seq, problem: `Row ${seq} was changed: it names another call's beginning.` };
        return;
      }
      this.accepted = seq;
    }
  }

  /** The same rule the store writes by: see `OpenCalls`. */
  #expectedBegin(row: StoredRow): number | null {
    const { kind, callId } = row;
    if (callId === null || (kind !== 'call.begin' && kind !== 'call.end')) return null;
    const begun = this.#open.get(callId);
    if (kind === 'call.begin') {
      if (begun === undefined) this.#open.set(callId, row.seq);
      return null;
    }
    this.#open.delete(callId);
    return begun ?? null;
  }
}

/** SQLite's own check of pages, indexes against entries, and constraints. */
function findDamage(db: Database.Database): string | undefined {
  try {
    const result = String(db.pragma('integrity_check(1)', { simple: true }));
    return result === 'ok' ? undefined : result.replace(/\s+/g, ' ');
  } catch (error) {
    if (!isDamage(error)) throw error;
    return textOf(error);
  }
}

function attribute<T>(find: () => T | undefined): T | undefined {
  try {
    return find();
  } catch (error) {
    // The damage is reported as SQLite describes it; what is too broken to be read names no row.
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
