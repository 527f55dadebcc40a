import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { genesis, verifyRows } from './chain.ts';
import { isDamage, openDatabase } from './database.ts';
import { entriesEnd } from './entries.ts';
import { applicationId, schemaVersion } from './migrations/migrate.ts';
import { schemaDifference } from './schema.ts';
import { readChainId, readHead, readTail } from './stored-rows.ts';

/** Rows whose chain is followed each time the record is opened; the whole of it is followed on request. */
const tailRows = 1000;

export type Inspection =
  | { readonly ok: true; readonly state: 'absent' | 'present' }
  | {
      readonly ok: false;
      readonly code: 'newer-database' | 'not-a-database' | 'broken-chain';
      readonly message: string;
    };

/**
 * Judges an existing record before anything is written to it: the header by its bytes, the rest through a read-only
 * connection. Throws what the system says when the file cannot be read.
 */
export function inspectRecord(file: string, nativeBinding: string | undefined): Inspection {
  if (!existsSync(file)) return { ok: true, state: 'absent' };
  const header = readHeader(file);
  // SQLite itself takes an empty file for a new database: it is what a crash during the very first start leaves.
  if (header.length === 0) return { ok: true, state: 'absent' };
  const foreign = judgeHeader(file, header);
  if (foreign !== undefined) return foreign;
  let db: Database.Database | undefined;
  try {
    db = openDatabase(file, { readonly: true, nativeBinding });
    return inspectOpened(file, db, nativeBinding);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return notADatabase(file, `it is damaged (${error instanceof Error ? error.message : String(error)})`);
  } finally {
    db?.close();
  }
}

function readHeader(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const header = Buffer.alloc(100);
    return header.subarray(0, readSync(fd, header, 0, 100, 0));
  } finally {
    closeSync(fd);
  }
}

/** SQLite file format §1.3: magic at 0, user version at 60, application id at 68, all big-endian. */
function judgeHeader(file: string, header: Buffer): Inspection | undefined {
  if (header.length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    return notADatabase(file, 'it is not a database');
  }
  const version = header.readInt32BE(60);
  const application = header.readUInt32BE(68);
  // A first start that was killed after creating the file leaves neither; SQLite's own journal then completes it.
  const untouched = version === 0 && application === 0;
  if (application !== applicationId && !untouched) return notADatabase(file, 'it belongs to another program');
  return version > schemaVersion ? newer(file, version) : undefined;
}

function inspectOpened(file: string, db: Database.Database, nativeBinding: string | undefined): Inspection {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > schemaVersion) return newer(file, version);
  if (version === 0) {
    const tables = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number };
    return tables.n === 0 ? { ok: true, state: 'present' } : notADatabase(file, 'it belongs to another program');
  }
  const chainId = readChainId(db);
  if (chainId === undefined) return brokenChain(file, 'The beginning of the record is missing.');
  const beginning = genesis(chainId);
  const { seq } = readHead(db, beginning);
  const listed = entriesEnd(db);
  // Entries are written after their rows: one without a row means that rows were cut from the end.
  if (listed > seq) return brokenChain(file, `Rows ${seq + 1} to ${listed} are missing from its end.`);
  const tail = readTail(db, tailRows, beginning);
  const verdict = tail.ok ? verifyRows(tail.rows, tail.start) : tail;
  if (!verdict.ok) return brokenChain(file, verdict.problem);
  // After the rows: whoever changed one took a guard rail down first, and the row is what has to be told.
  const difference = version === schemaVersion ? schemaDifference(db, nativeBinding) : undefined;
  return difference === undefined ? { ok: true, state: 'present' } : notADatabase(file, difference);
}

function newer(file: string, version: number): Inspection {
  return {
    ok: false,
    code: 'newer-database',
    message:
      `The record ${file} was written by a newer Gatehouse (format ${version}; this one knows up to ${schemaVersion}). ` +
      'It was not touched. Install that version again, or a later one.',
  };
}

function notADatabase(file: string, why: string): Inspection {
  return {
    ok: false,
    code: 'not-a-database',
    message:
      `The file ${file} should be Gatehouse's record of calls, but ${why}. It was left as it is. ` +
      'Keep a copy for your IT department, move it away, and start Gatehouse again: a new record begins.',
  };
}

function brokenChain(file: string, problem: string): Inspection {
  return {
    ok: false,
    code: 'broken-chain',
    message:
      `The record ${file} was changed outside Gatehouse. ${problem} Nothing more is written to it. ` +
      'Tell your IT department and give them the file; after it is moved away, a new record begins.',
  };
}
