import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, type BareApp, modern, openSession } from './support/bare-app.ts';
import { type House, type HouseOptions, openHouse, permitAll, scriptServer, shownBy, until } from './support/house.ts';
import { errorOf, library, refusalIn } from './support/library.ts';

/** Calls that servers make tasks of: whose they are, and what the record says of them. */

let house: House;
afterEach(() => house.close());

const extension = 'io.modelcontextprotocol/tasks';
const capabilities: JsonObject = { elicitation: {}, extensions: { [extension]: {} } };
const round = {
  launch: scriptServer(new URL('./support/round-trip-server.ts', import.meta.url)),
  also: { capabilities: { extensions: { [extension]: {} } } },
};
const open = (options: Partial<HouseOptions> = {}) =>
  openHouse({ servers: { one: library('one'), two: library('two'), round }, ...options });

const notFound = { code: -32602, message: 'Failed to retrieve task: Task not found' };
const resultOf = ({ json }: Answered) => json.result as JsonObject;
const start = (app: BareApp, name = 'one__slow', args: JsonObject = {}) =>
  app.request('tools/call', { name, arguments: args, task: { ttl: 60_000 } });
const madeBy = (answer: Answered) => String(resultOf(answer).taskId);
const idOf = (answer: Answered) => String((resultOf(answer).task as JsonObject).taskId);

describe('when a 2025 app has a call made into a task', () => {
  it('follows it by the server’s own id to its result, and the record has both', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    expect(taskId).toBe('one-0');
    expect(resultOf(await app.request('tasks/get', { taskId }))).toMatchObject({ taskId, status: 'completed' });
    expect(resultOf(await app.request('tasks/result', { taskId }))).toEqual({
      content: [{ type: 'resource_link', uri: 'one+note://1', name: 'one' }],
      _meta: { 'io.modelcontextprotocol/related-task': { taskId } },
    });
    expect(resultOf(await app.request('tasks/cancel', { taskId }))).toMatchObject({ status: 'cancelled' });
    expect(house.rows('call.begin')).toMatchObject([
      { alias: 'one', tool: 'slow', extra: '{"task":{"ttl":60000}}' },
      { method: 'tasks/result', alias: 'one', tool: 'slow', arguments: '{"taskId":"one-0"}' },
      { method: 'tasks/cancel', alias: 'one', tool: 'slow' },
    ]);
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
    expect(house.audit.reader.verify()).toMatchObject({ ok: true });
  });

  it('lists its own and no others, over all servers', async () => {
    house = await open();
    const app = await openSession(house);
    const other = await openSession(house);
    await start(app, 'one__slow', { taskId: 'a' });
    await start(app, 'two__slow', { taskId: 'b' });
    await start(other, 'one__slow', { taskId: 'c' });
    const listed = async (from: BareApp) =>
      (resultOf(await from.request('tasks/list')).tasks as JsonObject[]).map(({ taskId }) => taskId);
    expect(await listed(app)).toEqual(['a', 'b']);
    expect(await listed(other)).toEqual(['c']);
    await app.request('tasks/cancel', { taskId: 'a' });
    expect(await listed(app)).toEqual(['b']);
    expect(await listed(app)).toEqual(['b']);
  });

  it('has nothing to do with tasks of another session, of another endpoint, or of nobody', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    const other = await openSession(house);
    const elsewhere = await openSession(house, {}, { suffix: '/~two' });
    for (const each of [other, elsewhere]) {
      for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
        for (const id of [taskId, 'somebody-elses', '', 5, null]) {
          expect(errorOf((await each.request(method, { taskId: id })).json)).toEqual(notFound);
        }
      }
    }
    expect(resultOf(await app.request('tasks/get', { taskId }))).toMatchObject({ taskId });
    expect(house.rows('call.begin')).toHaveLength(1);
  });

  it('loses sight of a task when the policy hides its tool', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    await house.publish({
      cedar: `${permitAll} @id("gone") forbid (principal, action in Action::"discover", resource == Tool::"one.slow");`,
    });
    expect(errorOf((await app.request('tasks/result', { taskId })).json)).toEqual(notFound);
    expect(resultOf(await app.request('tasks/list'))).toEqual({ tasks: [] });
  });

  it('cannot be given the task of one server by another', async () => {
    house = await open();
    const app = await openSession(house);
    await start(app, 'one__slow', { taskId: 'same' });
    const stolen = await start(app, 'two__slow', { taskId: 'same' });
    expect(resultOf(stolen)).toMatchObject({ isError: true });
    const result = resultOf(await app.request('tasks/result', { taskId: 'same' }));
    expect(JSON.stringify(result)).toContain('one+note://1');
  });
});

