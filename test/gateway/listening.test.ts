import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { modern, modernStream, openSession } from './support/bare-app.ts';
import type { Events } from './support/events.ts';
import { until } from './support/house.ts';
import { openScripted, type Scripted } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const listen = (notifications: JsonObject, id: number | string = 7) =>
  modernStream(house, 'subscriptions/listen', { notifications }, { id });

const methods = ({ messages }: Events) => messages.map(({ method }) => method);
const stamp = { 'io.modelcontextprotocol/subscriptionId': 7 };
const all = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };

describe('when a modern app listens', () => {
  it('hears first what it will hear of, then only that, all of it under its own id', async () => {
    house = await openScripted({ tools: {} });
    const everything = await listen({ ...all, resourceSubscriptions: ['file:///a', 'file:///b'] });
    const prompts = await listen({ promptsListChanged: true, toolsListChanged: false }, 'p');
    await everything.message('notifications/subscriptions/acknowledged');
    await prompts.message('notifications/subscriptions/acknowledged');
    house.announce();
    house.listenings[0]?.notify('notifications/resources/updated', { uri: 'file:///a', _meta: { k: 1 }, x: [1] });
    await everything.message('notifications/resources/updated');
    await prompts.message('notifications/prompts/list_changed');
    expect(everything.messages[0]?.params).toEqual({
      notifications: { ...all, resourceSubscriptions: ['file:///a', 'file:///b'] },
      _meta: stamp,
    });
    expect(methods(everything).toSorted()).toEqual([
      'notifications/prompts/list_changed',
      'notifications/resources/list_changed',
      'notifications/resources/updated',
      'notifications/subscriptions/acknowledged',
      'notifications/tools/list_changed',
    ]);
    const updated = everything.messages.find(({ method }) => method === 'notifications/resources/updated');
    expect(updated?.params).toEqual({ uri: 'file:///a', x: [1], _meta: { k: 1, ...stamp } });
    for (const { params } of everything.messages) expect(params).toMatchObject({ _meta: stamp });
    expect(methods(prompts)).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/prompts/list_changed',
    ]);
    everything.drop();
    prompts.drop();
  });

  it('is never sent what belongs to requests', async () => {
    house = await openScripted({ tools: {} });
    const stream = await listen({ resourceSubscriptions: ['file:///a'] });
    await stream.message('notifications/subscriptions/acknowledged');
    for (const method of ['notifications/message', 'notifications/progress', 'notifications/tools/list_changed']) {
      house.listenings[0]?.notify(method, {});
    }
    house.listenings[0]?.notify('notifications/resources/updated', { uri: 'file:///a' });
    await stream.message('notifications/resources/updated');
    expect(stream.messages).toHaveLength(2);
    stream.drop();
  });

  it('is promised only what can be watched, and hears nothing before that', async () => {
    let found: (uris: readonly string[]) => void = () => {};
    house = await openScripted({
      tools: {},
      watch: (uris) => (uris.length === 0 ? Promise.resolve([]) : new Promise((resolve) => (found = resolve))),
    });
    const stream = await listen({ toolsListChanged: true, resourceSubscriptions: ['file:///a', 'file:///b'] });
    await until('it is asked for', () => house.listenings.length === 1);
    house.announce();
    house.listenings[0]?.notify('notifications/resources/updated', { uri: 'file:///b' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.messages).toEqual([]);
    found(['file:///b']);
    await stream.message('notifications/resources/updated');
    expect(methods(stream)).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/resources/updated',
      'notifications/tools/list_changed',
    ]);
    expect(stream.messages[0]?.params).toMatchObject({
      notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///b'] },
    });
    stream.drop();
  });

  it('is told at once that there is nothing to hear of', async () => {
    house = await openScripted({
      tools: {},
      capabilities: { tools: {}, resources: { subscribe: false } },
      watch: () => Promise.reject(new Error('no server')),
    });
    for (const notifications of [{}, all, { resourceSubscriptions: ['file:///a'] }]) {
      const stream = await listen(notifications);
      await stream.ended();
      expect(stream.messages).toMatchObject([
        { params: { notifications: {} } },
        { id: 7, result: { resultType: 'complete', _meta: stamp } },
      ]);
    }
  });

  it('says in the log that resources could not be watched, and tells of the rest', async () => {
    house = await openScripted({ tools: {}, watch: () => Promise.reject(new Error('no server')) });
    const stream = await listen({ toolsListChanged: true, resourceSubscriptions: ['file:///a'] });
    const { json } = await stream.message('notifications/subscriptions/acknowledged');
    expect((json.params as JsonObject).notifications).toEqual({ toolsListChanged: true });
    expect(house.log.lines.join('\n')).toContain('resources-not-watched');
    stream.drop();
  });

  it('stops watching when it hangs up', async () => {
    house = await openScripted({ tools: {} });
    const stream = await listen({ resourceSubscriptions: ['file:///a'] });
    await stream.message('notifications/subscriptions/acknowledged');
    stream.drop();
    await until('it is told', () => house.heard.length === 2);
    expect(house.heard).toEqual(['watch file:///a', 'watch']);
    expect(house.listenings).toHaveLength(1);
    expect(house.gateway.connections().get(house.appId)).toBe(1);
  });

  it('is told with a result that the gateway ends it', async () => {
    house = await openScripted({ tools: {} });
    const stream = await listen(all);
    await stream.message('notifications/subscriptions/acknowledged');
    await house.gateway.close(0);
    await stream.ended();
    expect(stream.messages.at(-1)).toMatchObject({ id: 7, result: { resultType: 'complete' } });
  });

  it('works with the current SDK', async () => {
    house = await openScripted({ tools: {} });
    const client = new ModernClient({ name: 'a', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const heard: string[] = [];
    client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
    client.setNotificationHandler('notifications/prompts/list_changed', () => void heard.push('prompts'));
    const requestInit = { headers: { authorization: `Bearer ${house.token}` } };
    await client.connect(new ModernTransport(new URL(house.endpoint), { requestInit }));
    await client.listen({ toolsListChanged: true, promptsListChanged: true });
    house.announce();
    await until('it hears of both', () => heard.length === 2);
    await client.close();
  });
});

describe('when a legacy app listens', () => {
  it('hears of the kinds it was told it may', async () => {
    house = await openScripted({ tools: {}, capabilities: { tools: { listChanged: true }, resources: {} } });
    const app = await openSession(house);
    const stream = await app.listen();
    house.announce();
    await stream.message('notifications/tools/list_changed');
    await stream.message('notifications/resources/list_changed');
    expect(stream.messages).toEqual([
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
      { jsonrpc: '2.0', method: 'notifications/resources/list_changed' },
    ]);
    stream.drop();
  });
});

describe('when a filter is malformed', () => {
  it('is refused in words', async () => {
    house = await openScripted({ tools: {} });
    for (const notifications of ['all', null, { toolsListChanged: 'yes' }, { resourceSubscriptions: 'x' }]) {
      const { status, json } = await modern(house, 'subscriptions/listen', { notifications });
      expect([status, json.error]).toMatchObject([200, { code: -32602 }]);
    }
  });
});
