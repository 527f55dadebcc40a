import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, modern, openSession } from './support/bare-app.ts';
import { type House, type HouseOptions, openHouse, permitAll, scriptServer, until } from './support/house.ts';
import { errorOf, refusalIn } from './support/library.ts';

/** A 2026 server that needs more input first, with apps of both revisions. */

let house: House;
afterEach(() => house.close());

const launch = scriptServer(new URL('./support/round-trip-server.ts', import.meta.url));
const tasks = { 'io.modelcontextprotocol/tasks': {} };
const also = {
  prompts: [{ name: 'ask' }],
  resources: 'as-shown' as const,
  capabilities: { prompts: {}, resources: {}, extensions: tasks },
};
const open = (options: Partial<HouseOptions> = {}) => openHouse({ servers: { round: { launch, also } }, ...options });

const everything: JsonObject = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const single = { suffix: '/~round', capabilities: everything };
const accepted: JsonObject = { action: 'accept', content: { name: 'Ada' } };
const resultOf = ({ json }: Answered) => json.result as JsonObject;
const textOf = (answer: Answered) =>
  JSON.parse(String((resultOf(answer).content as readonly JsonObject[])[0]?.text)) as JsonObject;
const refusalOf = (answer: Answered) =>
  ((resultOf(answer)._meta as JsonObject | undefined)?.['gatehouse/refusal'] ?? {}) as JsonObject;

describe('when a 2026 app meets it', () => {
  const call: JsonObject = { name: 'ask', arguments: { a: 1 } };

  it('gets the question as it is, and the server gets its answer and its state as they are', async () => {
    house = await open();
    const asked = await modern(house, 'tools/call', call, single);
    expect(asked.json.result).toEqual({
      resultType: 'input_required',
      inputRequests: {
        name: {
          method: 'elicitation/create',
          params: { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
        },
      },
      requestState: 'opaque "state"',
      'x-kept': { deep: [null] },
    });
    const retry = { ...call, inputResponses: { name: accepted, more: { x: 1 } }, requestState: 'opaque "state"' };
    const done = await modern(house, 'tools/call', retry, { ...single, id: 2 });
    expect(textOf(done)).toEqual(retry);
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'input-required' }, { outcome: 'ok' }]);
    expect(house.rows('call.begin')).toMatchObject([
      { tool: 'ask', arguments: '{"a":1}' },
      { tool: 'ask', arguments: '{"a":1}', extra: expect.stringContaining('requestState') },
    ]);
    const [failed] = house.audit.reader.calls({ outcome: 'failed' });
    expect(failed).toBeUndefined();
  });

  it('can go on by whatever state the server chose, also one that looks like a handle of ours', async () => {
    house = await open();
    for (const state of ['gatehouse.', 'gatehouse.abc', `gatehouse.${'A'.repeat(11)}.${'b'.repeat(80)}`]) {
      const own = { name: 'ask', arguments: { state } };
      const asked = await modern(house, 'tools/call', own, single);
      expect(asked.json.result).toMatchObject({ requestState: state });
      const retry = { ...own, inputResponses: { name: accepted }, requestState: state };
      expect(textOf(await modern(house, 'tools/call', retry, single))).toEqual(retry);
    }
  });

  it('can be asked before a prompt and a resource, too', async () => {
    house = await open();
    const prompt = await modern(house, 'prompts/get', { name: 'ask' }, single);
    expect(prompt.json.result).toMatchObject({ resultType: 'input_required', requestState: 'prompt-state' });
    const read = { uri: 'note://1' };
    expect(resultOf(await modern(house, 'resources/read', read, single))).not.toHaveProperty('ttlMs');
    const answers = { inputResponses: { name: accepted } };
    expect((await modern(house, 'resources/read', { ...read, ...answers }, single)).json.result).toMatchObject({
      ttlMs: 1_000,
      cacheScope: 'private',
    });
  });

  it('tells the server what it can do, and nothing the policy keeps from it', async () => {
    house = await open({ document: { serverRequests: { allowed: ['elicitation'] } } });
    const capabilities = { ...everything, extensions: tasks, 'x-more': 1 };
    const seen = await modern(house, 'tools/call', { name: 'seen' }, { ...single, capabilities });
    expect(textOf(seen)['io.modelcontextprotocol/clientCapabilities']).toEqual({
      elicitation: { form: {}, url: {} },
      extensions: tasks,
      'x-more': 1,
    });
  });

  it('is not shown a question that the policy forbids, or that it did not offer to answer', async () => {
    house = await open({ document: { serverRequests: { allowed: ['elicitation', 'roots'] } } });
    for (const [name, capabilities] of [
      ['sampling', everything],
      ['ask', { roots: {} }],
      ['page', { elicitation: {} }],
      ['malformed', everything],
    ] as const) {
      const answer = await modern(house, 'tools/call', { name }, { ...single, capabilities });
      expect(refusalOf(answer)).toMatchObject({ code: 'backend-failed' });
      expect(JSON.stringify(answer.json)).not.toContain('inputRequests');
    }
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toEqual(Array(4).fill('backend-error'));
  });
});

