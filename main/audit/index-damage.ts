import type Database from 'better-sqlite3';

/**
 * The first row whose place in an index is not what its entry says. SQLite's own check finds that an index is wrong but,
 * as it searches in the very index that is out of order, not reliably where. Call it only once damage is known: it
 * looks up every entry. Undefined when nothing can be held against a row. Throws SqliteError for unreadable pages.
 */
export function findWrongIndex(db: Database.Database): { readonly seq: number; readonly index: string } | undefined {
  const indexes = db
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql NOT NULL",
    )
    .all();
  for (const { name, sql } of indexes) {
    const columns = db
      .prepare<[string], { name: string }>('SELECT name FROM pragma_index_info(?)')
      .all(name)
      .map((column) => column.name)
      .join(', ');
    const condition = sql.slice(sql.indexOf(' WHERE ') + 1);
    const inIndex = db.prepare(`SELECT seq, ${columns} FROM entries INDEXED BY ${name} ${condition}`).raw();
    const inEntry = db.prepare<[number]>(`SELECT ${columns} FROM entries NOT INDEXED WHERE seq = ?`).raw();
    for (const entry of inIndex.iterate() as Iterable<[number, ...unknown[]]>) {
      const [seq, ...values] = entry;
      const actual = inEntry.get(seq);
      if (actual !== undefined && JSON.stringify(actual) !== JSON.stringify(values)) return { seq, index: name };
    }
  }
  return undefined;
}
