import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bodyOf } from '../../../main/audit/body.ts';
import { genesis, verifyRows } from '../../../main/audit/chain.ts';
import type { AuditEvent, AuditRow } from '../../../main/audit/record.ts';
import { AuditUnavailable, openAudit } from '../../../main/audit/store.ts';
import { readChainId, readStoredRows } from '../../../main/audit/stored-rows.ts';
import { verifyAuditFile } from '../../../main/audit/verify.ts';
import { createWriter } from '../../../main/audit/writer.ts';
import { canonicalize } from '../../../main/policy/canonical.ts';
import type { Json } from '../../../main/policy/json.ts';
import { appendCall, beginOf, createFolder, endOf } from './records.ts';

const clock = { now: () => Date.now() };
let folder: ReturnType<typeof createFolder>;
beforeEach(() => {
  folder = createFolder();
});
afterEach(() => folder.remove());

/** Changes the file behind Gatehouse's back, guard rails taken down and put up again. */
function tamper(file: string, ...sql: string[]): void {
  const db = new Database(file);
  const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all() as {
    name: string;
    sql: string;
  }[];
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  for (const statement of sql) db.exec(statement);
  for (const { sql: trigger } of triggers) db.exec(trigger);
  db.close();
}

describe('when rows are appended', () => {
  it('gives each the next number, the time, and the hash before it', () => {
    let now = 5_000.7;
    const store = folder.open({ clock: { now: () => now } });
    const first = store.writer.append({ kind: 'gateway.started', version: '1.0.0' });
    now = 4_000;
    const second = store.writer.append({ kind: 'gateway.paused', message: 'For lunch' });
    expect(first).toMatchObject({ seq: 1, at: 5_000, kind: 'gateway.started', callId: null });
    expect(second).toMatchObject({ seq: 2, at: 4_000, prev: first.hash });
    expect(store.reader.verify()).toEqual({ ok: true, rows: 2, head: second.hash, clockSteps: 1 });
  });

  it('stores the event as canonical JSON', () => {
    const event = beginOf({ arguments: '{"ü":"\u0007\\"\ud83d\ude00"}' });
    const row = folder.open().writer.append(event);
    expect(row.body).toBe(canonicalize({ ...event } as unknown as Json));
  });

  it('stores any text canonically, mending what is not well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }), (text, n) => {
        const event: AuditEvent = { kind: 'call.end', callId: 'c', outcome: 'ok', durationMs: n, message: text };
        expect(bodyOf(event)).toBe(canonicalize(event));
      }),
    );
    const store = folder.open();
    store.writer.append({ kind: 'gateway.paused', message: 'lone \ud800 surrogate' });
    store.writer.append(beginOf({ app: '\udfff', tool: '\0', alias: "'; DROP TABLE rows; --" }));
    expect(store.reader.verify()).toMatchObject({ ok: true, rows: 2 });
    expect(store.reader.calls({ app: '\ufffd' })).toHaveLength(1);
  });

  it('stores every member of a call canonically, whichever of them are there', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\\ud83d', '\ud800', '\\\\ud800', '\udfff\ud800'),
    );
    const some = fc.record(
      {
        profile: text,
        method: fc.constantFrom('resources/read' as const, 'prompts/get' as const),
        definition: text,
        arguments: text,
        argumentsBytes: fc.nat(),
        extra: text,
        extraDigest: text,
        approvedBy: fc.constantFrom('person-once' as const, 'person-session' as const),
        rules: fc.array(fc.record({ id: text, reason: text }, { requiredKeys: ['id'] })),
        reason: text,
      },
      { requiredKeys: [] },
    );
    const end = fc.record(
      { resultDigest: text, resultBytes: fc.nat(), result: text, message: text },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, end, (facts, details) => {
        const mended = (event: object) =>
          canonicalize(
            JSON.parse(
              JSON.stringify(event, (_, value) =>
                typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value,
              ),
            ),
          );
        const begin = beginOf(facts);
        expect(bodyOf(begin)).toBe(mended(begin));
        const ended: AuditEvent = { kind: 'call.end', callId: 'c', outcome: 'ok', durationMs: 1, ...details };
        expect(bodyOf(ended)).toBe(mended(ended));
      }),
    );
  });

  it('tells each listener of each row in order, even when one throws and one appends', () => {
    const logged: string[] = [];
    const ignore = () => {};
    const log = { debug: ignore, info: ignore, warn: ignore, error: (event: string) => logged.push(event) };
    const store = folder.open({ log });
    const seen: number[] = [];
    store.onAppend(() => {
      throw new Error('broken listener');
    });
    store.onAppend((row) => {
      if (row.seq === 1) store.writer.append({ kind: 'gateway.resumed', message: 'from a listener' });
    });
    const stop = store.onAppend((row: AuditRow) => seen.push(row.seq));
    store.writer.append({ kind: 'gateway.paused', message: '' });
    expect(seen).toEqual([1, 2]);
    expect(logged).toEqual(['audit-listener-failed', 'audit-listener-failed']);
    stop();
    store.writer.append({ kind: 'gateway.resumed', message: '' });
    expect(seen).toEqual([1, 2]);
  });

  it('refuses after it was closed', () => {
    const store = folder.open();
    store.close();
    store.close();
    expect(() => store.writer.append(beginOf())).toThrow(AuditUnavailable);
  });

  it('keeps the files to this account', () => {
    if (platform() === 'win32') return;
    appendCall(folder.open());
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(folder.path(`audit.db${suffix}`)).mode & 0o777).toBe(0o600);
    }
  });

  it('does not let SQL change or remove a row, nor put one where it does not follow', () => {
    const store = folder.open();
    appendCall(store);
    store.close();
    const db = new Database(folder.path());
    const copy = 'INSERT OR REPLACE INTO rows (seq, at, kind, call_id, body, prev, hash) SELECT';
    expect(() => db.exec("UPDATE rows SET body = '{}' WHERE seq = 1")).toThrow('append-only');
    expect(() => db.exec('DELETE FROM rows')).toThrow('append-only');
    expect(() => db.exec('DELETE FROM chain')).toThrow('append-only');
    expect(() => db.exec("UPDATE chain SET id = id || 'x'")).toThrow('append-only');
    expect(() => db.exec(`${copy} seq, at, kind, call_id, '{}', prev, hash FROM rows WHERE seq = 1`)).toThrow('follow');
    expect(() => db.exec(`${copy} 4, at, kind, call_id, body, prev, hash FROM rows WHERE seq = 2`)).toThrow('follow');
    expect(() => db.exec(`${copy} 3, at, kind, call_id, body, prev, hash FROM rows WHERE seq = 2`)).toThrow('follow');
    db.close();
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 2 });
  });
});

