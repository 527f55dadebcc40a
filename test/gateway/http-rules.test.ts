import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, modern, modernMessage, openSession } from './support/bare-app.ts';
import { openScripted, type Script, type Scripted } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const text = (value: string): JsonObject => ({ content: [{ type: 'text', text: value }] });
const tools = { hello: () => text('hi'), 'tools/list': () => ({ tools: [] }) };
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'hello' } };
const version = '2026-07-28';

describe('when an app says what it can read', () => {
  it('is answered in a form it accepts, or not at all', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    const { body, headers } = modernMessage('tools/call', { name: 'hello' });
    const wanted: readonly (readonly [string, number, string])[] = [
      ['application/json, text/event-stream', 200, 'application/json'],
      ['text/event-stream, application/json;q=0.1', 200, 'application/json'],
      ['*/*', 200, 'application/json'],
      ['application/*', 200, 'application/json'],
      ['application/json', 200, 'application/json'],
      ['text/event-stream', 200, 'text/event-stream'],
      ['text/html', 406, 'application/json'],
    ];
    for (const [accept, status, type] of wanted) {
      const legacy = await app.post(call, { accept });
      const now = await new BareApp(house).post(body, { ...headers, accept });
      for (const answer of [legacy, now]) {
        expect([accept, answer.status, answer.headers.get('content-type')]).toEqual([accept, status, type]);
      }
      if (status === 200) expect(legacy.json).toMatchObject({ id: 1, result: text('hi') });
    }
    const ping = await app.post({ jsonrpc: '2.0', id: 4, method: 'ping' }, { accept: 'text/event-stream' });
    expect([ping.headers.get('content-type'), ping.json]).toEqual([
      'text/event-stream',
      { jsonrpc: '2.0', id: 4, result: {} },
    ]);
    expect((await app.fetch('GET', undefined, { accept: 'application/json' })).response.status).toBe(406);
  });

  it('is sent no progress where it reads no stream', async () => {
    const says: Script = (conversation) => {
      conversation.notify('notifications/progress', { progress: 1 });
      return text('done');
    };
    house = await openScripted({ tools: { says } });
    const app = await openSession(house);
    const body = { ...call, params: { name: 'says' } };
    const answer = await app.post(body, { accept: 'application/json' });
    expect([answer.headers.get('content-type'), answer.json.result]).toEqual(['application/json', text('done')]);
  });
});

describe('when an app uses a method of HTTP', () => {
  it('is told which there are', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    for (const method of ['PUT', 'PATCH', 'OPTIONS']) {
      const { response } = await app.fetch(method, undefined);
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'POST, GET, DELETE']);
    }
    const bare = new BareApp(house, { 'mcp-protocol-version': version });
    for (const method of ['GET', 'DELETE']) {
      const { response } = await bare.fetch(method, undefined);
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'POST']);
    }
  });
});

describe('when a session is named', () => {
  it('is 400 without one, 404 with one there is not, 400 with a revision there is not', async () => {
    house = await openScripted({ tools });
    const status = async (headers: Record<string, string>) => (await new BareApp(house, headers).post(call)).status;
    expect(await status({})).toBe(400);
    expect(await status({ 'mcp-session-id': '' })).toBe(404);
    expect(await status({ 'mcp-session-id': 'x'.repeat(9_000) })).toBe(404);
    const app = await openSession(house);
    expect((await app.post(call, { 'mcp-protocol-version': '2024-01-01' })).status).toBe(400);
    expect((await app.post(call, { 'mcp-protocol-version': '2025-03-26' })).status).toBe(200);
    expect((await app.fetch('DELETE', undefined)).response.status).toBe(204);
    for (const method of ['GET', 'DELETE']) expect((await app.fetch(method, undefined)).response.status).toBe(404);
    expect((await app.post(call)).status).toBe(404);
  });

  it('means nothing in the revision without sessions', async () => {
    house = await openScripted({ tools });
    const headers = { 'mcp-session-id': 'whatever', 'last-event-id': 'x.1' };
    const answer = await modern(house, 'tools/call', { name: 'hello' }, { headers });
    expect(answer.json.result).toMatchObject(text('hi'));
    expect(answer.headers.get('mcp-session-id')).toBeNull();
  });
});

