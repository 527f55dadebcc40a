import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../main/policy/json.ts';
import {
  type Bridged,
  type BridgedOptions,
  type Endpoint,
  initialize,
  initialized,
  json,
  openBridge,
  openEndpoint,
  type Script,
  sessions,
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

/** A request that is written in the very moment may have arrived; what is sent a little later certainly has not. */
async function kill(endpoint: Endpoint): Promise<void> {
  await endpoint.kill();
  await sleep(50);
}

async function connect(app: Bridged): Promise<void> {
  app.send(initialize());
  await app.answer('init');
  app.send(initialized);
}

const call = (id: number, name = 'write') => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });
const result = (id: unknown, more: JsonObject = {}) => ({ jsonrpc: '2.0', id, result: { content: [], ...more } });
const progress = (step: number) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: 1, progress: step },
});
const words = ({ error }: JsonObject) => (error as { message: string }).message;

describe('when the stream of one answer ends before the answer', () => {
  it('takes it up after the last event it had, as often as it takes, and hands nothing out twice', async () => {
    const resumed: unknown[] = [];
    const { app } = await open(
      sessions(({ method, headers }, response) => {
        const out = stream(response);
        if (method === 'POST') {
          out.send(progress(1), 'e1');
          setTimeout(out.break, 30);
          return;
        }
        resumed.push(headers['last-event-id']);
        if (resumed.length === 1) {
          out.send(progress(2), 'e2');
          setTimeout(out.end, 30);
        } else {
          out.send(result(1, { done: true }), 'e3');
          out.end();
        }
      }),
    );
    await connect(app);
    app.send(call(1));
    expect(await app.answer(1)).toEqual(result(1, { done: true }));
    expect(resumed).toEqual(['e1', 'e2']);
    const steps = app.messages().filter(({ method }) => method === 'notifications/progress');
    expect(steps.map(({ params }) => (params as JsonObject).progress)).toEqual([1, 2]);
  });

  it('waits as long as it was asked to, and takes up what began with an id alone', async () => {
    let closedAt = 0;
    let waited = 0;
    const { app } = await open(
      sessions(({ method, headers }, response) => {
        if (method === 'POST') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end('retry: 300\nid: start\ndata:\n\n');
          closedAt = Date.now();
          return;
        }
        expect(headers['last-event-id']).toBe('start');
        waited = Date.now() - closedAt;
        const out = stream(response);
        out.send(result(1));
        out.end();
      }),
    );
    await connect(app);
    app.send(call(1));
    await app.answer(1);
    expect(waited).toBeGreaterThanOrEqual(295);
  });

  it('says that the answer is lost where nothing can be taken up, and never sends a call twice', async () => {
    const { app, endpoint } = await open(
      sessions((_asked, response) => {
        const out = stream(response);
        setTimeout(out.break, 20);
      }),
    );
    await connect(app);
    app.send(call(1));
    expect(words(await app.answer(1))).toContain('It may have been done: check before you try again.');
    expect(endpoint.asked.filter(({ json: { method } }) => method === 'tools/call')).toHaveLength(1);
  });

  it('asks once more what does no harm to ask twice', async () => {
    let tries = 0;
    const { app } = await open(
      sessions(({ json: { id } }, response) => {
        tries++;
        if (tries < 3) response.destroy();
        else json(response, { jsonrpc: '2.0', id, result: { tools: [] } });
      }),
    );
    await connect(app);
    app.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect((await app.answer(1)).result).toEqual({ tools: [] });
    expect(tries).toBe(3);
  });

  it('says nothing more of a request the app took back', async () => {
    const { app, endpoint } = await open(
      sessions((_asked, response) => {
        const out = stream(response);
        setTimeout(() => out.send(result(1)), 100);
        setTimeout(out.end, 150);
      }),
    );
    await connect(app);
    app.send(call(1));
    await until('the call arrives', () => endpoint.asked.some(({ json: { id } }) => id === 1));
    app.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await until('the cancellation arrives', () =>
      endpoint.asked.some(({ json: { method } }) => method === 'notifications/cancelled'),
    );
    await sleep(250);
    expect(app.messages().filter(({ id }) => id === 1)).toEqual([]);
    // The id is free again.
    app.send(call(1));
    await app.answer(1);
  });
});

