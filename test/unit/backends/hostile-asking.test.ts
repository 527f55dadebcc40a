import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackendReply, Backends } from '../../../main/backends/backends.ts';
import type { Json, JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, type Caller, caller, eventually, http, script } from './support.ts';

const timeoutMs = 20_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

/**
 * A 2025 server over stdio. `go` runs at the request "go" and may use `send`, `answers` (what the client answered, by id) and `done(result)`;
 * `early` runs before the handshake is answered.
 */
const hostile = (go: string, early = '') =>
  script(`
    const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
    const answers = new Map();
    const seen = [];
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const message = JSON.parse(line);
      const { id, method, params } = message;
      if (method === undefined) { answers.set(id, (answers.get(id) ?? []).concat(message)); return; }
      seen.push(method);
      const done = (result) => send({ id, result });
      if (method === 'server/discover') send({ id, error: { code: -32601, message: 'no' } });
      else if (method === 'initialize') {
        ${early}
        done({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} });
      }
      else if (method === 'answers') done({ answers: [...answers] });
      else if (method === 'ok') done({ fine: true });
      else if (method === 'go') { ${go} }
    });`);

async function open(go: string, client: Caller, early?: string) {
  backends = backendsFor({ hostile: hostile(go, early) });
  const session = await backends.open('hostile', 'key', undefined, client);
  const ask = (method: string, params: JsonObject = {}): Promise<BackendReply> =>
    session.request(method, params, { timeoutMs });
  const answers = async () => {
    const reply = await ask('answers');
    return new Map((reply.ok ? reply.result.answers : []) as unknown as [Json, JsonObject[]][]);
  };
  return { session, ask, answers };
}

const FINE = { ok: true, result: { fine: true } };
const never = () => new Promise<BackendReply>(() => {});

describe('when a server asks without measure', () => {
  it('passes on 64 of 10,000 questions, refuses others in words, and answers when there is room again', async () => {
    const pending: ((reply: BackendReply) => void)[] = [];
    const client = caller(() => new Promise((resolve) => pending.push(resolve)));
    const { ask, answers } = await open(
      `for (let n = 0; n < 10000; n += 1) send({ id: n, method: 'sampling/createMessage', params: {} }); done({});`,
      client,
    );
    await ask('go');
    expect(await ask('ok')).toEqual(FINE);
    expect(client.requests).toHaveLength(64);
    const refused = [...(await answers()).values()].flat();
    expect(refused.length).toBeGreaterThan(900);
    expect(refused[0]).toMatchObject({
      error: {
        code: -32603,
        message:
          'Gatehouse already waits for the answers to 64 requests of this server. Try again when some are answered.',
      },
    });
    for (const answer of pending.splice(0)) answer({ ok: true, result: { at: 'last' } });
    await eventually(async () => [...(await answers()).values()].flat().filter((each) => each.result).length === 64);
    await ask('go');
    expect(client.requests).toHaveLength(128);
  });

  it('answers every one of 500 pings', async () => {
    const { ask, answers } = await open(
      `for (let n = 0; n < 500; n += 1) send({ id: 'p' + n, method: 'ping' }); done({});`,
      caller(),
    );
    await ask('go');
    await eventually(async () => (await answers()).size === 500);
  });

  it('goes on under 100,000 notifications', async () => {
    const { ask } = await open(
      `for (let n = 0; n < 100000; n += 1) send({ method: 'notifications/message', params: { n } }); done({});`,
      caller(),
    );
    await ask('go');
    expect(await ask('ok')).toEqual(FINE);
  });

  it('answers no more than a few at a time over HTTP, though each of its answers is kept waiting', async () => {
    let live = 0;
    let most = 0;
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const { id, method } = text === '' ? ({} as { id?: number; method?: string }) : JSON.parse(text);
      const json = (message: object) =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
      if (request.method !== 'POST') response.writeHead(405).end();
      else if (method === 'server/discover') json({ error: { code: -32601, message: 'no' } });
      else if (method === 'initialize')
        json({ result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } });
      else if (method === 'go') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (let n = 0; n < 10_000; n += 1) {
          const asked = { jsonrpc: '2.0', id: `q${n}`, method: n % 2 ? 'ping' : 'elicitation/create', params: {} };
          response.write(`data: ${JSON.stringify(asked)}\n\n`);
        }
        response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n\n`);
      } else if (method === 'ok') json({ result: { fine: true } });
      else if (method !== undefined) response.writeHead(202).end();
      else {
        live += 1;
        most = Math.max(most, live);
        response.on('close', () => {
          live -= 1;
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    backends = backendsFor({ hostile: http(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`) });
    const session = await backends.open('hostile', 'key', undefined, caller());
    await session.request('go', {}, { timeoutMs });
    expect(await session.request('ok', {}, { timeoutMs })).toEqual(FINE);
    await eventually(() => live > 0);
    expect(most).toBeLessThanOrEqual(64 + 16);
  });
});

