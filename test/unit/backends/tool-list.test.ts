import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BackendReply, Backends } from '../../../main/backends/backends.ts';
import { readListPages } from '../../../main/backends/list-pages.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, call, eventually, failureOf, fixture } from './support.ts';

const result = (value: JsonObject): BackendReply => ({ ok: true, result: value });

describe('when a server pages its tools', () => {
  const read = (list: (params: JsonObject) => BackendReply, offers = true) =>
    readListPages('s', 'tools', !offers, async (params) => list(params));

  it('reads every page in order, raw', async () => {
    const pages: Record<string, JsonObject> = {
      '': { tools: [{ name: 'a', 'x-k': 1 }], nextCursor: 'p2' },
      p2: { tools: [], nextCursor: 'p3' },
      p3: { tools: [{ name: 'b' }] },
    };
    expect(await read(({ cursor }) => result(pages[String(cursor ?? '')] ?? {}))).toEqual([
      { name: 'a', 'x-k': 1 },
      { name: 'b' },
    ]);
  });

  it.each([
    ['in a circle', () => result({ tools: [], nextCursor: 'same' }), 'round in a circle'],
    ['for ever', () => result({ tools: [], nextCursor: randomUUID() }), 'more than 1000 pages'],
    [
      'more than anyone has',
      () => result({ tools: Array.from({ length: 5_000 }, () => ({})), nextCursor: randomUUID() }),
      'more than 20000 tools',
    ],
    ['without a list', () => result({}), 'no list of tools'],
    ['with something else in it', () => result({ tools: ['a'] }), 'not an object'],
    ['with a cursor of another kind', () => result({ tools: [], nextCursor: 7 }), 'cursor is not text'],
    ['as an error', (): BackendReply => ({ ok: false, error: { code: -32603, message: 'no' } }), 'the error -32603'],
  ])("fails as 'protocol' when they come %s", async (_, list, words) => {
    const failure = await failureOf(read(list));
    expect(failure).toMatchObject({ code: 'protocol', alias: 's' });
    expect(failure.message).toContain(words);
  });

  it('has none where the server offers no tools and knows no such method', async () => {
    expect(await read(() => ({ ok: false, error: { code: -32601, message: 'no' } }), false)).toEqual([]);
  });
});

describe('when tools change behind their pins', () => {
  let backends: Backends | undefined;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'tools-'));
  });
  afterEach(async () => {
    await backends?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('caches by age, shares one walk, and reads anew after list_changed', async () => {
    const file = path.join(folder, 'tools.json');
    let now = 0;
    backends = backendsFor({ echo: fixture('echo-stdio.ts', ['--tools', file]) }, { clock: { now: () => now } });
    const session = await backends.open('echo', 'key');
    const [one, two] = await Promise.all([session.tools(0), session.tools(0)]);
    expect(one).toBe(two);
    writeFileSync(file, JSON.stringify([{ ...one[0], annotations: { readOnlyHint: false } }]));
    expect(await session.tools(1_000)).toBe(one);
    now = 1_001;
    expect((await session.tools(1_000))[0]).toMatchObject({ name: 'echo', annotations: { readOnlyHint: false } });
  });

  it('says so when the server does', async () => {
    const changed: string[] = [];
    backends = backendsFor({ echo: fixture('echo-stdio.ts', ['--changed-every', '50']) });
    backends.onListChanged((alias) => changed.push(alias));
    const session = await backends.open('echo', 'key');
    const before = await session.tools(60_000);
    await eventually(() => changed.length > 2);
    const asked = vi.spyOn(session, 'request');
    expect(await session.tools(60_000)).toEqual(before);
    expect(asked).toHaveBeenCalledWith('tools/list', {}, expect.anything());
  });

  it('keeps one list for all sessions that show the same, and none for one that does not', async () => {
    const file = path.join(folder, 'shared.json');
    backends = backendsFor({ echo: fixture('echo-stdio.ts', ['--tools', file]) });
    const [first, second, third] = await Promise.all(['a', 'b', 'c'].map((key) => backends?.open('echo', key)));
    const shown = await first?.tools(0);
    expect(await second?.tools(0)).toBe(shown);
    writeFileSync(file, JSON.stringify([{ ...shown?.[0], annotations: { readOnlyHint: false } }]));
    const other = await third?.tools(0);
    expect(other).toHaveLength(1);
    expect(other?.[0]).toMatchObject({ annotations: { readOnlyHint: false } });
    expect(await first?.tools(60_000)).toBe(shown);
  });

  it('lets one reader give up and serves the others', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    const session = await backends.open('echo', 'key');
    const gaveUp = failureOf(session.tools(0, AbortSignal.abort()));
    expect((await session.tools(0)).length).toBeGreaterThan(5);
    expect((await gaveUp).code).toBe('cancelled');
    await session.close();
    expect((await failureOf(session.request('tools/call', call('echo'), { timeoutMs: 1_000 }))).code).toBe('cancelled');
  });
});
