import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallFilter } from '../../../main/audit/record.ts';
import type { AuditStore } from '../../../main/audit/store.ts';
import { appendCall, beginOf, createFolder, endOf, refusalOf } from './records.ts';

const hour = 3_600_000;
let folder: ReturnType<typeof createFolder>;
let store: AuditStore;
let now: number;
beforeEach(() => {
  folder = createFolder();
  now = 100 * hour;
  store = folder.open({ clock: { now: () => now } });
});
afterEach(() => folder.remove());

function tools(filter: CallFilter): string[] {
  return store.reader.calls(filter).map((story) => story.facts.tool);
}

describe('when a call is told as a story', () => {
  it('joins what was asked, begun and ended, whatever else happened between', () => {
    const begin = beginOf({ effect: 'ask', profile: 'office', definition: 'e'.repeat(64) });
    const shown = { callId: begin.callId, shownDigest: 'f'.repeat(64) };
    store.writer.append({ kind: 'approval.asked', ...shown });
    appendCall(store, { tool: 'other' });
    store.writer.append({ kind: 'approval.answered', ...shown, answer: 'allow-once' });
    now += 5;
    const row = store.writer.append({ ...begin, approvedBy: 'person-once' });
    store.writer.append({
      kind: 'call.end',
      callId: begin.callId,
      outcome: 'tool-error',
      durationMs: 7,
      message: 'No',
      result: '{}',
    });
    const { kind: _, ...facts } = begin;
    const expected = {
      seq: row.seq,
      callId: begin.callId,
      at: now,
      facts,
      status: 'done',
      outcome: 'tool-error',
      message: 'No',
      durationMs: 7,
      approval: 'allow-once',
      hash: row.hash,
    };
    expect(store.reader.calls({ tool: 'create_issue' })).toEqual([expected]);
    const told = store.reader.call(begin.callId);
    expect(told?.story).toEqual({ ...expected, result: '{}' });
    expect(told?.rows.map(({ seq, kind }) => `${seq} ${kind}`)).toEqual([
      '1 approval.asked',
      '4 approval.answered',
      '5 call.begin',
      '6 call.end',
    ]);
  });

  it('tells a refusal, a running call and an answer that was remembered', () => {
    store.writer.append(refusalOf({ tool: 'refused' }));
    store.writer.append({ ...beginOf({ tool: 'running' }), approvedBy: 'person-session' });
    expect(store.reader.calls({})).toMatchObject([
      { status: 'running', approval: 'allow-session' },
      { status: 'refused', refusal: 'policy-denied', message: 'Your organisation does not allow this.' },
    ]);
  });

  it('keeps to the first end of a call that was ended twice, and to none of an unknown one', () => {
    const callId = appendCall(store);
    store.writer.append(endOf(callId, 'timeout'));
    store.writer.append(endOf('never-begun', 'timeout'));
    expect(store.reader.call(callId)?.story.outcome).toBe('ok');
    expect(store.reader.call('never-begun')).toBeUndefined();
    expect(store.reader.calls({ outcome: 'failed' })).toEqual([]);
    expect(store.reader.verify()).toMatchObject({ ok: true, rows: 4 });
  });

  it('knows nothing of a call nobody made', () => {
    expect(store.reader.call('')).toBeUndefined();
    expect(store.reader.call("' OR 1=1 --")).toBeUndefined();
  });
});

