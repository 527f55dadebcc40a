import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, modern, modernMessage, modernStream, openSession } from './support/bare-app.ts';
import type { Events } from './support/events.ts';
import { type House, openHouse, type ServerPlan, scriptServer, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());

const unasked = (own: string): ServerPlan => ({
  launch: scriptServer(new URL('./support/unasked-server.ts', import.meta.url), own),
  also: { resources: 'as-shown', capabilities: { resources: { subscribe: true, listChanged: true }, logging: {} } },
});
const servers = { one: unasked('one'), two: unasked('two') };
const actions = `action in [Action::"discover", Action::"call", Action::"unattended"]`;
const only = (server: string) =>
  `@id("only") permit (principal, ${actions}, resource) when { resource.server == "${server}" };`;

const count = ({ messages }: Events, method: string) => messages.filter((each) => each.method === method).length;
const updated = 'notifications/resources/updated';
const settle = () => sleep(300);
const seen = async (name = 'one__seen') => {
  const { json } = await modern(house, 'tools/call', { name });
  const { content } = json.result as { content: readonly { text: string }[] };
  return JSON.parse(content[0]?.text ?? '{}') as { watched: string[]; history: string[]; capabilities: JsonObject };
};

describe('when a publish hides a server', () => {
  it('ends what it was asked to tell of, and its sessions: it can neither tell, log nor ask any more', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, { roots: {} });
    const stream = await app.listen();
    await app.request('resources/subscribe', { uri: 'one+one://a' });
    await app.request('resources/subscribe', { uri: 'two+two://a' });
    await app.request('tools/call', { name: 'one__chatter' });
    await app.request('tools/call', { name: 'two__chatter' });
    for (const method of [updated, 'notifications/message', 'roots/list']) await stream.message(method);
    const params = () => stream.messages.filter(({ method }) => method === updated).map((each) => each.params);
    // What a server that is still allowed says beside the URI is passed on as it is.
    expect(params()).toContainEqual({ uri: 'one+one://a', 'x-kept': 'one' });
    await house.publish({ cedar: only('two') });
    await settle();
    stream.seen.length = 0;
    await settle();
    expect(JSON.stringify(params())).not.toContain('one');
    expect(params()).toContainEqual({ uri: 'two+two://a', 'x-kept': 'two' });
    const logs = stream.messages.filter(({ method }) => method === 'notifications/message').map((each) => each.params);
    expect(JSON.stringify(logs)).not.toContain('one says');
    expect(house.backends.status().map(({ alias, sessions }) => [alias, sessions > 0])).toContainEqual(['two', true]);
    // The house's own look at it is all that may be left.
    expect(house.backends.status().find(({ alias }) => alias === 'one')?.sessions).toBeLessThan(2);
    stream.drop();
  });

  it('ends a modern listener’s watches, and keeps those the policy still allows', async () => {
    house = await openHouse({ servers });
    const stream = await modernStream(house, 'subscriptions/listen', {
      notifications: { resourceSubscriptions: ['one+one://a', 'one+one://b', 'two+two://a'] },
    });
    await stream.message('notifications/subscriptions/acknowledged');
    const hides = `@id("b") forbid (principal, action in Action::"call", resource is Resource) when { context.args.uri == "one://b" };`;
    const cedar = `@id("all") permit (principal, ${actions}, resource); ${hides}`;
    await house.publish({ cedar });
    await settle();
    expect((await seen()).watched).toEqual(['one://a']);
    expect((await seen('two__seen')).watched).toEqual(['two://a']);
    await house.publish({ cedar: only('two') });
    await house.publish({ cedar: `@id("all") permit (principal, ${actions}, resource);` });
    await settle();
    expect((await seen()).watched).toEqual([]);
    expect((await seen('two__seen')).watched).toEqual(['two://a']);
    stream.drop();
  });
});

describe('when a list changes', () => {
  it('tells only who can see something of the server', async () => {
    const cedar = `${only('two')} @id("claude") permit (principal, ${actions}, resource) when { context.app == "Claude" };`;
    house = await openHouse({ servers, cedar });
    const issued = house.apps.issue('Claude');
    if (!issued.ok) throw new Error(issued.message);
    const sighted = await openSession({ ...house, token: issued.token });
    const blind = await openSession(house);
    const streams = [await sighted.listen(), await blind.listen()];
    streams.push(await modernStream(house, 'subscriptions/listen', { notifications: { toolsListChanged: true } }));
    const alone = await openSession({ ...house, token: issued.token }, {}, { suffix: '/~two' });
    streams.push(await alone.listen());
    await sighted.request('tools/list');
    await blind.request('tools/list');
    await sleep(100);
    const method = 'notifications/tools/list_changed';
    const counts = () => streams.map((stream) => count(stream, method));
    const before = counts();
    await sighted.request('tools/call', { name: 'one__changed' });
    await until('the one that sees it hears of it', () => (counts()[0] ?? 0) > (before[0] ?? 0));
    await sleep(100);
    expect(counts().slice(1)).toEqual(before.slice(1));
    await blind.request('tools/call', { name: 'two__changed' });
    await until('everybody hears of it', () => counts().every((n, i) => n > (before[i] ?? 0)));
    for (const stream of streams) stream.drop();
  });
});

