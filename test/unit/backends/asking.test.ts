import { afterEach, describe, expect, it } from 'vitest';
import type { BackendReply, BackendSession, Backends, ServerRequest } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { Launch } from '../../../main/policy/manifest.ts';
import {
  backendsFor,
  type Caller,
  call,
  caller,
  eventually,
  fixture,
  http,
  jsonOf,
  sse,
  startFixture,
  textOf,
} from './support.ts';

const timeoutMs = 10_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

const transports = ['stdio', 'http', 'sse'] as const;

async function talker(transport: (typeof transports)[number]): Promise<Launch> {
  if (transport === 'stdio') return fixture('talker.ts', ['stdio']);
  const remote = await startFixture('talker.ts', [transport]);
  stops.push(remote.stop);
  return transport === 'http' ? http(remote.url) : sse(remote.url);
}

async function open(
  transport: (typeof transports)[number],
  client: Caller,
): Promise<{
  session: BackendSession;
  tool: (name: string, args?: JsonObject, origin?: object) => Promise<BackendReply>;
}> {
  backends = backendsFor({ talker: await talker(transport) });
  const session = await backends.open('talker', 'key', undefined, client);
  const tool = (name: string, args: JsonObject = {}, origin?: object) =>
    session.request('tools/call', call(name, args), { timeoutMs, ...(origin && { origin }) });
  return { session, tool };
}

/** What a server asks and what it is answered, each raw. */
const QUESTIONS: readonly (readonly [string, JsonObject, JsonObject])[] = [
  [
    'elicitation/create',
    { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } }, 'x-kept': [1] },
    { action: 'accept', content: { name: 'Zoë 🎈' }, 'x-kept': { deep: [null] } },
  ],
  [
    'elicitation/create',
    { mode: 'url', message: 'Sign in', url: 'https://example.com/in', elicitationId: 'e-1' },
    { action: 'decline' },
  ],
  [
    'sampling/createMessage',
    { messages: [{ role: 'user', content: { type: 'x-new', data: 1 } }], maxTokens: 5 },
    { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm', stopReason: 'endTurn' },
  ],
  ['roots/list', {}, { roots: [{ uri: 'file:///home', name: 'home' }] }],
  ['tasks/get', { taskId: 't-1' }, { taskId: 't-1', status: 'working' }],
  ['com.example/anything', { a: 1 }, { b: 2 }],
];

describe.each(transports)('when a server over %s asks its client', (transport) => {
  it('hands each question to whoever opened the session, and its answer back, both as they are', async () => {
    const answers = new Map(QUESTIONS.map(([, params, answer]) => [JSON.stringify(params), answer]));
    const result = ({ params }: ServerRequest) => answers.get(JSON.stringify(params)) ?? { unexpected: params };
    const client = caller((request) => ({ ok: true, result: result(request) }));
    const { tool } = await open(transport, client);
    for (const [method, params, answer] of QUESTIONS) {
      const origin = { method };
      expect(jsonOf(await tool('ask', { method, params }, origin))).toEqual({ result: answer });
      expect(client.requests.at(-1)).toMatchObject({ method, params });
      expect(client.requests.at(-1)?.origin).toBe(origin);
    }
  });

  it('declares what the caller can do, and nothing more', async () => {
    const capabilities = { sampling: { tools: {} }, elicitation: { form: {}, url: {} } };
    const { tool } = await open(transport, caller(undefined, capabilities));
    expect(jsonOf(await tool('client'))).toMatchObject({ capabilities, info: { name: 'gatehouse' } });
    const bare = await backends.open('talker', 'house');
    const reply = await bare.request('tools/call', call('client'), { timeoutMs });
    expect(jsonOf(reply)).toMatchObject({ capabilities: {} });
  });

  it('hands on an error as the caller gave it', async () => {
    const error = { code: -32042, message: 'Not today', data: { why: ['x'] } };
    const { tool } = await open(
      transport,
      caller(() => ({ ok: false, error })),
    );
    const reply = jsonOf(await tool('ask', { method: 'roots/list' }));
    expect(reply).toMatchObject({ error: { code: -32042, message: expect.stringContaining('Not today') } });
  });

  it('says in plain words that no answer could be got, and nothing of why', async () => {
    const client = caller(() => Promise.reject(new Error('secret: /home/alice')));
    const { tool } = await open(transport, client);
    const text = textOf(await tool('ask', { method: 'sampling/createMessage' }));
    expect(JSON.parse(text)).toMatchObject({ error: { code: -32603 } });
    expect(text).toContain('Gatehouse could not get an answer to \\"sampling/createMessage\\".');
    expect(text).not.toContain('alice');
  });

  it('answers ping by itself', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    expect(jsonOf(await tool('ask', { method: 'ping' }))).toEqual({ result: {} });
    expect(client.requests).toEqual([]);
  });

  it('gives a question up that the server cancels, and does not answer it', async () => {
    let given: AbortSignal | undefined;
    const client = caller(
      ({ signal }) =>
        new Promise((resolve) => {
          given = signal;
          signal.addEventListener('abort', () => resolve({ ok: true, result: { late: true } }));
        }),
    );
    const { tool } = await open(transport, client);
    const reply = jsonOf(await tool('ask-and-cancel', { method: 'elicitation/create' }));
    expect(reply).toMatchObject({ error: { message: expect.stringContaining('not needed') } });
    await eventually(() => given?.aborted === true);
    expect(client.notifications.filter(({ method }) => method === 'notifications/cancelled')).toEqual([]);
  });

  it('gives its questions up when the session ends', async () => {
    let given: AbortSignal | undefined;
    const client = caller(({ signal }) => {
      given = signal;
      return new Promise(() => {});
    });
    const { tool } = await open(transport, client);
    const asked = tool('ask', { method: 'elicitation/create' }).catch((error: unknown) => error);
    await eventually(() => given !== undefined);
    await backends.release('key');
    expect(given?.aborted).toBe(true);
    expect(await asked).toBeInstanceOf(Error);
  });

  it('tells the server that the roots changed', async () => {
    const { session, tool } = await open(transport, caller());
    await session.notify('notifications/roots/list_changed', {});
    await eventually(async () => textOf(await tool('seen')).includes('notifications/roots/list_changed'));
  });
});