describe('when calls are listed', () => {
  beforeEach(() => {
    for (const [n, outcome] of (['ok', 'timeout', 'tool-error', 'ok'] as const).entries()) {
      appendCall(
        store,
        { tool: `t${n}`, app: n % 2 === 0 ? 'Cursor' : 'Claude', alias: n < 2 ? 'github' : 'files' },
        outcome,
      );
      now += hour;
    }
    store.writer.append(refusalOf({ tool: 'r' }));
    store.writer.append(beginOf({ tool: 'b' }));
  });

  it('gives the newest first', () => expect(tools({})).toEqual(['b', 'r', 't3', 't2', 't1', 't0']));

  it('filters by outcome', () => {
    expect(tools({ outcome: 'ok' })).toEqual(['t3', 't0']);
    expect(tools({ outcome: 'failed' })).toEqual(['t2', 't1']);
    expect(tools({ outcome: 'refused' })).toEqual(['r']);
    expect(tools({ outcome: 'running' })).toEqual(['b']);
  });

  it('filters by app, server, tool and all of them with an outcome', () => {
    expect(tools({ app: 'Claude' })).toEqual(['t3', 't1']);
    expect(tools({ alias: 'files' })).toEqual(['t3', 't2']);
    expect(tools({ tool: 't1' })).toEqual(['t1']);
    expect(tools({ outcome: 'failed', app: 'Cursor', alias: 'files', tool: 't2' })).toEqual(['t2']);
    expect(tools({ outcome: 'failed', app: 'Cursor', alias: 'github' })).toEqual([]);
  });

  it('filters by time, both ends included', () => {
    expect(tools({ since: 102 * hour })).toEqual(['b', 'r', 't3', 't2']);
    expect(tools({ until: 101 * hour })).toEqual(['t1', 't0']);
    expect(tools({ since: 101 * hour, until: 102 * hour, outcome: 'failed' })).toEqual(['t2', 't1']);
    expect(tools({ since: 200 * hour })).toEqual([]);
    expect(tools({ until: 1 })).toEqual([]);
  });

  it('finds by time what a corrected clock put out of order', () => {
    now = 50 * hour;
    appendCall(store, { tool: 'early' });
    now = 104 * hour;
    appendCall(store, { tool: 'late' });
    expect(tools({ until: 60 * hour })).toEqual(['early']);
    expect(tools({ since: 104 * hour })).toEqual(['late', 'b', 'r']);
  });

  it('comes to every call exactly once, page by page, under every filter', () => {
    for (const outcome of [undefined, 'ok', 'failed'] as const) {
      const paged: string[] = [];
      let beforeSeq: number | undefined;
      for (let page = 0; page < 10; page++) {
        const stories = store.reader.calls({ outcome, limit: 1, beforeSeq });
        paged.push(...stories.map((story) => story.facts.tool));
        beforeSeq = stories.at(-1)?.seq ?? 0;
      }
      expect(paged).toEqual(tools({ outcome }));
    }
  });

  it('keeps the size of a page between 1 and 500', () => {
    expect(tools({ limit: 0 })).toHaveLength(1);
    expect(tools({ limit: -5 })).toHaveLength(1);
    for (let n = 0; n < 501; n++) store.writer.append(refusalOf());
    expect(tools({ limit: 1e9 })).toHaveLength(500);
    expect(tools({ limit: Number.NaN })).toHaveLength(100);
  });

  it('counts calls per hour, in all and by app', () => {
    expect(store.reader.hourly(102 * hour)).toEqual([
      { hour: 102 * hour, allowed: 1, refused: 0 },
      { hour: 103 * hour, allowed: 1, refused: 0 },
      { hour: 104 * hour, allowed: 1, refused: 1 },
    ]);
    expect(store.reader.totals(0)).toEqual({ allowed: 5, refused: 1 });
    expect(store.reader.totals(now + 1)).toEqual({ allowed: 0, refused: 0 });
    expect(store.reader.countByApp(101 * hour)).toEqual(
      new Map([
        ['Claude', 2],
        ['Cursor', 3],
      ]),
    );
  });
});

describe('when text is searched', () => {
  it('looks in tool, app and arguments without regard to case, and takes every character as itself', () => {
    appendCall(store, { tool: 'Create_Issue', app: 'VS Code', arguments: '{"title":"100% sure \\\\ Grüße"}' });
    appendCall(store, { tool: 'createXissue', app: 'Cursor', arguments: '{"title":"100 sure"}' });
    expect(tools({ text: 'create_issue' })).toEqual(['Create_Issue']);
    expect(tools({ text: 'vs code' })).toEqual(['Create_Issue']);
    expect(tools({ text: '100%' })).toEqual(['Create_Issue']);
    expect(tools({ text: 'GRÜ' })).toEqual(['Create_Issue']);
    expect(tools({ text: '\\\\' })).toEqual(['Create_Issue']);
    expect(tools({ text: "' OR '1'='1" })).toEqual([]);
    expect(tools({ text: '  SURE ' })).toEqual(['createXissue', 'Create_Issue']);
    expect(tools({ text: '   ' })).toHaveLength(2);
  });

  it('finds no arguments where only their digest was kept, and does not search results', () => {
    const { arguments: _, ...event } = beginOf({ tool: 'quiet' });
    store.writer.append(event);
    store.writer.append({ ...endOf(event.callId), kind: 'call.end', result: '{"found":"needle"}' } as never);
    expect(tools({ text: 'hello' })).toEqual([]);
    expect(tools({ text: 'needle' })).toEqual([]);
    expect(tools({ text: 'quiet' })).toEqual(['quiet']);
  });
});
