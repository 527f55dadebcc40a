import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditRow } from '../../../main/audit/record.ts';
import { openAudit } from '../../../main/audit/store.ts';
import { verifyAuditFile } from '../../../main/audit/verify.ts';
import { appendCall, beginOf, createFolder, endOf, refusalOf } from './records.ts';

let folder: ReturnType<typeof createFolder>;
let rows: AuditRow[];
beforeEach(() => {
  folder = createFolder();
  rows = [];
});
afterEach(() => folder.remove());

/** A closed record of 24 rows: finished calls, refusals, one large result that needs pages of its own. */
function writeRecord(): string {
  const store = folder.open();
  store.onAppend((row) => rows.push(row));
  for (let n = 0; n < 10; n++) appendCall(store, { tool: `tool_${n}`, arguments: JSON.stringify(`secret-${n}-text`) });
  store.writer.append(refusalOf({ arguments: '"refused-text"' }));
  const large = beginOf();
  store.writer.append(large);
  store.writer.append({
    ...endOf(large.callId),
    kind: 'call.end',
    result: JSON.stringify('long '.repeat(5_000)),
  } as never);
  store.writer.append({ kind: 'gateway.stopped', version: '1.0.0' });
  store.close();
  return folder.path();
}

/** Rows as SQL reads them, to tell whether a change on the disk meant anything. */
function readContent(file: string): string {
  const db = new Database(file, { readonly: true });
  try {
    return JSON.stringify(
      db
        .prepare('SELECT seq, at, kind, call_id, hex(body), prev, hash, begin_seq, typeof(body) FROM rows ORDER BY seq')
        .all(),
    );
  } finally {
    db.close();
  }
}

function changeByte(file: string, offset: number, change = 0x01): void {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ change, offset);
  writeFileSync(file, bytes);
}

/** Changes the file behind Gatehouse's back, guard rails taken down and put up again. */
function tamper(sql: string): void {
  const db = new Database(folder.path());
  const triggers = db.prepare<[], { name: string; sql: string }>(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
  );
  const kept = triggers.all();
  for (const { name } of kept) db.exec(`DROP TRIGGER ${name}`);
  db.exec(sql);
  for (const trigger of kept) db.exec(trigger.sql);
  db.close();
}

describe('when servers asked apps for something', () => {
  it('is intact with questions of a call, of a call of their own as once recorded, of none, and counted ones', () => {
    const store = folder.open();
    const begin = beginOf();
    const input = { kind: 'call.input', method: 'roots/list', answer: 'ok', digest: 'a'.repeat(64) } as const;
    store.writer.append(begin);
    store.writer.append({ ...input, callId: begin.callId });
    store.writer.append({ ...input, callId: crypto.randomUUID(), alias: 'files', app: 'Cursor' });
    store.writer.append({ ...input, alias: 'files', app: 'Cursor' });
    const counted = store.writer.append({ ...input, alias: 'files', answer: 'not-allowed', more: 7 });
    store.writer.append(endOf(begin.callId));
    store.close();
    expect(counted.callId).toBeNull();
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 6 });
  });
});

describe('when a record is as it was written', () => {
  it('is accepted, with its length and head as a checkpoint, and left exactly as it was', () => {
    const file = writeRecord();
    const before = readFileSync(file);
    expect(verifyAuditFile(file)).toEqual({ ok: true, rows: 24, head: rows.at(-1)?.hash, clockSteps: 0 });
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(folder.path('.')).sort()).toEqual(['audit.db', 'audit.db.lock']);
  });

  it('is accepted while it is being written', () => {
    const store = folder.open();
    for (let n = 0; n < 5; n++) {
      appendCall(store);
      expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 2 * n + 2 });
    }
  });

  it('is accepted on a medium that cannot be written, with or without the log a kill leaves', () => {
    const store = folder.open();
    appendCall(store);
    mkdirSync(folder.path('medium'));
    for (const suffix of ['', '-wal'])
      copyFileSync(folder.path(`audit.db${suffix}`), folder.path(`medium/audit.db${suffix}`));
    chmodSync(folder.path('medium'), 0o500);
    expect(verifyAuditFile(folder.path('medium/audit.db'))).toMatchObject({ ok: true, rows: 2 });
    chmodSync(folder.path('medium'), 0o700);
  });
});