describe.each(transports)('when several requests of one caller are under way over %s', (transport) => {
  it('brings a question back to the request that caused it, or to none', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    const [one, two] = [{ n: 1 }, { n: 2 }];
    const beside = tool(
      'notify',
      { method: 'notifications/message', params: { level: 'info', data: 0 }, ms: 600 },
      two,
    );
    await tool('ask', { method: 'roots/list' }, one);
    await beside;
    // Over stdio and HTTP+SSE nothing says whose it is.
    expect(client.requests[0]?.origin).toBe(transport === 'http' ? one : undefined);
  });

  it('takes requests of one origin for one', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    const one = { n: 1 };
    const beside = tool(
      'notify',
      { method: 'notifications/message', params: { level: 'info', data: 0 }, ms: 300 },
      one,
    );
    await tool('ask', { method: 'roots/list' }, one);
    await beside;
    expect(client.requests[0]?.origin).toBe(one);
  });

  it('gives a question that the server related to no request to the only one there is', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    const one = { n: 1 };
    // The GET stream may still be opening.
    await eventually(async () => {
      await Promise.race([
        tool('ask', { method: 'roots/list', unrelated: true }, one),
        new Promise((resolve) => setTimeout(resolve, 300)),
      ]);
      return client.requests.length > 0;
    });
    expect(client.requests[0]?.origin).toBe(one);
  });
});

describe.each(transports)('when a server over %s speaks unasked', (transport) => {
  const said = {
    method: 'notifications/message',
    params: { level: 'info', logger: 'x', data: { deep: [1] }, 'x-kept': 1 },
  };

  it('is heard with the request it speaks of', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    const origin = {};
    await tool('notify', said, origin);
    expect(client.notifications).toContainEqual({ ...said, origin });
    expect(client.notifications.find(({ method }) => method === said.method)?.origin).toBe(origin);
  });

  it('is heard on its own stream with none, over HTTP', async () => {
    const client = caller();
    const { tool } = await open(transport, client);
    const origin = {};
    await eventually(async () => {
      await tool('notify', { ...said, unrelated: true }, origin);
      return client.notifications.length > 0;
    });
    expect(client.notifications[0]?.origin).toBe(transport === 'http' ? undefined : origin);
  });

  it('takes up the log level it is told', async () => {
    const { session, tool } = await open(transport, caller());
    expect(await session.request('logging/setLevel', { level: 'error' }, { timeoutMs })).toEqual({
      ok: true,
      result: {},
    });
    expect(jsonOf(await tool('notify', said))).toBe('error');
  });
});

describe.each(transports)('when a tool over %s runs as a task', (transport) => {
  it('keeps hearing of its progress after the task was created', async () => {
    const client = caller();
    const { session, tool } = await open(transport, client);
    const heard: JsonObject[] = [];
    // Over HTTP it comes on the stream beside all requests, which may still be opening.
    await eventually(async () => {
      const params = { level: 'info', data: 0 };
      await tool('notify', { method: 'notifications/message', params, unrelated: true });
      return client.notifications.length > 0;
    });
    const params = { ...call('task', { steps: 3 }), task: { ttl: 60_000 } };
    const reply = await session.request('tools/call', params, { timeoutMs, onProgress: (each) => heard.push(each) });
    const task = (reply.ok ? reply.result.task : {}) as { taskId: string };
    const before = heard.length;
    const result = await session.request('tasks/result', { taskId: task.taskId }, { timeoutMs });
    expect(jsonOf(result)).toBe('the task is done');
    expect(before).toBeLessThan(3);
    expect(heard.map(({ progress }) => progress)).toEqual([1, 2, 3]);
    expect(await session.request('tasks/get', { taskId: task.taskId }, { timeoutMs })).toMatchObject({
      ok: true,
      result: { status: 'completed' },
    });
  });

  it('asks on the stream of whoever waits for the result', async () => {
    const client = caller(() => ({ ok: true, result: { action: 'accept', content: {} } }));
    const { session, tool } = await open(transport, client);
    const ask = {
      method: 'elicitation/create',
      params: { message: 'Sure?', requestedSchema: { type: 'object', properties: {} } },
    };
    const reply = await session.request('tools/call', { ...call('task', ask), task: {} }, { timeoutMs });
    const { taskId } = (reply.ok ? reply.result.task : {}) as { taskId: string };
    const origin = {};
    // Another one is under way, which it must not be taken for.
    const said = { method: 'notifications/message', params: { level: 'info', data: 0 }, ms: 500 };
    const beside = tool('notify', said, { other: true });
    expect(jsonOf(await session.request('tasks/result', { taskId }, { timeoutMs, origin }))).toBe('the task is done');
    await beside;
    expect(client.requests[0]).toMatchObject({ method: 'elicitation/create', params: { message: 'Sure?' } });
    expect(client.requests[0]?.origin).toBe(origin);
    expect(await session.request('tasks/list', {}, { timeoutMs })).toMatchObject({
      ok: true,
      result: { tasks: [{ taskId }] },
    });
  });
});
