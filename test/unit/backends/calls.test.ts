import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { Log } from '../../../main/ports.ts';
import { backendsFor, call, eventually, failureOf, fixture, script, silentLog, textOf } from './support.ts';

let backends: Backends;
afterEach(() => backends.close());

function echo(log: Log = silentLog) {
  backends = backendsFor({ echo: fixture('echo-stdio.ts') }, { log });
  return backends.open('echo', 'key');
}

async function seenBy(session: Awaited<ReturnType<typeof echo>>): Promise<readonly JsonObject[]> {
  return JSON.parse(textOf(await session.request('tools/call', call('seen'), { timeoutMs: 10_000 })));
}

describe('when a call is under way', () => {
  it('hands on every progress notification raw and in order, before the answer', async () => {
    const session = await echo();
    const heard: JsonObject[] = [];
    const reply = await session.request('tools/call', call('slow', { steps: 3, ms: 5 }), {
      timeoutMs: 10_000,
      onProgress: (params) => heard.push(params),
    });
    expect(textOf(reply)).toBe('done after 3');
    expect(heard.map((params) => params.progress)).toEqual([1, 2, 3]);
    expect(heard[0]).toMatchObject({ total: 3, message: 'step 1', 'x-extra': { kept: true } });
  });

  it('keeps the progress of concurrent calls apart', async () => {
    const session = await echo();
    const counts = [2, 5, 3];
    const heard = await Promise.all(
      counts.map(async (steps) => {
        let count = 0;
        await session.request('tools/call', call('slow', { steps, ms: 2 }), {
          timeoutMs: 10_000,
          onProgress: () => (count += 1),
        });
        return count;
      }),
    );
    expect(heard).toEqual(counts);
  });

  it('outlives a progress listener that throws', async () => {
    const session = await echo();
    const reply = await session.request('tools/call', call('slow', { steps: 2, ms: 2 }), {
      timeoutMs: 10_000,
      onProgress: () => {
        throw new Error('listener');
      },
    });
    expect(textOf(reply)).toBe('done after 2');
  });

  it('passes a tool error on as a result and not as a failure', async () => {
    const session = await echo();
    const reply = await session.request('tools/call', call('fail'), { timeoutMs: 10_000 });
    expect(reply).toMatchObject({ ok: true, result: { isError: true } });
  });
});

describe('when the caller cancels', () => {
  it('rejects at once and tells the backend which request it was', async () => {
    const session = await echo();
    const cancel = new AbortController();
    const answer = session.request('tools/call', call('hang'), { timeoutMs: 60_000, signal: cancel.signal });
    cancel.abort();
    expect((await failureOf(answer)).code).toBe('cancelled');
    const seen = await seenBy(session);
    const hang = seen.find((message) => (message.params as JsonObject).name === 'hang');
    const told = seen.find((message) => message.method === 'notifications/cancelled');
    expect(told?.params).toMatchObject({ requestId: hang?.id });
  });

  it('sends nothing at all when it was cancelled before it began', async () => {
    const session = await echo();
    const answer = session.request('tools/call', call('hang'), { timeoutMs: 60_000, signal: AbortSignal.abort() });
    expect((await failureOf(answer)).code).toBe('cancelled');
    expect((await seenBy(session)).some((message) => (message.params as JsonObject | undefined)?.name === 'hang')).toBe(
      false,
    );
  });

  it('drops the late answer of a server that does not care, and serves the next call', async () => {
    const late: string[] = [];
    const session = await echo({ ...silentLog, debug: (event) => late.push(event) });
    const cancel = new AbortController();
    const answer = session.request('tools/call', call('ask-client', { method: 'ping' }), {
      timeoutMs: 60_000,
      signal: cancel.signal,
    });
    cancel.abort();
    expect((await failureOf(answer)).code).toBe('cancelled');
    await eventually(() => late.includes('backend-late-answer'));
    expect(textOf(await session.request('tools/call', call('add', { a: 1, b: 2 }), { timeoutMs: 10_000 }))).toBe('3');
  });
});