describe('when one byte of the file is changed', () => {
  it('names the row, for bytes all over each row', () => {
    const file = writeRecord();
    const whole = readFileSync(file);
    const wrong: string[] = [];
    for (const row of rows) {
      const body = Buffer.from(row.body.slice(0, 300));
      const at = whole.indexOf(body);
      expect(at).toBeGreaterThan(0);
      expect(whole.indexOf(body, at + 1), `row ${row.seq} lies in the file once`).toBe(-1);
      // Kind and call id lie before the body, prev and hash after it. Not each byte: each look is a whole verification.
      const end = row.body.length > 300 ? at + 300 : at + row.body.length + 128;
      for (let offset = at - (row.callId === null ? 10 : 40); offset < end; offset += 23) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(offset) ^ 0x01, offset);
        writeFileSync(file, bytes);
        const result = verifyAuditFile(file);
        if (result.ok || result.seq !== row.seq)
          wrong.push(`row ${row.seq}, byte ${offset - at}: ${JSON.stringify(result)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('names the row when the byte lies in a page that a long value overflows to', () => {
    const file = writeRecord();
    const offset = readFileSync(file).lastIndexOf('long long long');
    changeByte(file, offset);
    expect(verifyAuditFile(file)).toMatchObject({ ok: false, seq: 23, problem: expect.stringContaining('Row 23') });
  });

  it('never accepts rows that differ, wherever the byte lies, and never fails to answer', () => {
    const file = writeRecord();
    const whole = readFileSync(file);
    const content = readContent(file);
    const accepted: number[] = [];
    // A stride with no common factor with the page size comes by every kind of place.
    for (let offset = 0; offset < whole.length; offset += 173) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(offset) ^ 0x55, offset);
      writeFileSync(file, bytes);
      if (!verifyAuditFile(file).ok) continue;
      accepted.push(offset);
      expect(readContent(file), `byte ${offset}`).toBe(content);
    }
    // What remains is room no row uses.
    expect(accepted.length).toBeLessThan(whole.length / 173);
  });

  it('names the row whose entry in a list or an index was changed, and says that its content is intact', () => {
    const file = writeRecord();
    const whole = readFileSync(file);
    const intact = (where: string) =>
      `24 7 The content of all 24 rows is intact, but the entry of row 7 in the ${where} was changed.`;
    // In an entry the columns stand bare, one after the other.
    const entries = { calls_by_tool: 'githubtool_3', rows_by_call: rows[6]?.callId ?? '' };
    for (const [index, entry] of Object.entries(entries)) {
      const problems: string[] = [];
      for (let at = whole.indexOf(entry); at >= 0; at = whole.indexOf(entry, at + 1)) {
        writeFileSync(file, whole);
        changeByte(file, at + entry.length - 3);
        const result = verifyAuditFile(file);
        // The end of a call, row 8, has the same call id.
        if (result.ok || (result.seq !== 7 && result.seq !== 8)) expect.fail(`byte ${at}: ${JSON.stringify(result)}`);
        problems.push(`${result.rows} ${result.seq} ${result.problem}`);
      }
      expect(problems).toContain(intact(`index ${index}`));
      expect(problems).toContain(intact('list of calls'));
    }
  });
});

describe('when the record was changed through SQL', () => {
  const changes: Readonly<Record<string, readonly [string, number]>> = {
    'a time': ['UPDATE rows SET at = at + 1 WHERE seq = 5', 5],
    'a kind': ["UPDATE rows SET kind = 'call.refused' WHERE seq = 5", 5],
    'a call id': ["UPDATE rows SET call_id = 'x' WHERE seq = 5", 5],
    'a call id taken away': ['UPDATE rows SET call_id = NULL WHERE seq = 5', 5],
    'a body': ["UPDATE rows SET body = replace(body, 'alice', 'mallory') WHERE seq = 5", 5],
    'a link': [`UPDATE rows SET prev = '${'0'.repeat(64)}' WHERE seq = 5`, 5],
    'a hash': ['UPDATE rows SET hash = upper(hash) WHERE seq = 5', 5],
    'the beginning an end belongs to': ['UPDATE rows SET begin_seq = 1 WHERE seq = 6', 6],
    'the beginning an end belongs to, taken away': ['UPDATE rows SET begin_seq = NULL WHERE seq = 6', 6],
    'a beginning given to a row that has none': ['UPDATE rows SET begin_seq = 1 WHERE seq = 5', 5],
    'a row taken out': ['DELETE FROM rows WHERE seq = 5', 5],
    'the last row renumbered': ['UPDATE rows SET seq = 99 WHERE seq = 24', 24],
    'the chain id': [`UPDATE chain SET id = '${'0'.repeat(64)}'`, 1],
    'the chain id taken away': ['DELETE FROM chain', 1],
  };
  for (const [what, [sql, seq]] of Object.entries(changes)) {
    it(`names row ${seq} for ${what}`, () => {
      const file = writeRecord();
      tamper(`PRAGMA ignore_check_constraints = 1; DROP INDEX calls_by_app; DROP INDEX calls_by_tool; DROP INDEX calls_by_time;
        DROP INDEX calls_failed; ${sql}`);
      expect(verifyAuditFile(file)).toMatchObject({ ok: false, seq });
    });
  }

  const entryChanges: Readonly<Record<string, readonly [string, number]>> = {
    'a time': ['UPDATE entries SET at = at + 1 WHERE seq = 5', 5],
    'an app': ["UPDATE entries SET app = 'Nobody' WHERE seq = 5", 5],
    'an outcome': ['UPDATE entries SET succeeded = 0 WHERE seq = 6', 6],
    'whose end it is': ['UPDATE entries SET begin_seq = 1 WHERE seq = 6', 6],
    'being there': ['DELETE FROM entries WHERE seq = 5', 5],
    'being there, and a row nobody wrote': ["INSERT INTO entries (seq, at, kind) VALUES (25, 0, 'call.begin')", 25],
    'a place before the first': ["INSERT INTO entries (seq, at, kind) VALUES (-1, 0, 'call.begin')", -1],
  };
  for (const [what, [sql, seq]] of Object.entries(entryChanges)) {
    it(`names row ${seq} for an entry that differs in ${what}`, () => {
      const file = writeRecord();
      tamper(sql);
      expect(verifyAuditFile(file)).toMatchObject({ ok: false, rows: 24, seq });
    });
  }

  it('notices a value stored as another type, bytes unchanged', () => {
    const file = writeRecord();
    // In a record's header text of length n is 2n+13 and a blob of that length 2n+12 (SQLite file format §2.1): one bit.
    const row = rows[4] as AuditRow;
    const whole = readFileSync(file);
    const body = whole.indexOf(row.body);
    const type = 2 * Buffer.byteLength(row.body) + 13;
    const varint = Buffer.from([0x80 | (type >> 7), type & 0x7f]);
    const header = whole.lastIndexOf(varint, body);
    expect(body - header).toBeLessThan(80);
    changeByte(file, header + 1);
    expect(verifyAuditFile(file)).toMatchObject({ ok: false, seq: 5 });
  });

  it('notices a guard rail that was taken down and a table that was put in', () => {
    const file = writeRecord();
    const db = new Database(file);
    db.exec('DROP TRIGGER rows_stay');
    db.close();
    expect(verifyAuditFile(file)).toMatchObject({
      ok: false,
      rows: 24,
      seq: 0,
      problem: expect.stringContaining('rows_stay'),
    });
    const again = new Database(file);
    again.exec(
      "CREATE TRIGGER rows_stay BEFORE DELETE ON rows BEGIN SELECT 'as you like'; END; CREATE TABLE extra (a)",
    );
    again.close();
    expect(verifyAuditFile(file)).toMatchObject({ ok: false, seq: 0 });
  });
});

describe('when the end of the record is gone', () => {
  it('is a shorter chain to whoever only has the file, with another head and length', () => {
    const file = writeRecord();
    tamper('DELETE FROM rows WHERE seq > 20; DELETE FROM entries WHERE seq > 20');
    expect(verifyAuditFile(file)).toEqual({ ok: true, rows: 20, head: rows[19]?.hash, clockSteps: 0 });
  });

  it('is noticed where the list of calls still has what was cut, and nothing more is written there', () => {
    const file = writeRecord();
    tamper('DELETE FROM rows WHERE seq > 20');
    expect(verifyAuditFile(file)).toMatchObject({
      ok: false,
      rows: 20,
      seq: 21,
      problem: expect.stringContaining('the list of calls has a row 21 that is missing'),
    });
    expect(openAudit({ file, clock: { now: () => 0 } })).toMatchObject({
      ok: false,
      code: 'broken-chain',
      message: expect.stringContaining('Rows 21 to 24 are missing from its end'),
    });
  });

  it('is noticed by the Gatehouse that wrote it', () => {
    const store = folder.open();
    for (let n = 0; n < 3; n++) appendCall(store);
    tamper('DELETE FROM rows WHERE seq > 4; DELETE FROM entries WHERE seq > 4');
    expect(store.reader.verify()).toEqual({
      ok: false,
      rows: 4,
      seq: 5,
      problem: 'Rows 5 to 6 are missing from the end of the file.',
    });
  });

  it('is noticed when the file itself was cut', () => {
    const file = writeRecord();
    truncateSync(file, 8192);
    expect(verifyAuditFile(file).ok).toBe(false);
    truncateSync(file, 0);
    expect(verifyAuditFile(file).ok).toBe(false);
  });
});

describe('when the file is not a record', () => {
  it('says so for a file that is missing, garbage, foreign or newer', () => {
    expect(verifyAuditFile(folder.path('nothing.db'))).toMatchObject({ ok: false, rows: 0, seq: 0 });
    writeFileSync(folder.path('garbage.db'), 'garbage '.repeat(2_000));
    expect(verifyAuditFile(folder.path('garbage.db'))).toMatchObject({ ok: false, rows: 0, seq: 0 });
    const foreign = new Database(folder.path('foreign.db'));
    foreign.exec('CREATE TABLE bookmarks (url TEXT)');
    foreign.close();
    expect(verifyAuditFile(folder.path('foreign.db'))).toMatchObject({
      ok: false,
      problem: expect.stringContaining('no record'),
    });
    foreign.close();
    const file = writeRecord();
    const newer = new Database(file);
    newer.pragma('user_version = 7');
    newer.close();
    expect(verifyAuditFile(file)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('newer Gatehouse (format 7)'),
    });
    expect(readdirSync(folder.path('.'))).not.toContain('nothing.db');
    expect(verifyAuditFile(folder.path('.'))).toMatchObject({ ok: false, rows: 0 });
  });
});