describe('when the person agreed, and the server needs more input', () => {
  const asking = '@id("see") permit (principal, action in [Action::"discover", Action::"call"], resource);';
  const call: JsonObject = { name: 'ask', arguments: { a: 1 } };
  const retry = { ...call, inputResponses: { name: accepted }, requestState: 'opaque "state"' };

  async function agree() {
    const question = await until('a question', () => house.approvals.pending()[0]);
    house.approvals.answer(question.id, question.digest, 'allow-once');
  }
  async function agreed(params = call) {
    const calling = modern(house, 'tools/call', params, single);
    await agree();
    return calling;
  }
  const asksAgain = async (params: JsonObject, options = single) => {
    const calling = modern(house, 'tools/call', params, options);
    const question = await until('another question', () => house.approvals.pending()[0]);
    house.approvals.answer(question.id, question.digest, 'deny');
    return refusalOf(await calling);
  };

  it('is not asked twice for the same thing', async () => {
    house = await open({ cedar: asking });
    await agreed();
    expect(textOf(await modern(house, 'tools/call', retry, single))).toEqual(retry);
    expect(house.rows('approval.asked')).toHaveLength(1);
    expect(house.rows('call.begin')).toMatchObject([{ approvedBy: 'person-once' }, { approvedBy: 'person-once' }]);
  });

  it('is asked again for anything else: other arguments, another state, another endpoint, a second time, too late', async () => {
    house = await open({ cedar: asking });
    await agreed();
    const denied = { code: 'not-approved-by-person' };
    expect(await asksAgain(call)).toMatchObject(denied);
    expect(await asksAgain({ ...retry, arguments: { a: 2 } })).toMatchObject(denied);
    expect(await asksAgain({ ...retry, requestState: 'forged' })).toMatchObject(denied);
    expect(await asksAgain({ ...retry, more: true })).toMatchObject(denied);
    expect(await asksAgain({ ...retry, name: 'round__ask' }, { ...single, suffix: '' })).toMatchObject(denied);
    expect(textOf(await modern(house, 'tools/call', retry, single))).toEqual(retry);
    expect(await asksAgain(retry)).toMatchObject(denied);
    await agreed();
    house.clock.advance(600_001);
    expect(await asksAgain(retry)).toMatchObject(denied);
  });

  it('is asked again under another policy, and by another app', async () => {
    house = await open({ cedar: asking });
    await agreed();
    const other = house.apps.issue('Claude');
    if (!other.ok) throw new Error(other.message);
    const theirs = modern({ endpoint: house.endpoint, token: other.token }, 'tools/call', retry, single);
    const question = await until('a question', () => house.approvals.pending()[0]);
    expect(question.app).toBe('Claude');
    house.approvals.answer(question.id, question.digest, 'deny');
    expect(refusalOf(await theirs)).toMatchObject({ code: 'not-approved-by-person' });
    await house.publish({ cedar: `${asking} @id("more") permit (principal == User::"nobody", action, resource);` });
    expect(await asksAgain(retry)).toMatchObject({ code: 'not-approved-by-person' });
  });

  it('does not let a retry through that the policy forbids meanwhile', async () => {
    house = await open({ cedar: asking });
    await agreed();
    await house.publish({
      cedar: `${permitAll} @id("stop") forbid (principal, action in Action::"call", resource == Tool::"round.ask");`,
    });
    const answer = await modern(house, 'tools/call', retry, single);
    expect(refusalOf(answer)).toMatchObject({ code: 'policy-denied', rules: ['stop'] });
  });
});