describe('when it is asked how a task stands', () => {
  const textOf = (answer: Answered) => String((resultOf(answer).content as readonly JsonObject[])[0]?.text);
  const seenBy = async (app: BareApp) =>
    JSON.parse(textOf(await app.request('tools/call', { name: 'one__seen', arguments: {} }))) as JsonObject[];

  it('sends the server the task’s id and nothing the app wrote beside it', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    const params = { taskId, secret: 'x' };
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) await app.request(method, params);
    expect((await seenBy(app)).filter(({ method }) => String(method).startsWith('tasks/'))).toEqual(
      ['tasks/get', 'tasks/result', 'tasks/cancel'].map((method) => ({ method, params: { taskId } })),
    );
    expect(JSON.stringify(house.rows('call.begin'))).not.toContain('secret');
  });

  it('records what the app sends along for every server', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    await app.request('tasks/get', { taskId, _meta: { traceparent: '00-1' } });
    expect(house.rows('call.begin').at(-1)).toMatchObject({
      method: 'tasks/get',
      extra: '{"_meta":{"traceparent":"00-1"}}',
    });
  });

  it('records whatever is no plain word of how it stands, once for each such thing', async () => {
    house = await open();
    const app = await openSession(house);
    const more = { statusMessage: 'Nearly.', leaked: ['a', 'b'] };
    const taskId = idOf(await start(app, 'one__slow', { more }));
    const plain = idOf(await start(app, 'one__slow', { more: { statusMessage: 'Nearly.' } }));
    for (let i = 0; i < 3; i++) expect(resultOf(await app.request('tasks/get', { taskId }))).toMatchObject(more);
    for (let i = 0; i < 3; i++) await app.request('tasks/get', { taskId: plain });
    expect(house.rows('call.begin').filter(({ method }) => method === 'tasks/get')).toHaveLength(1);
    expect(house.rows('call.end').at(-1)?.result).toContain('leaked');
  });

  it('holds back what is too large or nests too deeply, be it an answer or an error, and the record says so', async () => {
    house = await open({ document: { guard: { resultBytes: 20_000 }, gateway: { depth: 20 } } });
    const app = await openSession(house);
    const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) as JsonObject[];
    const held = async (args: JsonObject) => {
      const taskId = String(args.taskId);
      await house.publish({ document: { guard: { resultBytes: 20_000 } } });
      await start(app, 'one__slow', args);
      await house.publish({ document: { guard: { resultBytes: 20_000 }, gateway: { depth: 20 } } });
      const { json } = await app.request('tasks/get', { taskId });
      expect(JSON.stringify(json).length).toBeLessThan(2_000);
      return refusalIn(json).code;
    };
    expect(await held({ taskId: 'long', more: { statusMessage: 'x'.repeat(30_000) } })).toBe('result-refused');
    expect(await held({ taskId: 'error', fails: 'x'.repeat(30_000) })).toBe('result-refused');
    expect(await held({ taskId: 'deep', more: { deep } })).toBe('backend-failed');
    expect(await held({ taskId: 'deep-error', fails: deep })).toBe('backend-failed');
    expect(house.rows('call.begin').filter(({ method }) => method === 'tasks/get')).toHaveLength(4);
  });

  it('passes an error on and records it', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app, 'one__slow', { fails: { why: 'busy' } }));
    const error = { code: -32000, message: 'No.', data: { why: 'busy' } };
    expect(errorOf((await app.request('tasks/get', { taskId })).json)).toEqual(error);
    expect(house.rows('call.end').at(-1)).toMatchObject({ outcome: 'backend-error', message: 'No.' });
  });

  it('lists of each task how it stands, and nothing else a server adds', async () => {
    house = await open();
    const app = await openSession(house);
    const more = { taskId: 'anothers', statusMessage: 'x'.repeat(5_000), result: { content: [] }, leaked: 'y' };
    const taskId = idOf(await start(app, 'one__slow', { more }));
    const [listed] = resultOf(await app.request('tasks/list')).tasks as JsonObject[];
    expect(listed).toMatchObject({ taskId, status: 'completed', statusMessage: expect.stringMatching(/^x{1000}…$/) });
    expect(Object.keys(listed ?? {}).toSorted()).toEqual(
      ['createdAt', 'lastUpdatedAt', 'status', 'statusMessage', 'taskId', 'ttl'].toSorted(),
    );
  });
});

