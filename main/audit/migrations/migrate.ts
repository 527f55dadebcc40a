import type Database from 'better-sqlite3';
import { chainMigration } from './0001-chain.ts';

/** "GHAU" in PRAGMA application_id: tells a Gatehouse record from any other SQLite file. */
export const applicationId = 0x47484155;

const migrations = [chainMigration];

/** The schema this build writes. A higher one belongs to a newer Gatehouse. */
export const schemaVersion = Math.max(...migrations.map((migration) => migration.version));

/** Brings a database from `user_version` to `schemaVersion`, each step in its own transaction. */
export function migrate(db: Database.Database): void {
  const current = Number(db.pragma('user_version', { simple: true }));
  for (const { version, sql } of migrations) {
    if (version <= current) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`application_id = ${applicationId}`);
      db.pragma(`user_version = ${version}`);
    }).immediate();
  }
}
