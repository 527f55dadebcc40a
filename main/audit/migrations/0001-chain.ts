/**
 * The chain, its guard rails, and what lists of calls are made from.
 *
 * `rows` is the record: the only table a call waits for. It has no index, so that a commit touches one page or two.
 * `begin_seq` of a call.end row is not hashed but follows from the rows before it, and verification derives it again.
 *
 * `entries` says of each row what lists filter by. It holds nothing that `rows` does not say, is filled behind it (see
 * `Entries`), and may be emptied: the next start fills it again. Verification compares each entry with its row, and
 * each index with the entries. Call ids are random, which makes their index the dearest one to keep: end rows are found
 * through `begin_seq` instead.
 */
export const chainMigration = {
  version: 1,
  sql: `
CREATE TABLE chain (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL CHECK (length(id) = 64)
) STRICT;

CREATE TABLE rows (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  call_id TEXT,
  body TEXT NOT NULL,
  prev TEXT NOT NULL,
  hash TEXT NOT NULL,
  begin_seq INTEGER
) STRICT;

CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  call_id TEXT,
  begin_seq INTEGER,
  app TEXT,
  alias TEXT,
  tool TEXT,
  succeeded INTEGER
) STRICT;

CREATE INDEX rows_by_call ON entries (call_id) WHERE call_id IS NOT NULL AND kind <> 'call.end';
CREATE INDEX calls_by_app ON entries (app) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_tool ON entries (alias, tool) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_time ON entries (at, kind, app) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_kind ON entries (kind) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_ended ON entries (begin_seq) WHERE kind = 'call.end';
CREATE INDEX calls_failed ON entries (begin_seq) WHERE kind = 'call.end' AND succeeded = 0;

CREATE TRIGGER rows_follow BEFORE INSERT ON rows
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM rows)
  OR (NEW.seq > 1 AND NEW.prev IS NOT (SELECT hash FROM rows WHERE seq = NEW.seq - 1))
BEGIN SELECT raise(ABORT, 'a row must follow the last one'); END;

CREATE TRIGGER rows_stay BEFORE DELETE ON rows BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER rows_unchanged BEFORE UPDATE ON rows BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER entries_unchanged BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'an entry says what its row says'); END;
CREATE TRIGGER chain_stays BEFORE DELETE ON chain BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER chain_unchanged BEFORE UPDATE ON chain BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
`,
} as const;
