/**
 * The chain and its guard rails. Everything a list of calls filters by is computed from `body` (virtual columns, indexed),
 * never stored beside it, so nothing can disagree with what was hashed. `begin_seq` of a call.end row is stored: it is
 * not hashed but follows from the rows before it, and verification derives it again. Call ids are random, which makes
 * their index the dearest one to keep: end rows are found through `begin_seq` instead.
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
  begin_seq INTEGER,
  app TEXT AS (json_extract(body, '$.app')) VIRTUAL,
  alias TEXT AS (json_extract(body, '$.alias')) VIRTUAL,
  tool TEXT AS (json_extract(body, '$.tool')) VIRTUAL,
  arguments TEXT AS (json_extract(body, '$.arguments')) VIRTUAL,
  succeeded INTEGER AS (json_extract(body, '$.outcome') = 'ok') VIRTUAL
) STRICT;

CREATE INDEX rows_by_call ON rows (call_id) WHERE call_id IS NOT NULL AND kind <> 'call.end';
CREATE INDEX calls_by_app ON rows (app) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_tool ON rows (alias, tool) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_time ON rows (at, kind, app) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_by_kind ON rows (kind) WHERE kind IN ('call.begin', 'call.refused');
CREATE INDEX calls_ended ON rows (begin_seq) WHERE kind = 'call.end';
CREATE INDEX calls_failed ON rows (begin_seq) WHERE kind = 'call.end' AND succeeded = 0;

CREATE TRIGGER rows_follow BEFORE INSERT ON rows
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM rows)
  OR (NEW.seq > 1 AND NEW.prev IS NOT (SELECT hash FROM rows WHERE seq = NEW.seq - 1))
BEGIN SELECT raise(ABORT, 'a row must follow the last one'); END;

CREATE TRIGGER rows_stay BEFORE DELETE ON rows BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER rows_unchanged BEFORE UPDATE ON rows BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER chain_stays BEFORE DELETE ON chain BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
CREATE TRIGGER chain_unchanged BEFORE UPDATE ON chain BEGIN SELECT raise(ABORT, 'the record is append-only'); END;
`,
} as const;