describe('when Gatehouse no longer knows the session', () => {
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: false },
    resources: { listChanged: true, subscribe: true },
  };
  const answering: Script = ({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} });

  it('opens it again as the app did, sets in it what the app had set, and repeats the request there', async () => {
    const script = sessions(answering, capabilities);
    const { app, endpoint } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    app.send(
      { jsonrpc: '2.0', id: 1, method: 'logging/setLevel', params: { level: 'error' } },
      { jsonrpc: '2.0', id: 2, method: 'logging/setLevel', params: { level: 'debug' } },
      { jsonrpc: '2.0', id: 3, method: 'resources/subscribe', params: { uri: 'a:1' } },
      { jsonrpc: '2.0', id: 4, method: 'resources/subscribe', params: { uri: 'a:2' } },
      { jsonrpc: '2.0', id: 5, method: 'resources/unsubscribe', params: { uri: 'a:1' } },
    );
    await app.answer(5);
    const before = endpoint.asked.length;
    script.known.clear();
    app.send(call(6));
    expect((await app.answer(6)).result).toEqual({});
    await until('the standing stream again', () => script.standing.length === 2);
    const since = endpoint.asked.slice(before);
    expect(since[0]?.headers['mcp-session-id']).toBe('session-1');
    expect(since[1]?.text).toBe(JSON.stringify(initialize()));
    expect(since[1]?.headers['mcp-session-id']).toBeUndefined();
    const there = since.slice(2).filter(({ method }) => method === 'POST');
    for (const { headers } of there) {
      expect(headers).toMatchObject({ 'mcp-session-id': 'session-2', 'mcp-protocol-version': '2025-11-25' });
    }
    expect(there.map(({ json: { method, params } }) => [method, params])).toEqual([
      ['notifications/initialized', undefined],
      ['logging/setLevel', { level: 'debug' }],
      ['resources/subscribe', { uri: 'a:2' }],
      ['tools/call', { name: 'write' }],
    ]);
    expect(
      app
        .messages()
        .filter(({ method }) => method !== undefined)
        .map(({ method, params }) => [method, params]),
    ).toEqual([
      ['notifications/tools/list_changed', undefined],
      ['notifications/resources/list_changed', undefined],
      ['notifications/resources/updated', { uri: 'a:2' }],
    ]);
    expect(app.messages().filter(({ id }) => id === 'init')).toHaveLength(1);
  });

  it('opens it again at once when the standing stream tells it, not only with the next request', async () => {
    const script = sessions(answering, capabilities);
    const { app } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    script.known.clear();
    script.standing[0]?.destroy();
    await app.heard(({ method }) => method === 'notifications/tools/list_changed');
    await until('the standing stream again', () => script.standing.length === 2);
  });

  it('opens one session again for many requests that found the old one gone', async () => {
    const script = sessions(answering, capabilities);
    const { app, endpoint } = await open(script);
    await connect(app);
    script.known.clear();
    app.send(...Array.from({ length: 20 }, (_, at) => call(at)));
    for (let id = 0; id < 20; id++) expect((await app.answer(id)).result).toEqual({});
    expect(endpoint.asked.filter(({ json: { method } }) => method === 'initialize')).toHaveLength(2);
  });

  it('hands on why it may not be opened again', async () => {
    let refuse = false;
    const known = sessions(answering);
    const { app } = await open((asked, response) => {
      if (refuse && asked.json.method === 'initialize')
        return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Not any more.' } }, 403);
      return known(asked, response);
    });
    await connect(app);
    known.known.clear();
    refuse = true;
    app.send(call(1));
    expect(words(await app.answer(1))).toBe('Not any more.');
  });

  it('never takes the answer to a question from before for the answer to one from after', async () => {
    const script = sessions(answering);
    const { app, endpoint } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    const ask = (at: number, message: string) =>
      script.standing[at]?.write(
        `data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message } })}\n\n`,
      );
    ask(0, 'before');
    await app.heard(({ method }) => method === 'elicitation/create');
    script.known.clear();
    script.standing[0]?.destroy();
    const over = await app.heard(({ method }) => method === 'notifications/cancelled');
    expect(over.params).toMatchObject({ requestId: 1 });
    await until('the standing stream again', () => script.standing.length === 2);
    ask(1, 'after');
    const after = await app.heard(({ params }) => (params as JsonObject | undefined)?.message === 'after');
    expect(after.id).not.toBe(1);
    app.send({ jsonrpc: '2.0', id: 1, result: { action: 'accept', content: { for: 'before' } } });
    app.send({ jsonrpc: '2.0', id: after.id, result: { action: 'accept', content: { for: 'after' } } });
    const answers = () => endpoint.asked.filter(({ json: body }) => body.method === undefined && 'result' in body);
    await until('one answer arrives', () => answers().length > 0);
    await sleep(100);
    expect(answers().map(({ json: body }) => body)).toEqual([
      { jsonrpc: '2.0', id: 1, result: { action: 'accept', content: { for: 'after' } } },
    ]);
  });

  it('passes on that a server took its question back, under the id the app knows', async () => {
    const script = sessions(answering);
    const { app } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    const say = (message: unknown) => script.standing[0]?.write(`data: ${JSON.stringify(message)}\n\n`);
    say({ jsonrpc: '2.0', id: 'q', method: 'roots/list' });
    say({ jsonrpc: '2.0', id: 'q', method: 'roots/list', params: { again: true } });
    const again = await app.heard(({ params }) => (params as JsonObject | undefined)?.again === true);
    say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q', reason: 'x', more: 1 } });
    const first = await app.heard(({ method }) => method === 'notifications/cancelled');
    expect(first.params).toEqual({ requestId: 'q', reason: 'x', more: 1 });
    say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q' } });
    await app.heard(({ params }) => (params as JsonObject | undefined)?.requestId === again.id);
  });
});

