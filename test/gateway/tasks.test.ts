import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, type BareApp, modern, openSession } from './support/bare-app.ts';
import { type House, type HouseOptions, openHouse, permitAll, scriptServer } from './support/house.ts';
import { errorOf, library } from './support/library.ts';

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
    expect(house.rows('call.begin').map(({ method }) => method)).toEqual([undefined, 'tasks/update', 'tasks/get']);
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
    expect(errorOf(answer.json).message).toContain('does not let it ask for');
  });

  it('cannot have a 2025 server make a task it could not follow', async () => {
    house = await open();
    const answer = await modern(house, 'tools/call', { name: 'one__slow', arguments: {}, task: {} }, options);
    expect(errorOf(answer.json).code).toBe(-32602);
  });
});
