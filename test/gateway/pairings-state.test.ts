import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Era, Puppet, type PuppetPlan } from '../fixtures/servers/puppet.ts';
import { everything } from '../fixtures/servers/puppet-tools.ts';
import { everyAbility } from './support/four-ways.ts';
import { type House, openHouse, until } from './support/house.ts';
import { type App, type Outcome, openApp } from './support/raw-apps.ts';

/** What servers keep from one request to the next: whose it is, and what becomes of it when they die. */

let house: House;
let puppets: Puppet[] = [];
afterEach(async () => {
  expect(house.audit.reader.verify().ok).toBe(true);
  await house.close();
  await Promise.all(puppets.map((puppet) => puppet.close()));
  puppets = [];
});

const kinds = (['legacy', 'modern'] as const).flatMap((era) =>
  (['stdio', 'http'] as const).map((transport) => [era, transport] as const),
);
const transports = [['stdio'], ['http']] as const;

async function open(...plans: readonly (readonly [era: Era, transport: PuppetPlan['transport']])[]): Promise<void> {
  puppets = await Promise.all(plans.map(([era, transport]) => Puppet.start({ ...everything, era, transport })));
  const servers = puppets.map(({ plan: { era, transport }, approved }) => [`${era}-${transport}`, approved]);
  house = await openHouse({ servers: Object.fromEntries(servers) });
}

const json = (value: string | undefined) => JSON.parse(value ?? 'null') as JsonObject;
const textOf = ({ result, error }: Outcome) => {
  const [block] = (json(result)?.content ?? []) as readonly JsonObject[];
  return block === undefined ? `no text: ${result ?? error}` : String(block.text);
};

function appsOf(alias: string) {
  return {
    app: (era: Era, token = house.token): Promise<App> =>
      openApp(era, { endpoint: house.endpoint, token }, { capabilities: everyAbility, suffix: `/~${alias}` }),
    another(): string {
      const issued = house.apps.issue('Another');
      if (!issued.ok) throw new Error(issued.message);
      return issued.token;
    },
  };
}

const call = (app: App, name: string, args: JsonObject = {}, options: Parameters<App['request']>[2] = {}) =>
  app.request('tools/call', { name, arguments: args }, options);
const question = (message: string): JsonObject => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties: {} } },
});
const accept = (value: string): JsonObject => ({ action: 'accept', content: { value } });
/** Answers each question with its own words, after a while that differs. */
const echo = (who: string) => async (_method: string, params: JsonObject) => {
  await sleep(5 + ((String(params.message).length * 7 + who.length) % 20));
  return accept(`${who}: ${String(params.message)}`);
};
const answersOf = (outcome: Outcome) =>
  (JSON.parse(textOf(outcome)) as readonly { content: JsonObject }[]).map(({ content }) => content.value);