describe('when Gatehouse is away', () => {
  it('keeps what the app sends, and sends it in its order once Gatehouse is back', async () => {
    const script = sessions(({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} }));
    const { app, endpoint } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    await kill(endpoint);
    script.known.clear();
    const before = endpoint.asked.length;
    app.send(call(1, 'first'), { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }, call(2, 'second'));
    await sleep(200);
    await endpoint.revive();
    await app.answer(2);
    const order = endpoint.asked
      .slice(before)
      .filter(({ headers }) => headers['mcp-session-id'] === 'session-2')
      .map(({ json: { method, params } }) => (params as JsonObject | undefined)?.name ?? method);
    expect(order.filter((each) => each !== undefined)).toEqual([
      'notifications/initialized',
      'first',
      'notifications/roots/list_changed',
      'second',
    ]);
  });

  it('sends a call that found nobody there once somebody is, and only then', async () => {
    const script = sessions(({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} }));
    const endpoint = await openEndpoint(script);
    await endpoint.kill();
    const app = openBridge(endpoint.url);
    closing.push(endpoint.close, () => {
      app.stop.abort();
      return app.code;
    });
    app.send(call(1));
    await sleep(200);
    expect(app.messages()).toEqual([]);
    await endpoint.revive();
    expect((await app.answer(1)).result).toEqual({});
    expect(endpoint.asked).toHaveLength(1);
  });

  it('says that nothing was done of a message that was not read to its end', async () => {
    const { app, endpoint } = await open((_asked, response) => void response.end());
    await endpoint.kill();
    // Reads the beginning, and hangs up.
    const server = createServer((socket) => {
      socket.once('data', () => socket.destroy());
      socket.on('error', () => undefined);
    });
    await new Promise<void>((ready) => server.listen(endpoint.port, '127.0.0.1', ready));
    closing.push(() => new Promise((done) => server.close(done)));
    const params = { name: 'write', arguments: { text: 'x'.repeat(20 << 20) } };
    app.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    expect(words(await app.answer(1))).toMatch(/before it had this message of 2\d{7} bytes, and nothing was done/);
  });

  it('lets the app take back what was not sent yet', async () => {
    const script = sessions(({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} }));
    const { app, endpoint } = await open(script);
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    await kill(endpoint);
    const takeBack = (requestId: number) => ({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId },
    });
    app.send(call(1), call(2), takeBack(2), takeBack(1), call(3));
    await sleep(100);
    await endpoint.revive();
    await app.answer(3);
    expect(app.messages().some(({ id }) => id === 1 || id === 2)).toBe(false);
    const names = endpoint.asked
      .filter(({ json: { method } }) => method === 'tools/call')
      .map(({ json: { id } }) => id);
    expect(names.filter((id) => id !== 3)).toEqual([]);
  });

  it('gives up a request after a while, in words, and works again later', async () => {
    const script = sessions(({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} }));
    const { app, endpoint } = await open(script, { waitMs: 400 });
    await connect(app);
    await until('the standing stream', () => script.standing.length === 1);
    await kill(endpoint);
    app.send(call(1));
    expect(words(await app.answer(1))).toBe(
      'Gatehouse is not running and did not answer within 0 seconds. Start Gatehouse, then try again.',
    );
    await endpoint.revive();
    app.send(call(2));
    expect((await app.answer(2)).result).toEqual({});
  });

  it('ends with a sentence when it never was there, after answering what was asked', async () => {
    const endpoint = await openEndpoint(() => undefined);
    await endpoint.close();
    const app = openBridge(endpoint.url, { waitMs: 300 });
    app.send(initialize(), { jsonrpc: '2.0', id: 2, method: 'tools/list' });
    expect(await app.code).toBe(1);
    expect(words(await app.answer('init'))).toContain('Gatehouse is not running');
    expect(app.said.at(-1)).toContain('Start Gatehouse, then try again.');
  });
});