describe('when a server misuses ids', () => {
  it('answers ids as they are, text or number, and no others', async () => {
    const ids = ['a', '', '__proto__', '1', 1, 0, -7, 1.5, 'é🎈', 'x'.repeat(256)];
    const bad = [null, true, [], {}, { a: 1 }, 'x'.repeat(257)];
    const client = caller(({ params }) => ({ ok: true, result: { n: params.n ?? null } }));
    const { ask, answers } = await open(
      `params.ids.forEach((id, n) => send({ id, method: 'roots/list', params: { n } })); done({});`,
      client,
    );
    await ask('go', { ids: [...bad, ...ids] });
    await eventually(async () => (await answers()).size === ids.length);
    const found = await answers();
    for (const [index, id] of ids.entries())
      expect(found.get(id)).toEqual([{ jsonrpc: '2.0', id, result: { n: bad.length + index } }]);
    expect(client.requests).toHaveLength(ids.length);
  });

  it('drops a request whose id takes a megabyte, and an infinite one', async () => {
    const client = caller();
    const { ask } = await open(
      `send({ id: 'x'.repeat(1024 * 1024), method: 'roots/list' });
       process.stdout.write('{"jsonrpc":"2.0","id":1e999,"method":"roots/list"}\\n');
       done({});`,
      client,
    );
    await ask('go');
    expect(await ask('ok')).toEqual(FINE);
    expect(client.requests).toEqual([]);
  });

  it('asks once where one id comes twice, and answers once', async () => {
    const pending: ((reply: BackendReply) => void)[] = [];
    const client = caller(() => new Promise((resolve) => pending.push(resolve)));
    const { ask, answers } = await open(
      `for (const n of [1, 2, 3]) send({ id: 'same', method: 'roots/list', params: { n } }); done({});`,
      client,
    );
    await ask('go');
    await ask('ok');
    expect(client.requests.map(({ params }) => params.n)).toEqual([1]);
    pending[0]?.({ ok: true, result: {} });
    await eventually(async () => (await answers()).get('same')?.length === 1);
    // Answered, the id is free again.
    await ask('go');
    await eventually(() => client.requests.length === 2);
  });

  it('takes no answer to what it never asked, and none twice', async () => {
    const { ask } = await open(
      `for (const wrong of [id + 1, id + 2, -1, 0, 'x', String(id), null, [id], {}]) send({ id: wrong, result: { wrong: true } });
       send({ id: id + 1, error: { code: 1, message: 'wrong' } });
       send({ result: {} });
       send({});
       done({ right: true });
       done({ twice: true });`,
      caller(),
    );
    expect(await ask('go')).toEqual({ ok: true, result: { right: true } });
    expect(await ask('ok')).toEqual(FINE);
  });

  it('cancels nothing that it did not ask', async () => {
    const client = caller(never);
    const { ask } = await open(
      `send({ id: 'mine', method: 'roots/list' });
       for (const requestId of [id, id + 1, 'x', null, {}, undefined]) send({ method: 'notifications/cancelled', params: { requestId } });
       send({ method: 'notifications/cancelled' });
       done({});`,
      client,
    );
    expect(await ask('go')).toEqual({ ok: true, result: {} });
    expect(await ask('ok')).toEqual(FINE);
    expect(client.requests[0]?.signal.aborted).toBe(false);
  });

  it('asks again under an id that was cancelled, and answers only the second', async () => {
    const pending: ((reply: BackendReply) => void)[] = [];
    const client = caller(() => new Promise((resolve) => pending.push(resolve)));
    const { ask, answers } = await open(
      `send({ id: 'q', method: 'roots/list', params: { n: 1 } });
       send({ method: 'notifications/cancelled', params: { requestId: 'q', reason: 'x'.repeat(100000) } });
       send({ id: 'q', method: 'roots/list', params: { n: 2 } });
       done({});`,
      client,
    );
    await ask('go');
    await eventually(() => pending.length === 2);
    expect(client.requests.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    pending[0]?.({ ok: true, result: { n: 1 } });
    pending[1]?.({ ok: true, result: { n: 2 } });
    await eventually(async () => (await answers()).size === 1);
    expect((await answers()).get('q')).toEqual([{ jsonrpc: '2.0', id: 'q', result: { n: 2 } }]);
  });
});

describe('when a server asks at the wrong time', () => {
  it('asks nobody before the handshake', async () => {
    const client = caller();
    const { answers } = await open(
      '',
      client,
      `send({ id: 'early', method: 'elicitation/create', params: {} }); send({ id: 'ping', method: 'ping' });`,
    );
    await eventually(async () => (await answers()).size === 2);
    expect((await answers()).get('early')).toMatchObject([{ error: { code: -32601 } }]);
    expect((await answers()).get('ping')).toMatchObject([{ result: {} }]);
    expect(client.requests).toEqual([]);
  });

  it('asks nobody after the session was released', async () => {
    const client = caller();
    const { ask } = await open(
      `process.stdin.on('end', () => { for (let n = 0; n < 100; n += 1) send({ id: n, method: 'roots/list' }); });
       process.on('SIGTERM', () => { send({ id: 'late', method: 'roots/list' }); process.exit(0); });
       done({});`,
      client,
    );
    await ask('go');
    await backends.release('key');
    expect(client.requests).toEqual([]);
  });

  it('takes a message with strange members for what it can be', async () => {
    const client = caller(({ params }) => ({ ok: true, result: params }));
    const { ask, answers } = await open(
      `send({ id: 1, method: 'roots/list', params: [1, 2] });
       send({ id: 2, method: 'roots/list', params: 'text', result: {}, error: {} });
       send({ id: 3, method: 'x'.repeat(1000), params: { a: 1 } });
       send({ id: 4, method: 7 });
       send({ id: 5, method: null, result: {} });
       done({});`,
      client,
    );
    await ask('go');
    await eventually(async () => (await answers()).size === 3);
    expect(client.requests.map(({ params }) => params)).toEqual([{}, {}, { a: 1 }]);
  });

  it('hears no progress under a token that is no number, or not of a request under way', async () => {
    const heard: JsonObject[] = [];
    const { session } = await open(
      `const progressToken = params._meta.progressToken;
       for (const wrong of [String(progressToken), progressToken + 1, null, {}, [progressToken], undefined])
         send({ method: 'notifications/progress', params: { progressToken: wrong, progress: 1 } });
       send({ method: 'notifications/progress', params: { progressToken, progress: 2, 'x-kept': [1] } });
       done({});
       send({ method: 'notifications/progress', params: { progressToken, progress: 3 } });`,
      caller(),
    );
    await session.request('go', {}, { timeoutMs, onProgress: (params) => heard.push(params) });
    expect(await session.request('ok', {}, { timeoutMs })).toEqual(FINE);
    expect(heard.map(({ progressToken: _, ...rest }) => rest)).toEqual([{ progress: 2, 'x-kept': [1] }]);
  });

  it('is not harmed by a caller whose own listener fails', async () => {
    const client: Caller = {
      ...caller(),
      onNotification: () => {
        throw new Error('mine');
      },
    };
    const { ask } = await open(`send({ method: 'notifications/message', params: {} }); done({});`, client);
    expect(await ask('go')).toEqual({ ok: true, result: {} });
    expect(await ask('ok')).toEqual(FINE);
  });
});

describe('when a server answers with tasks without measure', () => {
  it('remembers as many as it may, and still hears of the newest', async () => {
    const heard: number[] = [];
    const { session } = await open(
      `const token = params._meta.progressToken;
       done({ task: { taskId: 't-' + id, status: 'working', ttl: null } });
       send({ method: 'notifications/progress', params: { progressToken: token, progress: id } });
       globalThis.second = globalThis.first === undefined ? undefined : (globalThis.second ?? token);
       globalThis.first ??= token;
       if (second !== undefined && token > second + 1)
         send({ method: 'notifications/progress', params: { progressToken: second, progress: id } });`,
      caller(),
    );
    for (let n = 0; n < 300; n += 1)
      await session.request(
        'go',
        { task: {} },
        { timeoutMs, onProgress: ({ progress }) => heard.push(Number(progress)) },
      );
    await session.request('ok', {}, { timeoutMs });
    // Each hears of itself, and the second task hears of later ones until 256 came after it.
    expect(heard.length).toBeGreaterThan(300 + 200);
    expect(heard.length).toBeLessThan(300 + 260);
  });

  it.each([
    ['its end was told', `send({ method: 'notifications/tasks/status', params: { taskId: 't', status: 'failed' } });`],
    ['its time is over', ''],
  ])('forgets one when %s', async (_, told) => {
    const heard: unknown[] = [];
    const { session, ask } = await open(
      `const token = params._meta?.progressToken;
       if (token) { globalThis.token = token; done({ task: { taskId: 't', status: 'working', ttl: 50 } }); ${told} }
       else { send({ method: 'notifications/progress', params: { progressToken: globalThis.token, progress: 1 } }); done({}); }`,
      caller(),
    );
    await session.request('go', { task: {} }, { timeoutMs, onProgress: (params) => heard.push(params) });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await ask('go');
    expect(await ask('ok')).toEqual(FINE);
    expect(heard).toEqual([]);
  });
});
