import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../main/policy/json.ts';
import {
  type Asked,
  type Bridged,
  type BridgedOptions,
  type Endpoint,
  json,
  openBridge,
  openEndpoint,
  type Script,
  stream,
  until,
} from './stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(script: Script, options?: BridgedOptions): Promise<{ endpoint: Endpoint; app: Bridged }> {
  const endpoint = await openEndpoint(script);
  const app = openBridge(endpoint.url, options);
  closing.push(endpoint.close, () => {
    app.stop.abort();
    return app.code;
  });
  return { endpoint, app };
}

const _meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const ask = (id: number | string, method: string, params: JsonObject = {}) => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { ...params, _meta },
});
const reply = (response: Parameters<Script>[1], { json: { id } }: Asked, result: JsonObject = {}) =>
  json(response, { jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } });

describe('when an app on stdio makes a request of 2026-07-28', () => {
  it.each([
    ['tools/call', { name: 'read', arguments: {} }, 'read'],
    ['prompts/get', { name: 'häuser' }, '=?base64?aMOkdXNlcg==?='],
    ['resources/read', { uri: 'file:///a b' }, 'file:///a b'],
    ['resources/read', { uri: ' x' }, '=?base64?IHg=?='],
    ['tasks/get', { taskId: '=?base64?eA==?=' }, '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
    ['tools/list', { name: 'x' }, undefined],
  ])('gives %s the headers HTTP wants, and sends the body as it came', async (method, params, name) => {
    const { app, endpoint } = await open((asked, response) => reply(response, asked));
    app.send(ask(1, method, params));
    await app.answer(1);
    const [asked] = endpoint.asked;
    expect(asked?.headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'content-type': 'application/json',
      authorization: 'Bearer gth_test',
    });
    expect(asked?.headers['mcp-name']).toBe(name);
    expect(asked?.headers['mcp-session-id']).toBeUndefined();
    expect(asked?.text).toBe(JSON.stringify(ask(1, method, params)));
  });

  const tool = {
    name: 'query',
    inputSchema: {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        where: { type: 'object', properties: { limit: { type: 'integer', 'x-mcp-header': 'Limit' } } },
        plain: { type: 'string' },
      },
    },
  };
  const call = ask(9, 'tools/call', {
    name: 'query',
    arguments: { region: 'Zürich', where: { limit: 7 }, plain: 'x' },
  });
  const wants: Script = (asked, response) => {
    if (asked.json.method === 'tools/list') {
      const { cursor } = asked.json.params as JsonObject;
      return reply(response, asked, cursor === 'two' ? { tools: [tool] } : { tools: [], nextCursor: 'two' });
    }
    if (asked.headers['mcp-param-limit'] === '7') return reply(response, asked, { ok: true });
    const error = { code: -32020, message: 'Header mismatch: Mcp-Param-Limit is absent' };
    return json(response, { jsonrpc: '2.0', id: asked.json.id, error }, 400);
  };

  it('repeats arguments in headers as the definition asks, once it has seen it pass', async () => {
    const { app, endpoint } = await open(wants);
    app.send(ask(1, 'tools/list', { cursor: 'two' }));
    await app.answer(1);
    app.send(call);
    expect((await app.answer(9)).result).toMatchObject({ ok: true });
    expect(endpoint.asked).toHaveLength(2);
    expect(endpoint.asked[1]?.headers).toMatchObject({
      'mcp-param-region': '=?base64?WsO8cmljaA==?=',
      'mcp-param-limit': '7',
    });
    expect(endpoint.asked[1]?.headers['mcp-param-plain']).toBeUndefined();
  });

  it('looks at the definitions itself where it has not, and asks again once', async () => {
    const { app, endpoint } = await open(wants);
    app.send(call);
    expect((await app.answer(9)).result).toMatchObject({ ok: true });
    expect(endpoint.asked.map(({ json: { method } }) => method)).toEqual([
      'tools/call',
      'tools/list',
      'tools/list',
      'tools/call',
    ]);
    expect(app.messages()).toHaveLength(1);
  });

  it('hands on the error where that does not help', async () => {
    const { app, endpoint } = await open((asked, response) => {
      if (asked.json.method === 'tools/list') return reply(response, asked, { tools: [] });
      return wants(asked, response);
    });
    app.send(call);
    expect((await app.answer(9)).error).toMatchObject({ code: -32020 });
    expect(endpoint.asked).toHaveLength(3);
  });

  it('closes the stream of a request the app took back, and sends nothing else', async () => {
    let closed = false;
    const { app, endpoint } = await open((_asked, response) => {
      stream(response);
      response.on('close', () => {
        closed = true;
      });
    });
    app.send(ask(1, 'tools/call', { name: 'slow' }));
    await until('it runs', () => endpoint.asked.length === 1);
    app.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta } });
    await until('its stream is closed', () => closed);
    app.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await sleep(50);
    expect(endpoint.asked).toHaveLength(1);
    expect(app.messages()).toEqual([]);
  });

  it('never repeats the answer to a question of a server', async () => {
    const { app, endpoint } = await open((_asked, response) => void response.destroy());
    app.send(ask(1, 'resources/read', { uri: 'a:b', requestState: 's', inputResponses: {} }));
    expect((await app.answer(1)).error).toMatchObject({ message: expect.stringContaining('its answer is lost') });
    expect(endpoint.asked).toHaveLength(1);
    app.send(ask(2, 'resources/read', { uri: 'a:b' }));
    await app.answer(2);
    expect(endpoint.asked.length).toBeGreaterThan(3);
  });
});

