import type Database from 'better-sqlite3';
import { openDatabase } from './database.ts';
import { migrate } from './migrations/migrate.ts';

/**
 * What differs between a record's tables, indexes and triggers and those this build makes, as half a sentence.
 * Without it a dropped trigger or a changed column definition would go unseen: neither is part of any row.
 */
export function schemaDifference(db: Database.Database, nativeBinding: string | undefined): string | undefined {
  const found = readSchema(db);
  const expected = expectedSchema(nativeBinding);
  for (const [name, sql] of expected) {
    if (!found.has(name)) return `its ${name} is missing`;
    if (found.get(name) !== sql) return `its ${name} is not what Gatehouse made`;
  }
  for (const name of found.keys()) if (!expected.has(name)) return `it holds a ${name} that Gatehouse did not make`;
  return undefined;
}

let cached: ReadonlyMap<string, string> | undefined;

function expectedSchema(nativeBinding: string | undefined): ReadonlyMap<string, string> {
  if (cached !== undefined) return cached;
  const db = openDatabase(':memory:', { nativeBinding });
  try {
    migrate(db);
    cached = readSchema(db);
    return cached;
  } finally {
    db.close();
  }
}

function readSchema(db: Database.Database): ReadonlyMap<string, string> {
  const objects = db
    .prepare("SELECT type || ' ' || name AS name, coalesce(sql, '') AS sql FROM sqlite_schema ORDER BY name")
    .all() as { name: string; sql: string }[];
  return new Map(objects.map(({ name, sql }) => [name, sql]));
}
