import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { errorCode, openDatabase } from './database.ts';

/**
 * Opens a record for reading only and closes it again. One that is being written (its -wal or -shm is there) is read
 * where it lies. One that lies alone is read from a private copy: SQLite would leave files of its own beside it, and
 * evidence stays as it was handed over, on read-only media too. Throws SqliteError and system errors.
 */
export function readRecord<T>(file: string, nativeBinding: string | undefined, read: (db: Database.Database) => T): T {
  if (!existsSync(`${file}-wal`) && !existsSync(`${file}-shm`)) return readCopy(file, nativeBinding, read);
  let db: Database.Database;
  try {
    db = openForReading(file, nativeBinding);
  } catch (error) {
    // Files of a killed Gatehouse on read-only media: SQLite needs to write its -shm to read the -wal.
    if (!/^SQLITE_(CANTOPEN|READONLY)/.test(errorCode(error) ?? '')) throw error;
    return readCopy(file, nativeBinding, read);
  }
  return readAndClose(db, read);
}

function openForReading(file: string, nativeBinding: string | undefined): Database.Database {
  const db = openDatabase(file, { readonly: true, nativeBinding });
  try {
    // Opening is lazy: the first look at the schema is what needs the -shm file.
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function readCopy<T>(file: string, nativeBinding: string | undefined, read: (db: Database.Database) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-record-'));
  try {
    const copy = join(folder, 'record.db');
    copyFileSync(file, copy);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    return readAndClose(openDatabase(copy, { readonly: true, nativeBinding }), read);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readAndClose<T>(db: Database.Database, read: (db: Database.Database) => T): T {
  try {
    return read(db);
  } finally {
    db.close();
  }
}