describe('when an app introduces itself', () => {
  it('is answered what its endpoint can do', async () => {
    house = await openScripted({ tools, capabilities: { tools: {}, completions: {} } });
    const params = { protocolVersion: '2025-11-25', capabilities: { x: { y: 1 } }, clientInfo: { name: 'a' } };
    const { json } = await new BareApp(house).request('initialize', params);
    expect(json.result).toMatchObject({ capabilities: { tools: {}, completions: {} } });
    const discover = await modern(house, 'server/discover');
    expect(discover.json.result).toMatchObject({ capabilities: { tools: {}, completions: {} }, ttlMs: 0 });
  });

  it('keeps what it said for its requests, raw', async () => {
    house = await openScripted({ tools });
    const capabilities = { elicitation: { form: { deep: [1] } }, experimental: { x: { y: 1 } }, __proto__x: 1 };
    const app = await openSession(house, capabilities);
    await app.post(call);
    await modern(house, 'tools/call', { name: 'hello' }, { capabilities });
    expect(house.conversations.map((each) => each.capabilities)).toEqual([capabilities, capabilities]);
  });

  it('refuses what is no introduction, or too long to keep', async () => {
    house = await openScripted({ tools });
    const good = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} };
    for (const wrong of [
      { ...good, protocolVersion: 5 },
      { ...good, capabilities: 'all' },
      { ...good, capabilities: [] },
      { ...good, clientInfo: 'me' },
      { ...good, clientInfo: { name: 'x'.repeat(70_000) } },
    ]) {
      const { status, headers, json } = await new BareApp(house).request('initialize', wrong);
      expect([status, headers.get('mcp-session-id'), json.error]).toMatchObject([200, null, { code: -32602 }]);
    }
  });
});

describe('when an id is not one', () => {
  it('refuses it in words, in either era, and runs nothing', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    const { headers } = modernMessage('tools/call', { name: 'hello' });
    for (const id of [
      'null',
      'true',
      '1.5',
      '[]',
      '{}',
      '1e300',
      '9007199254740993',
      JSON.stringify('x'.repeat(257)),
    ]) {
      const legacy = await app.post(JSON.stringify(call).replace('"id":1', `"id":${id}`));
      const { body } = modernMessage('tools/call', { name: 'hello' });
      const now = await new BareApp(house).post(JSON.stringify(body).replace('"id":1', `"id":${id}`), headers);
      for (const answer of [legacy, now]) {
        expect([id, answer.status, answer.json]).toMatchObject([
          id,
          400,
          { id: null, error: { code: -32600, message: expect.stringContaining('"id" must be') } },
        ]);
      }
    }
    expect(house.conversations).toHaveLength(0);
  });

  it('repeats a good one exactly', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    for (const id of [0, -1, 9007199254740991, '', '0', '💥', 'x'.repeat(256)]) {
      expect((await app.post({ ...call, id })).json).toMatchObject({ id });
      expect((await modern(house, 'tools/call', { name: 'hello' }, { id })).json).toMatchObject({ id });
    }
  });

  it('is refused while it is taken in its session, and free in any other', async () => {
    let free: () => void = () => {};
    const waits = new Promise<void>((resolve) => {
      free = resolve;
    });
    const held = async () => {
      await waits;
      return { tools: [] };
    };
    house = await openScripted({ tools: { ...tools, 'tools/list': held } });
    const [one, two] = [await openSession(house), await openSession(house)];
    const first = one.request('tools/list', {}, 'same');
    const elsewhere = two.request('tools/list', {}, 'same');
    const now = [modern(house, 'tools/list', {}, { id: 'same' }), modern(house, 'tools/list', {}, { id: 'same' })];
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const method of ['tools/list', 'tools/call']) {
      const again = await one.request(method, { name: 'hello' }, 'same');
      expect(again.json).toMatchObject({ id: 'same', error: { code: -32600 } });
    }
    expect((await one.request('ping', {}, 'same')).json.result).toEqual({});
    free();
    for (const each of [first, elsewhere, ...now]) expect((await each).json.result).toMatchObject({ tools: [] });
    expect((await one.request('tools/list', {}, 'same')).json.result).toEqual({ tools: [] });
  });
});