describe('when an app listens', () => {
  const subscriptionId = 'io.modelcontextprotocol/subscriptionId';
  const filter = { toolsListChanged: true, resourceSubscriptions: ['a:1'] };
  const listen = ask('ear', 'subscriptions/listen', { notifications: { ...filter, promptsListChanged: true } });
  const stamp = (method: string, params: JsonObject = {}) => ({
    jsonrpc: '2.0',
    method,
    params: { ...params, _meta: { [subscriptionId]: 'ear' } },
  });
  const end = { jsonrpc: '2.0', id: 'ear', result: { resultType: 'complete', _meta: { [subscriptionId]: 'ear' } } };
  const methods = (app: Bridged) => app.messages().map(({ method, id }) => method ?? id);

  it('listens on after a restart, and tells the app once that everything it listens for may have changed', async () => {
    const streams: ReturnType<typeof stream>[] = [];
    const { app, endpoint } = await open((_asked, response) => {
      const out = stream(response);
      out.send(stamp('notifications/subscriptions/acknowledged', { notifications: filter }));
      streams.push(out);
    });
    app.send(listen);
    await app.heard(({ method }) => method === 'notifications/subscriptions/acknowledged');
    streams[0]?.send(stamp('notifications/tools/list_changed'));
    await until('the news', () => methods(app).length === 2);
    // In order, as a Gatehouse that closes does it, then nobody for a moment.
    streams[0]?.send(end);
    streams[0]?.end();
    await endpoint.kill();
    await sleep(100);
    await endpoint.revive();
    await until('it listens again', () => streams.length > 1);
    await until('the app hears of it', () => methods(app).length === 4);
    streams.at(-1)?.send(stamp('notifications/tools/list_changed'));
    await until('and goes on', () => methods(app).length === 5);
    expect(methods(app)).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/tools/list_changed',
      'notifications/tools/list_changed',
      'notifications/resources/updated',
      'notifications/tools/list_changed',
    ]);
    expect(app.messages()[3]).toEqual(stamp('notifications/resources/updated', { uri: 'a:1' }));
  });

  it('tells the app the end, as stdio does, when it may not listen any more', async () => {
    let refuse = false;
    const { app } = await open((_asked, response) => {
      if (refuse) return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'No.' } }, 401);
      refuse = true;
      const out = stream(response);
      out.send(stamp('notifications/subscriptions/acknowledged', { notifications: filter }));
      out.send(end);
      out.end();
    });
    app.send(listen);
    expect(await app.answer('ear')).toEqual(end);
    expect(app.messages()[1]).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'ear' },
    });
    expect(app.messages()).toHaveLength(3);
  });

  it('ends with what nobody would be told of, or what is refused at once', async () => {
    const { app } = await open(({ json: { id } }, response) => {
      if (id === 'no') return json(response, { jsonrpc: '2.0', id, error: { code: -32602, message: 'Bad filter.' } });
      const out = stream(response);
      out.send({ ...stamp('notifications/subscriptions/acknowledged', { notifications: {} }) });
      out.send(end);
      out.end();
    });
    app.send(listen);
    expect(await app.answer('ear')).toEqual(end);
    expect(methods(app)).toEqual(['notifications/subscriptions/acknowledged', 'ear']);
    app.send(ask('no', 'subscriptions/listen', { notifications: {} }));
    expect((await app.answer('no')).error).toMatchObject({ message: 'Bad filter.' });
  });

  it('does not go round in a circle with one who ends each subscription at once', async () => {
    const { app, endpoint } = await open((_asked, response) => {
      const out = stream(response);
      out.send(stamp('notifications/subscriptions/acknowledged', { notifications: filter }));
      out.send(end);
      out.end();
    });
    app.send(listen);
    expect(await app.answer('ear')).toEqual(end);
    expect(endpoint.asked.length).toBeLessThan(10);
  });

  it('stops listening when the app says so, or goes', async () => {
    let open_ = 0;
    const { app } = await open((_asked, response) => {
      open_++;
      response.on('close', () => open_--);
      stream(response).send(stamp('notifications/subscriptions/acknowledged', { notifications: filter }));
    });
    app.send(listen, ask('other', 'subscriptions/listen', { notifications: filter }));
    await until('both listen', () => open_ === 2);
    app.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'ear' } });
    await until('one is left', () => open_ === 1);
    const began = Date.now();
    app.stdin.end();
    expect(await app.code).toBe(0);
    expect(Date.now() - began).toBeLessThan(2_000);
    await until('none is left', () => open_ === 0);
  });
});
