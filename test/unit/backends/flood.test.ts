import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { readListPages } from '../../../main/backends/list-pages.ts';
import { MESSAGE_DEPTH, MessageRefused, parseMessage } from '../../../main/backends/message.ts';
import { reduceServerInfo } from '../../../main/backends/server-info.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { alive, backendsFor, call, eventually, failureOf, fixture, server, startFixture, textOf } from './support.ts';

const timeoutMs = 20_000;
let backends: Backends | undefined;
let folder: string;
const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'flood-'));
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  await backends?.close();
  backends = undefined;
  rmSync(folder, { recursive: true, force: true });
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

const flood = (...args: readonly string[]) => fixture('flood-stdio.ts', args);
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

async function honestWorks(): Promise<void> {
  const session = await backends?.open('echo', 'key');
  const reply = await session?.request('tools/call', call('add', { a: 1, b: 2 }), { timeoutMs });
  expect(reply && textOf(reply)).toBe('3');
  expect((await session?.tools(0))?.length).toBeGreaterThan(5);
}

describe('when a message is nested', () => {
  it('takes it up to the bound and refuses what is deeper, whatever its strings hold', () => {
    expect(parseMessage(nested(MESSAGE_DEPTH))).toEqual(JSON.parse(nested(MESSAGE_DEPTH)));
    expect(() => parseMessage(nested(MESSAGE_DEPTH + 1))).toThrow(MessageRefused);
    expect(() => parseMessage(nested(100_000))).toThrow(/nested deeper than 512 levels/);
    const tricky = JSON.stringify({ text: `${'[{'.repeat(2_000)}\\"\\\\"`, more: '\\', list: Array(2_000).fill({}) });
    expect(parseMessage(tricky)).toEqual(JSON.parse(tricky));
    const hidden = `{"a":"\\\\","b":${nested(600)}}`;
    expect(() => parseMessage(hidden)).toThrow(MessageRefused);
    expect(() => parseMessage(`"${'[{'.repeat(2_000)}`)).toThrow(SyntaxError);
  });

  it('refuses more objects than memory is good for', () => {
    expect(() => parseMessage(`[${'{},'.repeat(2_000_001)}{}]`)).toThrow(/more than 2000000 objects/);
  });

  it.each(['initialize', 'tools/call', 'tools/list'])(
    'ends the session of a server whose %s answer nests 100000 deep, and serves the others',
    async (method) => {
      const pidFile = path.join(folder, 'pid');
      backends = backendsFor({ deep: flood('--deep', method, '--pid', pidFile), echo: fixture('echo-stdio.ts') });
      const work = backends.open('deep', 'key').then(async (session) => {
        if (method === 'tools/list') await session.tools(0);
        else await session.request('tools/call', call('x'), { timeoutMs });
      });
      const failure = await failureOf(work);
      expect(failure.code).toBe('protocol');
      expect(failure.message).toContain('nested deeper than 512 levels');
      const pid = Number(readFileSync(pidFile, 'utf8'));
      await eventually(() => !alive(pid));
      expect(() => JSON.stringify(backends?.status())).not.toThrow();
      await honestWorks();
    },
  );

  it('ends the session over HTTP too', async () => {
    const web = await startFixture('flood-http.ts');
    try {
      for (const how of ['json', 'events']) {
        backends = backendsFor({ deep: { transport: 'http', url: `${web.url}?${how}` } });
        const failure = await failureOf(backends.open('deep', 'key'));
        expect(failure.message).toContain('nested deeper than 512 levels');
        await backends.close();
      }
    } finally {
      await web.stop();
    }
  });
});

describe('when a server says too much of itself', () => {
  it('keeps short names and what is small', () => {
    const info = { name: 'n'.repeat(1_000), title: 7, version: '1', 'x-kept': { a: [1] }, big: 'b'.repeat(3_000) };
    expect(reduceServerInfo(info)).toEqual({ name: 'n'.repeat(200), version: '1', 'x-kept': { a: [1] } });
    expect(reduceServerInfo(JSON.parse('{"__proto__":{"x":1}}'))).not.toHaveProperty('x');
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`k${index}`, 1]));
    expect(Object.keys(reduceServerInfo(many))).toHaveLength(32);
    expect(reduceServerInfo('text')).toEqual({});
  });

  it('refuses a handshake above 1 MB', async () => {
    backends = backendsFor({ big: flood('--big', 'initialize', String(2 * 1024 * 1024)) });
    expect((await failureOf(backends.open('big', 'key'))).message).toContain('larger than 1 MB');
  });

  it('ends the process of a withdrawn server although nobody can be told', async () => {
    const pidFile = path.join(folder, 'pid');
    backends = backendsFor({ echo: fixture('echo-stdio.ts', ['--pid', pidFile]) });
    await backends.open('echo', 'key');
    const pid = Number(readFileSync(pidFile, 'utf8'));
    backends.onStatus(() => {
      throw new Error('a broken listener');
    });
    backends.apply([server('echo', fixture('echo-stdio.ts'), 'revoked')]);
    await eventually(() => !alive(pid));
  });
});