describe('when as many requests of an app are under way as may be', () => {
  it('takes no call more, whatever they are', async () => {
    house = await open({ document: { gateway: { callsPerApp: 2 } } });
    const app = await openSession(house);
    await start(app, 'one__slow', { hangs: true });
    const lists = [1, 2].map(async (id) => app.request('tasks/list', {}, `list ${id}`));
    for (let tries = 0; (await app.request('prompts/list', {}, 'try')).json.error === undefined; tries++) {
      expect(tries).toBeLessThan(1_000);
    }
    const refused = resultOf(await app.request('tools/call', { name: 'one__seen', arguments: {} }, 'call'));
    expect(refused._meta).toMatchObject({ 'gatehouse/refusal': { code: 'too-many-calls' } });
    for (const id of [1, 2]) await app.notify('notifications/cancelled', { requestId: `list ${id}` });
    await Promise.all(lists);
    const taken = await app.request('tools/call', { name: 'one__seen', arguments: {} }, 'again');
    expect(resultOf(taken).isError).toBeUndefined();
  });
});

describe('when the policy changed since a task was begun', () => {
  const see = '@id("see") permit (principal, action in [Action::"discover"], resource);';
  const asks = '@id("ask") permit (principal, action in [Action::"discover", Action::"call"], resource);';

  it('brings no result of what is forbidden now, and can still be stopped', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    await house.publish({ cedar: see });
    expect(refusalIn((await app.request('tasks/result', { taskId })).json)).toMatchObject({ code: 'policy-denied' });
    expect(house.rows('call.refused').at(-1)).toMatchObject({ code: 'policy-denied', method: 'tasks/result' });
    await house.publish({
      cedar: `${permitAll} @id("gone") forbid (principal, action in Action::"discover", resource == Tool::"one.slow");`,
    });
    expect(resultOf(await app.request('tasks/cancel', { taskId }))).toMatchObject({ status: 'cancelled' });
  });

  it('goes by the arguments of the call, and forbids where it does not know them any more', async () => {
    house = await open();
    const app = await openSession(house);
    const small = idOf(await start(app, 'one__slow', { taskId: 'small', n: 'a' }));
    const other = idOf(await start(app, 'one__slow', { taskId: 'other', n: 'b' }));
    const large = idOf(await start(app, 'one__slow', { taskId: 'large', n: 'a', text: 'x'.repeat(20_000) }));
    const reads = `${permitAll} @id("b") forbid (principal, action == Action::"call:one.slow", resource) when { context.args has taskId && context.args.taskId == "other" };`;
    await house.publish({ cedar: reads });
    expect(resultOf(await app.request('tasks/result', { taskId: small }))).toHaveProperty('content');
    for (const taskId of [other, large]) {
      expect(refusalIn((await app.request('tasks/result', { taskId })).json)).toMatchObject({ code: 'policy-denied' });
    }
  });

  it('is not gone on with unconfirmed, unless the person agreed when it was begun', async () => {
    house = await open();
    const app = await openSession(house);
    const unasked = idOf(await start(app));
    await house.publish({ cedar: asks });
    const refused = await app.request('tasks/result', { taskId: unasked });
    expect(refusalIn(refused.json)).toMatchObject({ code: 'not-approved-by-person' });
    const calling = start(app);
    const question = await until('a question', () => house.approvals.pending()[0]);
    house.approvals.answer(question.id, question.digest, 'allow-once');
    const agreed = idOf(await calling);
    expect(resultOf(await app.request('tasks/result', { taskId: agreed }))).toHaveProperty('content');
    expect(house.rows('call.begin').at(-1)).toMatchObject({ method: 'tasks/result', approvedBy: 'person-once' });
  });

  it('brings no result of a tool that is not what is approved now', async () => {
    house = await open();
    const app = await openSession(house);
    const taskId = idOf(await start(app));
    const shown = await shownBy(library('one').launch);
    const pins = shown.map((definition) => ({ ...definition, description: 'Approved anew.' }));
    await house.publish({ servers: { one: { ...library('one'), pins }, two: library('two'), round } });
    expect(refusalIn((await app.request('tasks/result', { taskId })).json)).toMatchObject({
      code: 'definition-changed',
    });
    expect(resultOf(await app.request('tasks/cancel', { taskId }))).toMatchObject({ status: 'cancelled' });
  });

  it('brings a 2026 app neither result nor question of what is forbidden now', async () => {
    house = await open();
    const options = { capabilities };
    const taskId = madeBy(await modern(house, 'tools/call', { name: 'round__task', arguments: {} }, options));
    await house.publish({ cedar: see });
    const about = (method: string, params: JsonObject) =>
      modern(house, method, params, { ...options, headers: { 'mcp-name': taskId } });
    for (const [method, params] of [
      ['tasks/get', { taskId }],
      ['tasks/update', { taskId, inputResponses: {} }],
    ] as const) {
      expect(refusalIn((await about(method, params)).json)).toMatchObject({ code: 'policy-denied' });
    }
    expect(resultOf(await about('tasks/cancel', { taskId }))).toEqual({ resultType: 'complete' });
  });
});