describe.each(kinds)('when a %s server over %s dies', (era, transport) => {
  const alias = `${era}-${transport}`;

  it('a call in it is answered in words, and the app’s session goes on with its level and subscriptions', async () => {
    await open([era, transport]);
    const { app: openOne } = appsOf(alias);
    const [puppet] = puppets as [Puppet];
    const legacy = await openOne('legacy');
    const modern = await openOne('modern');
    await legacy.request('logging/setLevel', { level: 'error' });
    const streams = [await legacy.listen(), await modern.listen({ resourceSubscriptions: ['note://1'] })];
    await legacy.request('resources/subscribe', { uri: 'note://1' });
    await streams[1]?.message('notifications/subscriptions/acknowledged');
    expect(textOf(await call(legacy, 'count'))).toBe('1');

    const waiting = [call(legacy, 'wait'), call(modern, 'wait')];
    await until('both wait', () => {
      const calls = puppet.sessions.flatMap((session) => session.paramsOf('tools/call'));
      return calls.filter((params) => params.includes('"wait"')).length === 2;
    });
    puppet.crash();
    for (const outcome of await Promise.all(waiting)) {
      expect(json(outcome.result)).toMatchObject({ isError: true });
      expect(textOf(outcome)).toMatch(/failed: it stopped while it ran\. It may have had an effect\./);
    }

    let again = await call(legacy, 'count');
    for (let tries = 0; tries < 100 && json(again.result).isError === true; tries++) {
      // A session that an HTTP server forgot shows with the first request in it.
      expect(textOf(again)).toMatch(/cannot be reached right now|it stopped while it ran/);
      await sleep(50);
      again = await call(legacy, 'count');
    }
    expect(textOf(again)).toBe('1');
    expect(textOf(await call(legacy, 'log'))).toBe('error');
    await until('both watch again', () => {
      const watching = (session: (typeof puppet.sessions)[number]) =>
        session.subscribed.size + [...session.listening.values()].filter((each) => each.resourceSubscriptions).length;
      return puppet.sessions.reduce((all, session) => all + watching(session), 0) === 2;
    });
    puppet.announce('notifications/resources/updated', { uri: 'note://1' });
    for (const stream of streams) {
      expect((await stream.message('notifications/resources/updated')).json.params).toMatchObject({ uri: 'note://1' });
      stream.drop();
    }
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toContain('backend-error');
  });
});

describe.each(transports)('when a 2025 server over %s keeps state', (transport) => {
  const alias = `legacy-${transport}`;

  it('each session of 2025 apps has its own, and each 2026 app has its own', async () => {
    await open(['legacy', transport]);
    const { app: openOne, another } = appsOf(alias);
    const theirs = another();
    const apps = await Promise.all([
      openOne('legacy'),
      openOne('legacy'),
      openOne('legacy', theirs),
      openOne('modern'),
      openOne('modern', theirs),
    ]);
    for (let round = 1; round <= 3; round++) {
      const counts = await Promise.all(apps.map((app) => call(app, 'count')));
      expect(counts.map(textOf)).toEqual(apps.map(() => String(round)));
    }
    expect(new Set(house.rows('call.begin').map(({ session }) => session)).size).toBe(apps.length);
  });

  it('what it asks in many calls at once reaches the app that made each call, and the answer that call', async () => {
    await open(['legacy', transport]);
    const { app: openOne, another } = appsOf(alias);
    const theirs = another();
    const apps = [
      ['a', await openOne('legacy')],
      ['b', await openOne('legacy')],
      ['c', await openOne('legacy', theirs)],
      ['d', await openOne('modern')],
      ['e', await openOne('modern', theirs)],
    ] as const;
    const calls = apps.flatMap(([who, app]) =>
      // Over stdio a 2025 server's question does not say which of one session's calls it belongs to.
      Array.from({ length: app.era === 'modern' ? 4 : 1 }, async (_, i) => {
        const words = [`${who}${i} first`, `${who}${i} and second`];
        const outcome = await call(app, 'ask', { questions: words.map(question) }, { answer: echo(who) });
        expect(outcome.asked.map(({ params }) => json(params).message)).toEqual(words);
        expect(answersOf(outcome)).toEqual(words.map((word) => `${who}: ${word}`));
      }),
    );
    await Promise.all(calls);
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toEqual(calls.map(() => 'ok'));
    expect(house.rows('call.input')).toHaveLength(calls.length * 2);
  });
});