describe('when a 2025 app meets it', () => {
  const start = (capabilities = everything) => openSession(house, capabilities, { suffix: '/~round' });
  const call = (app: Awaited<ReturnType<typeof start>>, name: string) =>
    app.fetch('POST', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } });
  const said = (answer: JsonObject) =>
    JSON.parse(String(((answer.result as JsonObject).content as readonly JsonObject[])[0]?.text)) as JsonObject;

  it('is asked by a request of its own, and gets one answer to its one call', async () => {
    house = await open();
    const app = await start();
    const stream = await call(app, 'ask');
    const question = (await stream.message('elicitation/create')).json;
    expect(question.params).toMatchObject({ message: 'Name?' });
    await app.respond(question.id, accepted);
    expect(said((await stream.answer(1)).json)).toEqual({
      name: 'ask',
      arguments: {},
      inputResponses: { name: accepted },
      requestState: 'opaque "state"',
    });
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'ok' }]);
    expect(house.rows('call.input')).toMatchObject([{ method: 'elicitation/create', answer: 'accept' }]);
    expect(house.rows('call.input')[0]?.callId).toBe(house.rows('call.begin')[0]?.callId);
    expect(house.audit.reader.verify()).toMatchObject({ ok: true });
  });

  it('is asked one thing after the other, in the order of the server', async () => {
    house = await open();
    const app = await start();
    const stream = await call(app, 'ask-all');
    const answers: readonly (readonly [string, JsonObject])[] = [
      ['elicitation/create', { action: 'decline' }],
      ['sampling/createMessage', { role: 'assistant', content: { type: 'text', text: 'x' }, model: 'm' }],
      ['roots/list', { roots: [] }],
    ];
    for (const [method, answer] of answers) {
      expect(stream.messages.filter((each) => each.method !== undefined).length).toBeLessThanOrEqual(3);
      await app.respond((await stream.message(method)).json.id, answer);
    }
    const { inputResponses } = said((await stream.answer(1)).json);
    expect(Object.keys(inputResponses as JsonObject)).toEqual(['first', 'second', 'third']);
    expect(house.rows('call.input').map(({ answer }) => answer)).toEqual(['decline', 'ok', 'ok']);
  });

  it('waits where the server only asks for patience', async () => {
    house = await open();
    const stream = await call(await start(), 'patience');
    expect(stream.messages.every(({ method }) => method === undefined)).toBe(true);
    const app = await start();
    const answer = await app.request('tools/call', { name: 'patience', arguments: {} });
    expect(said(answer.json)).toMatchObject({ requestState: 'wait' });
  });

  it('gets the id of a page to visit that its revision requires', async () => {
    house = await open();
    const app = await start();
    const stream = await call(app, 'page');
    const question = (await stream.message('elicitation/create')).json;
    expect(question.params).toMatchObject({ mode: 'url', elicitationId: expect.any(String) });
    await app.respond(question.id, { action: 'cancel' });
    expect(said((await stream.answer(1)).json)).toMatchObject({ inputResponses: { p: { action: 'cancel' } } });
  });

  it('is told, and the record with it, when it did not offer to answer or the policy forbids to ask', async () => {
    house = await open({ document: { serverRequests: { allowed: ['elicitation'] } } });
    for (const [name, capabilities] of [
      ['ask', { roots: {} }],
      ['sampling', everything],
    ] as const) {
      const app = await start(capabilities);
      const answer = await app.request('tools/call', { name, arguments: {} });
      expect(refusalOf(answer)).toMatchObject({ code: 'backend-failed' });
    }
    expect(house.rows('call.input')).toMatchObject([
      { method: 'elicitation/create', answer: 'not-allowed' },
      { method: 'sampling/createMessage', answer: 'not-allowed' },
    ]);
  });

  it('is not asked without end', async () => {
    house = await open();
    const app = await start();
    const stream = await call(app, 'endless');
    const answered = new Set<unknown>();
    const finished = until('the call ended', () => house.rows('call.end')[0]);
    const answering = (async () => {
      for (let i = 0; i < 10; i++) {
        const { json } = await stream.next((event) => event.json.method !== undefined && !answered.has(event.json.id));
        answered.add(json.id);
        await app.respond(json.id, accepted);
      }
    })();
    expect((await finished).outcome).toBe('backend-error');
    await answering;
    expect(answered.size).toBe(10);
  });

  it('cannot answer what nobody asked', async () => {
    house = await open();
    const app = await start();
    for (const key of ['requestState', 'inputResponses']) {
      const answer = await app.request('tools/call', { name: 'ask', arguments: {}, [key]: {} });
      expect(errorOf(answer.json).code).toBe(-32602);
    }
    expect(refusalIn((await app.request('tools/call', { name: 'none' })).json)).toEqual({});
    expect(house.rows('call.begin')).toEqual([]);
  });
});