describe('when a backend does not answer in time', () => {
  it("rejects with 'timeout' in plain words and tells the backend", async () => {
    const session = await echo();
    const failure = await failureOf(session.request('tools/call', call('hang'), { timeoutMs: 100 }));
    expect(failure).toMatchObject({
      code: 'timeout',
      alias: 'echo',
      message: 'The server "echo" did not answer within 0.1 seconds.',
    });
    expect((await seenBy(session)).map((message) => message.method)).toContain('notifications/cancelled');
  });
});

describe('when a backend crashes in the middle of a call', () => {
  it('rejects everything pending, with its exit code and last words', async () => {
    const session = await echo();
    const pending = ['hang', 'hang', 'crash'].map((name) =>
      failureOf(session.request('tools/call', call(name), { timeoutMs: 60_000 })),
    );
    for (const failure of await Promise.all(pending)) {
      expect(failure).toMatchObject({ code: 'unavailable', alias: 'echo' });
      expect(failure.message).toContain('exit code 7');
      expect(failure.message).toContain('about to crash');
    }
    expect((await failureOf(session.request('tools/call', call('add'), { timeoutMs: 1_000 }))).code).toBe(
      'unavailable',
    );
    expect((await failureOf(session.tools(0))).code).toBe('unavailable');
  });
});

describe('when a server asks its client something', () => {
  it('answers ping', async () => {
    const session = await echo();
    const reply = await session.request('tools/call', call('ask-client', { method: 'ping' }), { timeoutMs: 10_000 });
    expect(JSON.parse(textOf(reply))).toMatchObject({ result: {} });
  });

  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list', 'x-anything'])(
    'refuses %s, which was never declared',
    async (method) => {
      const session = await echo();
      const reply = await session.request('tools/call', call('ask-client', { method }), { timeoutMs: 10_000 });
      expect(JSON.parse(textOf(reply))).toMatchObject({ error: { code: -32601 } });
    },
  );

  it('declared no capability when it shook hands', async () => {
    const session = await echo();
    const initialize = (await seenBy(session)).find((message) => message.method === 'initialize');
    expect(initialize?.params).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'gatehouse', title: 'Gatehouse', version: '0.0.0' },
    });
  });
});

describe('when a backend stops reading', () => {
  it('refuses more instead of holding it all in memory', async () => {
    const code = `
      const { createInterface } = require('node:readline');
      const lines = createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method } = JSON.parse(line);
        const answer = method === 'initialize' ? { result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } } : { error: { code: -32601, message: 'no' } };
        if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...answer }) + '\\n');
        else lines.pause();
      });
      setInterval(() => {}, 1000);`;
    backends = backendsFor({ deaf: script(code) });
    const session = await backends.open('deaf', 'key');
    const text = 'x'.repeat(40 * 1024 * 1024);
    const unread = [1, 2].map(() =>
      failureOf(session.request('tools/call', call('x', { text }), { timeoutMs: 60_000 })),
    );
    const failure = await failureOf(session.request('tools/call', call('x', { text }), { timeoutMs: 60_000 }));
    expect(failure).toMatchObject({
      code: 'unavailable',
      message: 'The server "deaf" failed: it does not read what it is sent.',
    });
    await backends.close();
    expect((await Promise.all(unread)).map(({ code }) => code)).toEqual(['unavailable', 'unavailable']);
  });
});

describe('when an answer is very large', () => {
  it('takes one just below 64 MB', async () => {
    const session = await echo();
    const reply = await session.request('tools/call', call('big', { bytes: 63 * 1024 * 1024 }), { timeoutMs: 60_000 });
    expect(textOf(reply)).toHaveLength(63 * 1024 * 1024);
  });

  it('ends the session at one above, and says why', async () => {
    const session = await echo();
    const failure = await failureOf(
      session.request('tools/call', call('big', { bytes: 65 * 1024 * 1024 }), { timeoutMs: 60_000 }),
    );
    expect(failure.code).toBe('protocol');
    expect(failure.message).toContain('larger than 64 MB');
    expect(backends.status()[0]).toMatchObject({ sessions: 0, state: 'backing-off' });
  });
});
