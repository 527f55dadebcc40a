import Database from 'better-sqlite3';

export interface DatabaseOptions {
  readonly readonly?: boolean;
  readonly nativeBinding?: string | undefined;
  /** How long one statement waits for another process's lock, ms. */
  readonly timeout?: number;
}

/** Opens a SQLite file, or an `file:` address. Throws better-sqlite3's SqliteError. */
export function openDatabase(file: string, options: DatabaseOptions): Database.Database {
  return new Database(file, {
    readonly: options.readonly ?? false,
    timeout: options.timeout ?? 1000,
    ...(options.nativeBinding === undefined ? {} : { nativeBinding: options.nativeBinding }),
  });
}

/** SQLite's code of an error, e.g. "SQLITE_FULL", or the system's, e.g. "EACCES"; undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** True when SQLite says that the bytes themselves are wrong, not that it could not get at them. */
export function isDamage(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && /^SQLITE_(CORRUPT|NOTADB|FORMAT|ERROR|MISMATCH)/.test(code);
}

/** Why the disk did not take something, in a person's words. */
export function explainDiskError(error: unknown): string {
  const code = errorCode(error) ?? '';
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') return 'the disk is full';
  if (code.startsWith('SQLITE_READONLY') || code === 'EROFS') return 'the file or its folder is read-only';
  if (code === 'EACCES' || code === 'EPERM') return 'this account may not write there';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return 'another program is holding the file';
  if (code.startsWith('SQLITE_CANTOPEN')) return 'the file could not be opened';
  if (code.startsWith('SQLITE_IOERR')) return 'the disk reported an error';
  return error instanceof Error ? error.message : String(error);
}
