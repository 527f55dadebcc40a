import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type BareApp, modern, modernStream, openSession } from '../gateway/support/bare-app.ts';
import { fixture, type House, openHouse, until } from '../gateway/support/house.ts';
import { errorOf, library } from '../gateway/support/library.ts';

/** Servers and apps that reach for what is another's, by writing its name. */

let house: House;
afterEach(() => house.close());

const servers = { evil: library('evil'), bank: library('bank', '', { resources: 'none' }) };
const link = async (app: BareApp, uri: string) => {
  const answer = await app.request('tools/call', { name: 'evil__link', arguments: { uri } });
  return String((answer.json.result as { content: JsonObject[] }).content[0]?.uri);
};
const readBy = () => house.rows('call.begin').filter(({ method }) => method === 'resources/read');

describe('when a server links to what is another server’s', () => {
  it('is asked for it itself, however it writes the link', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house);
    for (const uri of [
      'bank+note://1',
      'bank+bank://self',
      '+bank+note://1',
      'evil+note://1',
      'bank%2Bnote://1',
      'note://1',
    ]) {
      const linked = await link(app, uri);
      expect(linked).toBe(`evil+${uri}`);
      const read = await app.request('resources/read', { uri: linked });
      expect(JSON.stringify(read.json.result)).toContain(JSON.stringify(`this is ${uri}`));
    }
    expect(readBy().every(({ alias }) => alias === 'evil')).toBe(true);
  });
});

describe('when an app writes the name of what it was not shown', () => {
  it('reaches nothing by a prefix that is no server’s, or by another server’s template', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house);
    const uris = [
      'bank+bank://self',
      'bank+file:///etc/passwd',
      'BANK+note://1',
      'x-bank+note://1',
      'note://1',
      'bank',
    ];
    for (const uri of [
      ...uris,
      '+note://1',
      'bank++note://1',
      'bank+note://1/../2',
      `bank+note://${'x'.repeat(9_000)}`,
    ]) {
      expect(errorOf((await app.request('resources/read', { uri })).json).code).toBe(-32002);
      expect(errorOf((await app.request('resources/subscribe', { uri })).json).code).toBe(-32002);
    }
    expect(house.rows('call.begin')).toEqual([]);
    expect((await app.request('resources/read', { uri: 'bank+note://1' })).json.result).toBeDefined();
  });

  it('has no other server by the endpoint of one', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, {}, { suffix: '/~evil' });
    for (const uri of ['bank+note://1', 'note://1']) await app.request('resources/read', { uri });
    expect(readBy().every(({ alias }) => alias === 'evil')).toBe(true);
  });
});

describe('when a server tells of changes nobody asked to hear of', () => {
  it('is heard by none, whatever it says changed', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house);
    const stream = await app.listen();
    await app.request('resources/subscribe', { uri: 'bank+note://1' });
    await app.request('resources/subscribe', { uri: 'evil+note://1' });
    const touch = (uri: string) => app.request('tools/call', { name: 'evil__touch', arguments: { uri } });
    for (const uri of ['bank+note://1', 'note://2', 'note://11', 'note://1#part']) await touch(uri);
    const updates = () =>
      stream.messages.filter(({ method }) => method === 'notifications/resources/updated').map(({ params }) => params);
    await until('what was asked for', () => updates().length > 0);
    expect(updates()).toMatchObject([{ uri: 'evil+note://1#part' }]);
    stream.drop();
  });

  it('tells each 2026 app what it listens to, and no other app', async () => {
    house = await openHouse({ servers });
    const other = house.apps.issue('Claude');
    if (!other.ok) throw new Error(other.message);
    const listen = (door: { endpoint: string; token: string }, uri: string) =>
      modernStream(door, 'subscriptions/listen', {
        notifications: { resourceSubscriptions: [uri, 'bank+nothing://x'] },
      });
    const mine = await listen(house, 'evil+note://1');
    const also = await listen(house, 'evil+note://2');
    const theirs = await listen({ endpoint: house.endpoint, token: other.token }, 'evil+note://1');
    for (const each of [mine, also, theirs]) {
      const { json } = await each.message('notifications/subscriptions/acknowledged');
      expect(JSON.stringify(json)).not.toContain('nothing');
    }
    await modern(house, 'tools/call', { name: 'evil__touch', arguments: { uri: 'note://1' } });
    const updated = await mine.message('notifications/resources/updated');
    expect(updated.json.params).toMatchObject({ uri: 'evil+note://1' });
    for (const each of [also, theirs]) expect(each.messages).toHaveLength(1);
    expect(house.rows('call.begin').filter(({ method }) => method === 'resources/subscribe')).toHaveLength(3);
    for (const each of [mine, also, theirs]) each.drop();
  });
});

describe('when a server asks an app about what other servers had it do', () => {
  it('learns of no task but its own', async () => {
    const talker = { launch: fixture('talker.ts', 'stdio') };
    house = await openHouse({ servers: { talker } });
    const tasks = { list: {}, cancel: {}, requests: { elicitation: { create: {} } } };
    const app = await openSession(house, { elicitation: {}, tasks });
    const asking = (method: string, params: JsonObject) => ({ name: 'talker__ask', arguments: { method, params } });
    const got = await app.request('tools/call', asking('tasks/get', { taskId: 'of-another' }));
    expect(JSON.stringify(got.json)).toContain('Task not found');
    const params = asking('tasks/list', {});
    const list = await app.fetch('POST', { jsonrpc: '2.0', id: 2, method: 'tools/call', params });
    const question = (await list.message('tasks/list')).json;
    await app.respond(question.id, { tasks: [{ taskId: 'of-another', status: 'working' }] });
    expect(JSON.stringify((await list.answer(2)).json)).not.toContain('of-another');
  });
});
