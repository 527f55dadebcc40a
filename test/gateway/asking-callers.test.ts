import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type BareApp, openSession } from './support/bare-app.ts';
import { until } from './support/house.ts';
import { openScripted, type Script, type Scripted } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const form = {
  message: 'Your name?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
} as const satisfies JsonObject;
const sampling = {
  messages: [{ role: 'user', content: { type: 'text', text: 'Capital of France?' } }],
  maxTokens: 10,
} as const satisfies JsonObject;

const never = new AbortController().signal;
const text = (value: unknown): JsonObject => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

/** Asks all of it at once, and answers with the answers. */
const asksAll: Script = async (conversation) => {
  const answers = await Promise.all([
    conversation.ask('elicitation/create', form, never),
    conversation.ask('sampling/createMessage', sampling, never),
    conversation.ask('roots/list', {}, never),
  ]);
  return text(answers);
};
const asksName: Script = async (conversation) => text(await conversation.ask('elicitation/create', form, never));

const sampled = { role: 'assistant', model: 'm', content: { type: 'text', text: 'Paris' } } as const;
const expected = [
  { ok: true, result: { action: 'accept', content: { name: 'Ada' } } },
  { ok: true, result: sampled },
  { ok: true, result: { roots: [{ uri: 'file:///work', name: 'Work' }] } },
];

