import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, type BareApp, modern, openSession } from './support/bare-app.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

/** Apps of either revision over servers of either: what a server asks and says reaches the app that caused it. */

let house: House;
afterEach(() => house.close());

const capabilities: JsonObject = { elicitation: {}, sampling: {}, roots: {} };
const form = { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const ask = (more: JsonObject = {}) => ({
  name: 'ask',
  arguments: { method: 'elicitation/create', params: form, ...more },
});
const accepted: JsonObject = { action: 'accept', content: { name: 'Ada' } };
const servers = { talker: { launch: fixture('talker.ts', 'stdio') }, fresh: { launch: fixture('talker-modern.ts') } };

const textOf = ({ result }: JsonObject) =>
  String(((result as JsonObject | undefined)?.content as readonly JsonObject[] | undefined)?.[0]?.text);
const resultOf = ({ json }: Answered) => json.result as JsonObject;

/** Everything a parked request was asked, answered alike. */
function retried(params: JsonObject, result: JsonObject, answer = accepted): JsonObject {
  const keys = Object.keys(result.inputRequests as JsonObject);
  return {
    ...params,
    requestState: result.requestState ?? null,
    inputResponses: Object.fromEntries(keys.map((key) => [key, answer])),
  };
}

async function legacyCall(app: BareApp, params: JsonObject, id = 1) {
  return app.fetch('POST', { jsonrpc: '2.0', id, method: 'tools/call', params });
}

describe('when a 2025 server asks', () => {
  it('asks a 2025 app on the stream of its call', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, capabilities, { suffix: '/~talker' });
    const stream = await legacyCall(app, ask());
    const question = (await stream.message('elicitation/create')).json;
    expect(question.params).toMatchObject(form);
    await app.respond(question.id, accepted);
    expect(JSON.parse(textOf((await stream.answer(1)).json))).toEqual({ result: accepted });
  });

  it('asks a 2026 app with input_required, and goes on with the call that waits', async () => {
    house = await openHouse({ servers });
    const options = { capabilities, suffix: '/~talker' };
    const asked = resultOf(await modern(house, 'tools/call', ask(), options));
    expect(asked).toMatchObject({ resultType: 'input_required', requestState: expect.stringMatching(/^gatehouse\./) });
    expect(Object.values(asked.inputRequests as JsonObject)).toMatchObject([
      { method: 'elicitation/create', params: form },
    ]);
    const done = await modern(house, 'tools/call', retried(ask(), asked), { ...options, id: 2 });
    expect(JSON.parse(textOf(done.json))).toEqual({ result: accepted });
    await until('one call was made', () => house.rows('call.end').length === 1);
    expect(house.rows('call.begin')).toHaveLength(1);
    expect(house.rows('call.input')).toMatchObject([{ method: 'elicitation/create', answer: 'accept' }]);
  });

  it('is told what a 2026 app did not offer, and that app is not asked', async () => {
    house = await openHouse({ servers });
    const answer = await modern(house, 'tools/call', ask(), { capabilities: { roots: {} }, suffix: '/~talker' });
    expect(resultOf(answer).resultType).toBe('complete');
    expect(JSON.parse(textOf(answer.json))).toHaveProperty('error');
  });

  it('ends recorded as cancelled when a 2026 app never comes back', async () => {
    house = await openHouse({ servers, document: { gateway: { parkedSeconds: 10 } } });
    const options = { capabilities, suffix: '/~talker' };
    const asked = resultOf(await modern(house, 'tools/call', ask(), options));
    house.clock.advance(10_001);
    const late = await modern(house, 'tools/call', retried(ask(), asked), options);
    expect(late.json.error).toMatchObject({ code: -32602 });
    const end = await until('its end is recorded', () => house.rows('call.end').at(-1), 20_000);
    expect(end.outcome).toBe('cancelled');
  });

  it('withdraws its question from a 2025 app when it needs no answer any more', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, capabilities, { suffix: '/~talker' });
    const params = { name: 'ask-and-cancel', arguments: { method: 'elicitation/create', params: form, ms: 50 } };
    const stream = await legacyCall(app, params);
    const question = (await stream.message('elicitation/create')).json;
    const cancelled = (await stream.message('notifications/cancelled')).json;
    expect(cancelled.params).toMatchObject({ requestId: question.id });
    await stream.answer(1);
  });

  it('keeps two apps apart that are asked at the same time', async () => {
    house = await openHouse({ servers });
    const apps = await Promise.all([1, 2, 3].map(() => openSession(house, capabilities, { suffix: '/~talker' })));
    const streams = await Promise.all(
      apps.map((app, i) => legacyCall(app, ask({ params: { ...form, message: `${i}` } }))),
    );
    for (const [i, stream] of streams.entries()) {
      const question = (await stream.message('elicitation/create')).json;
      expect((question.params as JsonObject).message).toBe(String(i));
      await apps[i]?.respond(question.id, { action: 'accept', content: { name: `app ${i}` } });
    }
    for (const [i, stream] of streams.entries()) {
      expect(textOf((await stream.answer(1)).json)).toContain(`app ${i}`);
    }
  });
});

describe('when a connection breaks while a server works', () => {
  it('still gets what the server says and asks, and the result', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, capabilities, { suffix: '/~talker' });
    const stream = await legacyCall(app, ask());
    const { id } = await stream.message('elicitation/create');
    const question = (await stream.message('elicitation/create')).json;
    stream.drop();
    await app.respond(question.id, accepted);
    const again = await app.listen(id);
    expect(JSON.parse(textOf((await again.answer(1)).json))).toEqual({ result: accepted });
  });
});