describe('when a modern app leaves questions unanswered', () => {
  const capabilities = { elicitation: { form: {} } };
  const call = (name: string, more: JsonObject = {}) =>
    modern(house, 'tools/call', { name, arguments: {}, ...more }, { capabilities });
  const inputResponses = { 'input-1': { action: 'accept', content: {} } };

  it('can still use the server: the oldest of them gives way, and is told so when it is answered', async () => {
    house = await openHouse({ servers });
    const states: unknown[] = [];
    for (let i = 0; i < 8; i++) states.push(((await call('one__ask')).json.result as JsonObject).requestState);
    expect((await call('one__plain')).json.result).toMatchObject({ content: [{}] });
    const [first, , third] = states as [string, string, string];
    const answered = await call('one__ask', { requestState: third, inputResponses });
    expect(JSON.stringify(answered.json.result)).toContain('accept');
    const gone = await call('one__ask', { requestState: first, inputResponses });
    expect(JSON.stringify(gone.json)).toContain('its question was not answered');
    expect(house.rows('call.end').map(({ outcome }) => outcome)).toEqual(['cancelled', 'ok', 'ok']);
  });
});

describe('when a modern listener hangs up', () => {
  const listen = (...resourceSubscriptions: string[]) => {
    const stop = new AbortController();
    const { body, headers } = modernMessage('subscriptions/listen', { notifications: { resourceSubscriptions } });
    const response = new BareApp(house, headers).raw('POST', body, stop.signal).catch(() => undefined);
    return { response, hangUp: () => stop.abort() };
  };

  it('leaves nothing watched, however early it does', async () => {
    house = await openHouse({ servers });
    await seen();
    for (const ms of [0, 20, 60, 130, 250]) {
      const { response, hangUp } = listen('one+one://a', 'one+one://b', 'one+one://c');
      await sleep(ms);
      hangUp();
      await response;
    }
    await sleep(600);
    const { watched, history } = await seen();
    expect([watched, history.length > 0]).toEqual([[], true]);
    const others = await modernStream(house, 'subscriptions/listen', {
      notifications: { resourceSubscriptions: ['one+one://a'] },
    });
    const acknowledged = await others.message('notifications/subscriptions/acknowledged');
    expect(acknowledged.json.params).toMatchObject({ notifications: { resourceSubscriptions: ['one+one://a'] } });
    others.drop();
  });

  it('asks no person for it, and says in the record what it would have to ask', async () => {
    const cedar = `@id("all") permit (principal, action in [Action::"discover", Action::"call"], resource);
      @id("free") permit (principal, action in Action::"unattended", resource is Resource) when { context.args.uri == "one://b" };`;
    house = await openHouse({ servers, cedar });
    const notifications = { resourceSubscriptions: ['one+one://a', 'one+one://b', 'one+one://c'] };
    const stream = await modernStream(house, 'subscriptions/listen', { notifications });
    const acknowledged = await stream.message('notifications/subscriptions/acknowledged');
    expect(acknowledged.json.params).toMatchObject({ notifications: { resourceSubscriptions: ['one+one://b'] } });
    expect(house.approvals.pending()).toEqual([]);
    expect(house.rows('call.refused')).toMatchObject([
      { code: 'not-approved-by-person', method: 'resources/subscribe', tool: 'one://a' },
      { code: 'not-approved-by-person', method: 'resources/subscribe', tool: 'one://c' },
    ]);
    stream.drop();
  });

  it('had nobody asked for it by a policy that came meanwhile either', async () => {
    house = await openHouse({ servers });
    await seen();
    const { response, hangUp } = listen('one+one://a', 'one+one://b', 'one+one://c');
    await sleep(50);
    await house.publish({
      cedar: `@id("all") permit (principal, action in [Action::"discover", Action::"call"], resource);`,
    });
    await sleep(300);
    expect([house.approvals.pending(), house.rows('approval.asked')]).toEqual([[], []]);
    expect(house.rows('call.refused').map(({ tool }) => tool)).toEqual(['one://b', 'one://c']);
    hangUp();
    await response;
  });
});