describe.each(transports)('when a 2025 app makes many calls at once in one session, over %s', (transport) => {
  it('a question outlives the other calls, whichever stream it came on', async () => {
    await open(['legacy', transport]);
    const app = await appsOf(`legacy-${transport}`).app('legacy');
    const [puppet] = puppets as [Puppet];
    const stop = new AbortController();
    // The oldest of them is the one a question without a sign of its own is taken to belong to.
    const answer = async (_method: string, params: JsonObject) => {
      await app.cancel('other', stop);
      await until('the other is over', () => house.rows('call.end').length === 1);
      await sleep(20);
      return accept(`a: ${String(params.message)}`);
    };
    const other = call(app, 'wait', {}, { id: 'other', answer, signal: stop.signal });
    await until('it waits', () => puppet.sessions.some(({ state }) => state.get('waiting') === true));
    const outcome = await call(app, 'ask', { questions: [question('late?')] }, { answer });
    expect(answersOf(outcome)).toEqual(['a: late?']);
    await other;
  });

  it('each of many gets its own answers', async () => {
    await open(['legacy', transport]);
    const app = await appsOf(`legacy-${transport}`).app('legacy');
    const calls = Array.from({ length: 6 }, async (_, i) => {
      const words = [`${i} first`, `${i} and second`, `${i}, and the third of them`].slice(i % 3);
      const outcome = await call(app, 'ask', { questions: words.map(question) }, { answer: echo('a') });
      expect(answersOf(outcome)).toEqual(words.map((word) => `a: ${word}`));
    });
    await Promise.all(calls);
  });
});

describe('when a 2026 app calls a 2025 server over stdio that asks twice in one call', () => {
  const attempt = async (app: App, params: JsonObject) =>
    json((await app.request('tools/call', { name: 'ask', ...params }, { whole: true })).result);
  const answered = (asked: JsonObject, value: string): JsonObject => ({
    requestState: asked.requestState ?? '',
    inputResponses: Object.fromEntries(
      Object.keys(asked.inputRequests as JsonObject).map((key) => [key, accept(value)]),
    ),
  });

  it('two such calls at once, step by step and crossed, each end with their own answers', async () => {
    await open(['legacy', 'stdio']);
    const app = await appsOf('legacy-stdio').app('modern');
    const one = { arguments: { questions: [question('one?'), question('one more?')] } };
    const two = { arguments: { questions: [question('two?'), question('two more?')] } };
    const message = (asked: JsonObject) =>
      Object.values(asked.inputRequests as Record<string, { params: JsonObject }>).map(({ params }) => params.message);

    const [oneFirst, twoFirst] = await Promise.all([attempt(app, one), attempt(app, two)]);
    expect([message(oneFirst), message(twoFirst)]).toEqual([['one?'], ['two?']]);
    // The second call's answer first, and a handle of one call is nothing to the other.
    const crossed = await app.request('tools/call', { name: 'ask', ...two, ...answered(oneFirst, 'stolen') });
    expect(json(crossed.error)).toMatchObject({ code: -32602 });
    const twoSecond = await attempt(app, { ...two, ...answered(twoFirst, 'B1') });
    const oneSecond = await attempt(app, { ...one, ...answered(oneFirst, 'A1') });
    expect([message(oneSecond), message(twoSecond)]).toEqual([['one more?'], ['two more?']]);
    const oneDone = await attempt(app, { ...one, ...answered(oneSecond, 'A2') });
    const twoDone = await attempt(app, { ...two, ...answered(twoSecond, 'B2') });
    const values = ({ content }: JsonObject) => JSON.parse((content as readonly { text: string }[])[0]?.text ?? '');
    expect(values(oneDone)).toEqual([accept('A1'), accept('A2')]);
    expect(values(twoDone)).toEqual([accept('B1'), accept('B2')]);
    expect(house.rows('call.begin')).toHaveLength(2);
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
    expect(house.rows('call.input').map(({ callId }) => callId)).toHaveLength(4);
  });

  it('its call ends when its server dies while the app is asked', async () => {
    await open(['legacy', 'stdio']);
    const app = await appsOf('legacy-stdio').app('modern');
    const params = { arguments: { questions: [question('still there?')] } };
    const asked = await attempt(app, params);
    puppets[0]?.crash();
    await until('its end is recorded', () => house.rows('call.end').length === 1);
    const late = await attempt(app, { ...params, ...answered(asked, 'yes') });
    expect(late).toMatchObject({ isError: true, resultType: 'complete' });
    expect(JSON.stringify(late)).toContain('it stopped while it ran');
  });
});