describe('when what answers a request asks the app', () => {
  it('reaches a client of the previous SDK on the stream of that request', async () => {
    house = await openScripted({ tools: { 'asks-all': asksAll } });
    const client = new LegacyClient(
      { name: 'a', version: '1' },
      { capabilities: { elicitation: {}, sampling: {}, roots: { listChanged: true } } },
    );
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    client.setRequestHandler(CreateMessageRequestSchema, () => sampled);
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///work', name: 'Work' }] }));
    const requestInit = { headers: { authorization: `Bearer ${house.token}` } };
    const transport = new LegacyTransport(new URL(house.endpoint), { requestInit });
    await client.connect(transport as Parameters<LegacyClient['connect']>[0]);
    const result = await client.callTool({ name: 'asks-all', arguments: {} });
    expect(JSON.parse((result.content as { text: string }[])[0]?.text ?? '')).toEqual(expected);
    await client.sendRootsListChanged();
    await until('the other side hears of it', () => house.heard.includes('roots changed'));
    await client.close();
  });

  it('reaches a client of 2026-07-28 as input_required, all of it in one round', async () => {
    house = await openScripted({ tools: { 'asks-all': asksAll } });
    const client = new ModernClient(
      { name: 'a', version: '1' },
      { capabilities: { elicitation: {}, sampling: {}, roots: {} }, versionNegotiation: { mode: 'auto' } },
    );
    const asked: string[] = [];
    client.setRequestHandler('elicitation/create', () => {
      asked.push('elicitation');
      return { action: 'accept' as const, content: { name: 'Ada' } };
    });
    client.setRequestHandler('sampling/createMessage', () => {
      asked.push('sampling');
      return sampled;
    });
    client.setRequestHandler('roots/list', () => {
      asked.push('roots');
      return { roots: [{ uri: 'file:///work', name: 'Work' }] };
    });
    const requestInit = { headers: { authorization: `Bearer ${house.token}` } };
    await client.connect(new ModernTransport(new URL(house.endpoint), { requestInit }));
    const result = await client.callTool({ name: 'asks-all', arguments: {} });
    expect(JSON.parse((result.content as { text: string }[])[0]?.text ?? '')).toEqual(expected);
    expect(asked.toSorted()).toEqual(['elicitation', 'roots', 'sampling']);
    expect(house.conversations).toHaveLength(1);
    await client.close();
  });

  it('gives its questions ids of this session, answers 202, and passes an error on as it is', async () => {
    house = await openScripted({ tools: { 'asks-name': asksName } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('asks-name');
    const question = (await stream.message('elicitation/create')).json;
    expect(question).toEqual({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: form });
    const error = { code: -1, message: 'no', data: { why: ['x'] }, extra: true };
    expect((await app.post({ jsonrpc: '2.0', id: question.id, error })).status).toBe(202);
    expect((await stream.answer(1)).json.result).toEqual(text({ ok: false, error }));
  });

  it('takes a response to what was never asked, or twice, for nothing', async () => {
    house = await openScripted({ tools: { 'asks-name': asksName } });
    const app = await openSession(house, { elicitation: {} });
    for (const id of [1, 99, 'text', -1]) expect((await app.respond(id, {})).status).toBe(202);
    const stream = await app.call('asks-name');
    const { id } = (await stream.message('elicitation/create')).json;
    expect((await app.respond(String(id), { action: 'decline' })).status).toBe(202);
    expect((await app.respond(id, { action: 'accept' })).status).toBe(202);
    expect((await app.respond(id, { action: 'decline' })).status).toBe(202);
    expect((await stream.answer(1)).json.result).toEqual(text({ ok: true, result: { action: 'accept' } }));
  });

  it('refuses a response that is none, and goes on waiting for one', async () => {
    house = await openScripted({ tools: { 'asks-name': asksName } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('asks-name');
    const { id } = (await stream.message('elicitation/create')).json;
    for (const body of [
      { jsonrpc: '2.0', id, result: 5 },
      { jsonrpc: '2.0', id, error: 'no' },
      { jsonrpc: '2.0', id, error: { code: 'x', message: 'y' } },
      { jsonrpc: '2.0', id, result: {}, error: { code: 1, message: 'y' } },
      { jsonrpc: '2.0', id: null, result: {} },
    ]) {
      expect((await app.post(body)).status).toBe(400);
    }
    await app.respond(id, { action: 'decline' });
    expect((await stream.answer(1)).json.result).toEqual(text({ ok: true, result: { action: 'decline' } }));
  });

  it('is told why an app cannot be asked: it did not offer it', async () => {
    const modes: Script = async (conversation, { arguments: args }) => {
      const { method, ...params } = args as JsonObject;
      return text(await conversation.ask(String(method), params, never));
    };
    house = await openScripted({ tools: { asks: modes } });
    const refused = async (capabilities: JsonObject, args: JsonObject) => {
      const app = await openSession(house, capabilities);
      const answer = await app.request('tools/call', { name: 'asks', arguments: args });
      expect(JSON.stringify(answer.json.error)).toContain('did not offer');
    };
    await refused({}, { method: 'elicitation/create' });
    await refused({ elicitation: {} }, { method: 'elicitation/create', mode: 'url', url: 'https://x.example' });
    await refused({ elicitation: { url: {} } }, { method: 'elicitation/create', mode: 'form' });
    await refused({ elicitation: {} }, { method: 'sampling/createMessage' });
    await refused({ sampling: {} }, { method: 'roots/list' });
    await refused({ elicitation: {}, sampling: {}, roots: {} }, { method: 'tasks/list' });
    await refused({ elicitation: {}, sampling: {}, roots: {} }, { method: 'anything/else' });
  });
});

describe('when a question is withdrawn', () => {
  it('tells the app that it is cancelled, under the id it knows', async () => {
    const withdraw = new AbortController();
    const asks: Script = async (conversation) => {
      const asked = conversation
        .ask('elicitation/create', form, withdraw.signal)
        .catch((error: Error) => error.message);
      return text(await asked);
    };
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('asks', 'mine');
    const { id } = (await stream.message('elicitation/create')).json;
    withdraw.abort();
    expect((await stream.message('notifications/cancelled')).json.params).toEqual({ requestId: id });
    expect((await stream.answer('mine')).json.result).toEqual(text('The question was withdrawn.'));
  });

  it('withdraws with the request what it asked for its sake', async () => {
    const forgets: Script = (conversation) => {
      conversation.ask('elicitation/create', form, never).catch((error: Error) => house.heard.push(error.message));
      return text('done');
    };
    house = await openScripted({ tools: { forgets } });
    const app = await openSession(house, { elicitation: {} });
    const standing = await app.listen();
    await (await app.call('forgets')).answer(1);
    await until('the question is over', () => house.heard.includes('The question was withdrawn.'));
    standing.drop();
  });

  it('ends every question with its session', async () => {
    house = await openScripted({ tools: { 'asks-name': asksName } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('asks-name');
    await stream.message('elicitation/create');
    expect((await app.fetch('DELETE', undefined)).response.status).toBe(204);
    await until('it is told', () => house.heard.some((line) => line.includes('is gone, or took too long')));
    await stream.ended();
    expect(house.heard).toContain('forget session');
  });
});

describe('when an app reads no stream for its request', () => {
  const asLate = async (standing: boolean): Promise<{ app: BareApp; answer: Promise<unknown> }> => {
    house = await openScripted({ tools: { 'asks-name': asksName } });
    const app = await openSession(house, { elicitation: {} });
    if (standing) {
      const stream = await app.listen();
      stream.message('elicitation/create').then(({ json }) => app.respond(json.id, { action: 'accept' }));
    }
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'asks-name', arguments: {} } };
    return {
      app,
      answer: app.post(body, { accept: 'application/json' }).then(({ json }) => json.result ?? json.error),
    };
  };

  it('is asked on the stream it listens on', async () => {
    const { answer } = await asLate(true);
    expect(await answer).toEqual(text({ ok: true, result: { action: 'accept' } }));
  });

  it('cannot be asked where it listens on none', async () => {
    const { answer } = await asLate(false);
    expect(JSON.stringify(await answer)).toContain('reads no stream');
  });
});

describe('when a server asks beside any request', () => {
  it('reaches the app on its standing stream, and nowhere else', async () => {
    house = await openScripted({ tools: { hello: () => text('hi') } });
    const app = await openSession(house, { roots: {} });
    await app.request('tools/call', { name: 'hello', arguments: {} });
    const standing = house.conversations[0]?.standing;
    if (standing?.ask === undefined) throw new Error('a legacy session listens');
    await expect(standing.ask('roots/list', {}, never)).rejects.toThrow('reads no stream');
    const stream = await app.listen();
    const asked = standing.ask('roots/list', {}, never);
    const { id } = (await stream.message('roots/list')).json;
    await app.respond(id, { roots: [] });
    expect(await asked).toEqual({ ok: true, result: { roots: [] } });
    await expect(standing.ask('sampling/createMessage', {}, never)).rejects.toThrow('did not offer');
    stream.drop();
  });
});

describe('when an app reports progress on a question', () => {
  it('goes to whoever asked, under tokens of each hop', async () => {
    const seen: JsonObject[] = [];
    const asks: Script = async (conversation) => {
      const params = { ...form, _meta: { progressToken: 'the-servers', keep: 1 } };
      const answer = await conversation.ask('elicitation/create', params, never, (progress) => seen.push(progress));
      return text(answer.ok);
    };
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('asks');
    const question = (await stream.message('elicitation/create')).json;
    expect((question.params as JsonObject)._meta).toEqual({ progressToken: question.id, keep: 1 });
    await app.notify('notifications/progress', { progressToken: question.id ?? null, progress: 1, message: 'typing' });
    await app.notify('notifications/progress', { progressToken: 'the-servers', progress: 2 });
    await app.respond(question.id, { action: 'accept' });
    await stream.answer(1);
    expect(seen).toEqual([{ progressToken: question.id, progress: 1, message: 'typing' }]);
  });

  it('sends no token where nobody wants to hear of it', async () => {
    const asks: Script = async (conversation) =>
      text((await conversation.ask('roots/list', { _meta: { progressToken: 7 } }, never)).ok);
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { roots: {} });
    const stream = await app.call('asks');
    expect((await stream.message('roots/list')).json.params).toEqual({ _meta: {} });
  });
});

describe('when an app sets its log level', () => {
  it('keeps a known level and says so to whoever answers', async () => {
    const logs: Script = (conversation) => {
      conversation.notify('notifications/message', { level: 'info', data: 'x' });
      return text(conversation.logLevel ?? 'none');
    };
    house = await openScripted({ tools: { logs } });
    const client = new LegacyClient({ name: 'a', version: '1' });
    const messages: unknown[] = [];
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void messages.push(params));
    const requestInit = { headers: { authorization: `Bearer ${house.token}` } };
    const transport = new LegacyTransport(new URL(house.endpoint), { requestInit });
    await client.connect(transport as Parameters<LegacyClient['connect']>[0]);
    expect(await client.callTool({ name: 'logs', arguments: {} })).toMatchObject(text('none'));
    expect(await client.setLoggingLevel('warning')).toEqual({});
    expect(await client.callTool({ name: 'logs', arguments: {} })).toMatchObject(text('warning'));
    expect(house.heard).toEqual(['level warning']);
    expect(messages).toHaveLength(2);
    await client.close();
  });

  it('refuses a level there is not, and logging where it is not offered', async () => {
    house = await openScripted({ tools: {} });
    const app = await openSession(house);
    for (const level of ['loud', 5, null, undefined, 'INFO']) {
      const params = level === undefined ? {} : { level };
      expect((await app.request('logging/setLevel', params)).json.error).toMatchObject({ code: -32602 });
    }
    expect(house.heard).toEqual([]);
    await house.close();
    house = await openScripted({ tools: {}, capabilities: { tools: {} } });
    const other = await openSession(house);
    expect((await other.request('logging/setLevel', { level: 'info' })).json.error).toMatchObject({ code: -32601 });
  });
});