describe('when a 2026 app has a call made into a task', () => {
  const options = { capabilities };
  const begin = (args: JsonObject = {}, more = options) =>
    modern(house, 'tools/call', { name: 'round__task', arguments: args }, more);
  const about = (method: string, params: JsonObject, more = options) =>
    modern(house, method, params, { ...more, headers: { 'mcp-name': String(params.taskId) } });

  it('answers what it asks and gets its result, which is recorded once', async () => {
    house = await open();
    const made = await begin();
    expect(resultOf(made)).toEqual({ resultType: 'task', taskId: 'task-0', status: 'working', ttlMs: null });
    const taskId = madeBy(made);
    expect(resultOf(await about('tasks/get', { taskId }))).toMatchObject({ inputRequests: { name: {} } });
    const answers = { name: { action: 'accept', content: {} } };
    expect(resultOf(await about('tasks/update', { taskId, inputResponses: answers }))).toEqual({
      resultType: 'complete',
    });
    const result = { content: [{ type: 'resource_link', uri: 'round+note://1' }], told: [answers] };
    for (let i = 0; i < 3; i++) expect(resultOf(await about('tasks/get', { taskId }))).toMatchObject({ result });
    expect(house.rows('call.begin').map(({ method }) => method)).toEqual([
      undefined,
      'tasks/get',
      'tasks/update',
      'tasks/get',
    ]);
    expect(house.rows('call.end').at(-1)?.result).toContain('round+note://1');
  });

  it('must have said that it knows tasks', async () => {
    house = await open();
    const taskId = madeBy(await begin());
    const answer = await about('tasks/get', { taskId }, { capabilities: {} });
    expect([answer.status, errorOf(answer.json)]).toEqual([
      400,
      {
        code: -32021,
        message: 'Missing required client capability',
        data: { requiredCapabilities: { extensions: { [extension]: {} } } },
      },
    ]);
    expect((await about('tasks/list', {})).status).toBe(404);
    expect((await about('tasks/result', { taskId })).status).toBe(404);
  });

  it('has nothing to do with tasks of another app', async () => {
    house = await open();
    const taskId = madeBy(await begin());
    const other = house.apps.issue('Claude');
    if (!other.ok) throw new Error(other.message);
    const theirs = await modern(
      { endpoint: house.endpoint, token: other.token },
      'tasks/get',
      { taskId },
      {
        capabilities,
        headers: { 'mcp-name': String(taskId) },
      },
    );
    expect(errorOf(theirs.json)).toEqual(notFound);
    house.gateway.appEnded(house.appId);
    expect(errorOf((await about('tasks/get', { taskId })).json)).toEqual(notFound);
  });

  it('is not asked by a task what the policy forbids to ask', async () => {
    house = await open({ document: { serverRequests: { allowed: ['roots'] } } });
    const taskId = madeBy(await begin());
    const answer = await about('tasks/get', { taskId });
    expect(refusalIn(answer.json)).toMatchObject({ code: 'backend-failed' });
    expect(JSON.stringify(answer.json)).not.toContain('inputRequests');
    expect(house.rows('call.end').at(-1)).toMatchObject({ outcome: 'backend-error' });
  });

  it('cannot have a 2025 server make a task it could not follow', async () => {
    house = await open();
    const answer = await modern(house, 'tools/call', { name: 'one__slow', arguments: {}, task: {} }, options);
    expect(errorOf(answer.json).code).toBe(-32602);
  });
});