describe('when a method is not there', () => {
  it('is 404 and -32601 for a modern app, -32601 for a legacy one', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    const removed = ['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'];
    for (const method of [...removed, 'unknown/method', 'toString', '']) {
      const answer = await modern(house, method);
      expect([method, answer.status, answer.json]).toMatchObject([method, 404, { id: 1, error: { code: -32601 } }]);
    }
    for (const method of ['server/discover', 'subscriptions/listen', 'unknown/method', '__proto__']) {
      const answer = await app.request(method);
      expect([method, answer.status, answer.json]).toMatchObject([method, 200, { id: 1, error: { code: -32601 } }]);
    }
  });

  it('takes notifications nobody knows for nothing, and no responses from modern apps', async () => {
    house = await openScripted({ tools });
    const app = await openSession(house);
    expect((await app.notify('notifications/whatever')).status).toBe(202);
    const bare = new BareApp(house, { 'mcp-protocol-version': version });
    expect((await bare.notify('notifications/whatever')).status).toBe(202);
    expect((await bare.respond(1, {})).status).toBe(400);
  });
});

describe('when a modern request does not say who asks', () => {
  it('is 400 and -32602, under its own id', async () => {
    house = await openScripted({ tools });
    const { headers } = modernMessage('server/discover', {});
    const key = (name: string) => `io.modelcontextprotocol/${name}`;
    for (const meta of [undefined, {}, { [key('clientCapabilities')]: {} }, { [key('protocolVersion')]: version }]) {
      const params = meta === undefined ? {} : { _meta: meta };
      const answer = await new BareApp(house).post(
        { jsonrpc: '2.0', id: 101, method: 'server/discover', params },
        headers,
      );
      expect([meta, answer.status, answer.json]).toMatchObject([meta, 400, { id: 101, error: { code: -32602 } }]);
    }
    expect((await modern(house, 'server/discover')).status).toBe(200);
  });

  it('is 400, -32022 and the versions there are for one there is not', async () => {
    house = await openScripted({ tools });
    const meta = { 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' };
    const answer = await modern(
      house,
      'server/discover',
      {},
      { meta, headers: { 'mcp-protocol-version': 'v999.0.0' } },
    );
    expect([answer.status, answer.json.error]).toMatchObject([
      400,
      { code: -32022, data: { supported: [version], requested: 'v999.0.0' } },
    ]);
    const disagree = await modern(house, 'server/discover', {}, { meta });
    expect([disagree.status, disagree.json.error]).toMatchObject([400, { code: -32020 }]);
  });
});

describe('when messages come in a batch', () => {
  const batched = { version: '2025-03-26' };

  it('streams what goes out before the answers, and then each answer', async () => {
    const says: Script = (conversation, params) => {
      conversation.notify('notifications/progress', { progress: 1 });
      return text(String(params.word));
    };
    house = await openScripted({ tools: { says } });
    const app = await openSession(house, {}, batched);
    const word = (id: number) => ({ ...call, id, params: { name: 'says', word: `w${id}` } });
    const stream = await app.fetch('POST', [word(1), word(2), { jsonrpc: '2.0', id: 3, method: 'ping' }]);
    await stream.ended();
    const answers = stream.messages.filter(({ method }) => method === undefined);
    expect(answers).toEqual([
      { jsonrpc: '2.0', id: 1, result: text('w1') },
      { jsonrpc: '2.0', id: 2, result: text('w2') },
      { jsonrpc: '2.0', id: 3, result: {} },
    ]);
    expect(stream.messages).toHaveLength(5);
  });

  it('is 202 without a request in it, and asks on its stream', async () => {
    const asks: Script = async (conversation) =>
      text(JSON.stringify(await conversation.ask('roots/list', {}, new AbortController().signal)));
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { roots: {} }, batched);
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } };
    expect((await app.post([cancelled, { jsonrpc: '2.0', id: 5, result: {} }])).status).toBe(202);
    const stream = await app.fetch('POST', [{ ...call, params: { name: 'asks' } }]);
    const { id } = (await stream.message('roots/list')).json;
    expect((await app.post([{ jsonrpc: '2.0', id, result: { roots: [] } }])).status).toBe(202);
    expect(JSON.stringify((await stream.answer(1)).json)).toContain('roots');
  });
});