describe('when the disk is full', () => {
  it('says the record is unavailable, keeps the chain, and goes on once there is room', () => {
    folder.open().close();
    const db = new Database(folder.path());
    const start = genesis(readChainId(db) ?? '');
    const writer = createWriter(db, clock, start, () => {});
    db.pragma(`max_page_count = ${Number(db.pragma('page_count', { simple: true })) + 2}`);
    let written = 0;
    const fill = () => {
      for (; written < 200; written++) writer.append(beginOf({ arguments: JSON.stringify('x'.repeat(5_000)) }));
    };
    expect(fill).toThrow(AuditUnavailable);
    expect(fill).toThrow('the disk is full');
    expect(written).toBeLessThan(200);
    expect(verifyRows(readStoredRows(db), start)).toMatchObject({ ok: true, rows: written });
    db.pragma('max_page_count = 1000000');
    fill();
    db.close();
    expect(written).toBe(200);
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 200 });
  });
});

describe('when another program takes the file', () => {
  it('fails the append while it is held, and follows the chain as it is afterwards', () => {
    const store = folder.open();
    appendCall(store);
    const other = new Database(folder.path());
    other.exec('BEGIN IMMEDIATE');
    expect(() => store.writer.append(beginOf())).toThrow('another program is holding the file');
    other.exec('ROLLBACK');
    other.close();
    appendCall(store);
    expect(store.reader.verify()).toMatchObject({ ok: true, rows: 4 });
  });

  it('refuses a second writer in this process and in another, and lets readers in', () => {
    const store = folder.open();
    appendCall(store);
    const second = openAudit({ file: folder.path(), clock });
    expect(second).toMatchObject({ ok: false, code: 'in-use' });
    const script = `import { openAudit } from './main/audit/store.ts';
      const opened = openAudit({ file: process.argv[1], clock: { now: () => 0 } });
      process.stdout.write(opened.ok ? 'opened' : opened.code);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder.path()], {
      encoding: 'utf8',
    });
    expect(child.stdout).toBe('in-use');
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 2 });
    store.close();
    expect(openAndClose(folder.path())).toBe('opened');
  });
});

function openAndClose(file: string): string {
  const opened = openAudit({ file, clock });
  if (!opened.ok) return opened.code;
  opened.value.close();
  return 'opened';
}

describe('when calls were still running as Gatehouse ended', () => {
  it('closes each as interrupted at the next start, once', () => {
    let now = 1_000;
    const first = folder.open({ clock: { now: () => now } });
    const done = appendCall(first);
    const open = [beginOf(), beginOf()];
    for (const event of open) first.writer.append(event);
    now = 1_500;
    first.writer.append({ kind: 'gateway.paused', message: '' });
    first.close();
    now = 9_000_000;
    const second = folder.open({ clock: { now: () => now } });
    for (const { callId } of open) {
      expect(second.reader.call(callId)?.story).toMatchObject({
        status: 'done',
        outcome: 'interrupted',
        durationMs: 500,
      });
    }
    expect(second.reader.call(done)?.story.outcome).toBe('ok');
    second.close();
    const third = folder.open();
    expect(third.reader.verify()).toMatchObject({ ok: true, rows: 7 });
  });
});

describe('when lists of calls are made from what follows the rows', () => {
  const told = (store: ReturnType<typeof folder.open>) => [
    store.reader.calls({ app: 'Cursor' }),
    store.reader.calls({ outcome: 'running' }),
    store.reader.totals(0),
  ];

  it('is the same list after all of it was emptied, or cut anywhere, and Gatehouse started again', () => {
    const first = folder.open();
    const ids = Array.from({ length: 9 }, () => appendCall(first));
    const before = told(first);
    first.close();
    for (const cut of [0, 1, 6, 17]) {
      const db = new Database(folder.path());
      db.exec(`DELETE FROM entries WHERE seq > ${cut}`);
      db.close();
      expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 18 });
      const store = folder.open();
      expect(told(store)).toEqual(before);
      expect(ids.filter((id) => store.reader.call(id)?.story.outcome !== 'ok')).toEqual([]);
      expect(store.reader.verify()).toMatchObject({ ok: true, rows: 18 });
      store.close();
    }
  });

  it('closes calls that were running, whether or not their entries were written before the end', () => {
    for (const cut of [0, 1, 3]) {
      const store = folder.open();
      const done = appendCall(store);
      const open = [beginOf(), beginOf()];
      for (const event of open) store.writer.append(event);
      store.close();
      const db = new Database(folder.path());
      const end = Number(db.prepare('SELECT max(seq) FROM rows').pluck().get());
      db.exec(`DELETE FROM entries WHERE seq > ${end - cut}`);
      db.close();
      const next = folder.open();
      const outcomes = [done, ...open.map(({ callId }) => callId)].map((id) => next.reader.call(id)?.story.outcome);
      expect(outcomes).toEqual(['ok', 'interrupted', 'interrupted']);
      expect(next.reader.calls({ outcome: 'running' })).toEqual([]);
      next.close();
    }
  });

  it('never misses a row that was acknowledged, even in the moment it was', () => {
    const store = folder.open();
    const seen: number[] = [];
    store.onAppend(() => seen.push(store.reader.calls({ limit: 500 }).length));
    for (let n = 0; n < 5; n++) store.writer.append(beginOf());
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('says so rather than leaving calls out while another program holds the file', () => {
    const store = folder.open();
    appendCall(store);
    const other = new Database(folder.path());
    other.exec('BEGIN IMMEDIATE');
    expect(() => store.reader.calls({})).toThrow('another program is holding the file');
    other.exec('ROLLBACK');
    other.close();
    expect(store.reader.calls({})).toHaveLength(1);
  });

  it('does not let SQL change what an entry says', () => {
    const store = folder.open();
    appendCall(store);
    store.close();
    const db = new Database(folder.path());
    expect(() => db.exec("UPDATE entries SET app = 'Other'")).toThrow('an entry says what its row says');
    db.close();
  });
});

describe('when the file is not one to write to', () => {
  function refused(file = folder.path()): { code: string; message: string } {
    const before = existsSync(file) ? readFileSync(file) : undefined;
    const opened = openAudit({ file, clock });
    if (opened.ok) {
      opened.value.close();
      throw new Error('It was opened.');
    }
    if (before !== undefined) expect(readFileSync(file).equals(before)).toBe(true);
    return opened;
  }

  it('leaves a record of a newer Gatehouse alone', () => {
    folder.open().close();
    const db = new Database(folder.path());
    db.pragma('user_version = 99');
    db.close();
    const { code, message } = refused();
    expect(code).toBe('newer-database');
    expect(message).toContain('format 99; this one knows up to 1');
  });

  it('leaves anything alone that is no database', () => {
    writeFileSync(folder.path(), 'My shopping list\n'.repeat(100));
    expect(refused().code).toBe('not-a-database');
    writeFileSync(folder.path(), 'short');
    expect(refused().code).toBe('not-a-database');
  });

  it("leaves another program's database alone", () => {
    const db = new Database(folder.path());
    db.exec('CREATE TABLE bookmarks (url TEXT)');
    db.close();
    expect(refused()).toMatchObject({ code: 'not-a-database', message: expect.stringContaining('another program') });
  });

  it('leaves a damaged record alone', () => {
    const store = folder.open();
    for (let n = 0; n < 50; n++) appendCall(store);
    store.close();
    const bytes = readFileSync(folder.path());
    bytes.fill(0xff, 4096, bytes.length);
    writeFileSync(folder.path(), bytes);
    expect(refused().code).toBe('not-a-database');
  });

  it('never writes after a changed row, and names it', () => {
    const store = folder.open();
    for (let n = 0; n < 5; n++) appendCall(store);
    store.close();
    tamper(folder.path(), `UPDATE rows SET body = replace(body, 'alice', 'malloc') WHERE seq = 7`);
    expect(refused()).toMatchObject({ code: 'broken-chain', message: expect.stringContaining('Row 7 was changed') });
  });

  it('never writes after a record whose first rows or beginning are gone', () => {
    const store = folder.open();
    for (let n = 0; n < 5; n++) appendCall(store);
    store.close();
    const whole = readFileSync(folder.path());
    tamper(folder.path(), 'DELETE FROM rows WHERE seq < 4');
    expect(refused()).toMatchObject({ code: 'broken-chain', message: expect.stringContaining('Row 1 is missing') });
    writeFileSync(folder.path(), whole);
    tamper(folder.path(), 'DELETE FROM chain');
    expect(refused().code).toBe('broken-chain');
    writeFileSync(folder.path(), whole);
    tamper(folder.path(), `UPDATE chain SET id = '${'0'.repeat(64)}'`);
    expect(refused()).toMatchObject({ code: 'broken-chain', message: expect.stringContaining('Row 1') });
  });

  it('never writes to one whose guard rails were taken down', () => {
    folder.open().close();
    const db = new Database(folder.path());
    db.exec('DROP TRIGGER rows_stay');
    db.close();
    expect(refused()).toMatchObject({
      code: 'not-a-database',
      message: expect.stringContaining('rows_stay is missing'),
    });
  });

  it('says so when the folder cannot be made or written', () => {
    writeFileSync(folder.path('file'), '');
    expect(refused(folder.path('file/below/audit.db'))).toMatchObject({ code: 'unwritable' });
  });

  it('says so when the record or its lock is a folder', () => {
    mkdirSync(folder.path('a.db.lock'));
    expect(refused(folder.path('a.db')).code).toBe('unwritable');
    mkdirSync(folder.path('b.db'));
    expect(openAudit({ file: folder.path('b.db'), clock })).toMatchObject({ ok: false, code: 'unwritable' });
  });

  it('starts anew over an empty file, which a crash during the very first start leaves', () => {
    writeFileSync(folder.path(), '');
    appendCall(folder.open());
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 2 });
  });

  it('gives each record a chain of its own', () => {
    const head = () => {
      const store = folder.open({ clock: { now: () => 1 } });
      const row = store.writer.append(endOf('c'));
      store.close();
      rmSync(folder.path());
      return row.hash;
    };
    expect(head()).not.toBe(head());
  });
});