describe('when a server floods its list of tools', () => {
  const list = (page: (count: number) => JsonObject) => {
    let count = 0;
    return readListPages('s', 'tools', false, async () => {
      count += 1;
      return { ok: true, result: page(count) };
    });
  };

  it.each([
    ['definitions', (n: number) => ({ tools: [{ name: 'x'.repeat(200_000) }], nextCursor: `${n}` })],
    ['cursors', (n: number) => ({ tools: [], nextCursor: `${'c'.repeat(200_000)}${n}` })],
    ['something else', (n: number) => ({ tools: [], junk: 'j'.repeat(200_000), nextCursor: `${n}` })],
  ])('stops at 8 MB of %s over all pages', async (_, page) => {
    const failure = await failureOf(list(page));
    expect(failure).toMatchObject({ code: 'protocol' });
    expect(failure.message).toContain('larger than 8 MB');
  });

  it('refuses one definition above 256 KB', async () => {
    const failure = await failureOf(list(() => ({ tools: [{ name: 'x', description: 'é'.repeat(131_072) }] })));
    expect(failure.message).toContain('described in more than 256 KB');
  });

  it('serves the honest server next to one that pages for ever, within bounded memory', async () => {
    backends = backendsFor({ flood: flood('--pages', '6000000'), echo: fixture('echo-stdio.ts') });
    const session = await backends.open('flood', 'key');
    const before = process.memoryUsage().rss;
    const failure = failureOf(session.tools(0));
    await honestWorks();
    expect((await failure).message).toMatch(/larger than 8 MB/);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });

  it('refuses a page above 8 MB, and ends a server that sends more than 16 MB while no call is under way', async () => {
    backends = backendsFor({
      page: flood('--big', 'tools/list', String(9 * 1024 * 1024)),
      talk: flood('--big', 'ping', String(17 * 1024 * 1024)),
    });
    const page = await backends.open('page', 'key');
    expect((await failureOf(page.tools(0))).message).toContain('its answer is larger than 8 MB');
    const talk = await backends.open('talk', 'key');
    expect((await failureOf(talk.request('ping', {}, { timeoutMs }))).message).toContain('larger than 16 MB');
    await eventually(() => backends?.status()[1]?.sessions === 0);
  });

  it('takes a large answer to a call, and survives one that comes after the call was given up', async () => {
    backends = backendsFor({ flood: flood('--big', 'tools/call', String(20 * 1024 * 1024)) });
    const session = await backends.open('flood', 'key');
    const reply = await session.request('tools/call', call('x'), { timeoutMs });
    expect(textOf(reply)).toHaveLength(20 * 1024 * 1024);
    const leave = new AbortController();
    const given = failureOf(session.request('tools/call', call('x'), { timeoutMs, signal: leave.signal }));
    leave.abort();
    expect((await given).code).toBe('cancelled');
    expect(textOf(await session.request('tools/call', call('x'), { timeoutMs }))).toHaveLength(20 * 1024 * 1024);
  });
});

describe('when one caller opens many sessions', () => {
  it('ends the longest unused for a new one', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') }, { maxSessions: 2 });
    const one = await backends.open('echo', 'one');
    const two = await backends.open('echo', 'two');
    await one.request('ping', {}, { timeoutMs });
    const three = await backends.open('echo', 'three');
    expect(backends.status()[0]?.sessions).toBe(2);
    expect((await failureOf(two.request('ping', {}, { timeoutMs }))).message).toContain('to make room');
    expect((await one.request('ping', {}, { timeoutMs })).ok).toBe(true);
    expect((await three.request('ping', {}, { timeoutMs })).ok).toBe(true);
    expect(await backends.open('echo', 'one')).toBe(one);
  });

  it('refuses in words while all are at work, and never ends one that is', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') }, { maxSessions: 1 });
    const one = await backends.open('echo', 'one');
    const slow = one.request('tools/call', call('slow', { steps: 5, ms: 200 }), { timeoutMs });
    const refused = await failureOf(backends.open('echo', 'two'));
    expect(refused.code).toBe('unavailable');
    expect(refused.message).toMatch(/in every session Gatehouse allows it \(1\)\. Try again/);
    expect(textOf(await slow)).toBe('done after 5');
    expect((await backends.open('echo', 'two')).era).toBe('legacy');
  });

  it('never has more processes than sessions allowed, however fast they are opened and released', async () => {
    const pids = path.join(folder, 'pids');
    backends = backendsFor({ flood: flood('--pids', pids, '--stubborn') }, { maxSessions: 2 });
    const { open, release } = backends;
    const openMany = async () => {
      const ending: Promise<void>[] = [];
      for (const key of ['a', 'b', 'c']) {
        await open('flood', key);
        ending.push(release(key));
      }
      await Promise.all(ending);
    };
    let most = 0;
    const running = () => {
      try {
        return readFileSync(pids, 'utf8').trim().split('\n').map(Number).filter(alive).length;
      } catch {
        // Not one has started yet.
        return 0;
      }
    };
    let done = false;
    const finished = openMany().finally(() => {
      done = true;
    });
    await eventually(() => {
      most = Math.max(most, running());
      return done;
    });
    await finished;
    expect(readFileSync(pids, 'utf8').trim().split('\n').length).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(2);
  });
});
