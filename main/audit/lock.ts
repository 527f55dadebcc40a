import type Database from 'better-sqlite3';
import { errorCode, explainDiskError, openDatabase } from './database.ts';

export interface WriterLock {
  release(): void;
}

/**
 * One writer per record. The lock is an exclusive transaction on an empty database beside the record: the operating
 * system drops it with the process, however that ends, and readers of the record itself are not held up by it.
 */
export function acquireWriterLock(
  file: string,
  nativeBinding: string | undefined,
):
  | { readonly ok: true; readonly value: WriterLock }
  | { readonly ok: false; readonly code: 'in-use' | 'unwritable'; readonly message: string } {
  const lockFile = `${file}.lock`;
  let db: Database.Database | undefined;
  try {
    db = openDatabase(lockFile, { nativeBinding, timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
    const held = db;
    return { ok: true, value: { release: () => held.close() } };
  } catch (error) {
    db?.close();
    const code = errorCode(error) ?? '';
    if (code.startsWith('SQLITE_BUSY')) {
      return {
        ok: false,
        code: 'in-use',
        message: `Another Gatehouse is already writing the record ${file}. Use that one, or quit it and start again.`,
      };
    }
    if (!code.startsWith('SQLITE_') && !/^E[A-Z]+$/.test(code)) throw error;
    const advice = code.startsWith('SQLITE_NOTADB')
      ? 'It holds something else; delete it and start again.'
      : 'Make the folder writable for this account and start again.';
    return {
      ok: false,
      code: 'unwritable',
      message: `The record cannot be locked for writing at ${lockFile}: ${explainDiskError(error)}. ${advice}`,
    };
  }
}
