import { afterEach, describe, expect, it } from 'vitest';
import {
  ask,
  legacyCaller,
  modernCaller,
  modernPost,
  post,
  refusalOf,
  startSession,
  textOf,
} from './support/callers.ts';
import { fixture, type House, openHouse, permitAll, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());

const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };
const noAdd = `${permitAll} @id("no-add") forbid (principal, action in Action::"discover", resource == Tool::"files.add");`;

describe('when another policy comes into force', () => {
  it('tells a legacy app, whose next list and call follow it without reconnecting', async () => {
    house = await openHouse({ servers });
    const client = await legacyCaller(house);
    let told = 0;
    client.fallbackNotificationHandler = async () => {
      told++;
    };
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain('files__add');
    // The stream on which a session hears of changes is opened beside the first requests.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await house.publish({ cedar: noAdd });
    await until('list_changed', () => told > 0);
    expect((await client.listTools()).tools.map((tool) => tool.name)).not.toContain('files__add');
    await expect(client.callTool({ name: 'files__add', arguments: { a: 1, b: 2 } })).rejects.toThrow('Unknown tool');
    await house.publish({ cedar: permitAll });
    expect(textOf(await client.callTool({ name: 'files__add', arguments: { a: 1, b: 2 } }))).toContain('3');
    await client.close();
  });

  it('tells a modern app on the stream it listens on', async () => {
    house = await openHouse({ servers });
    const client = await modernCaller(house);
    let told = 0;
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      told++;
    });
    const subscription = await client.listen({ toolsListChanged: true });
    await house.publish({ cedar: noAdd });
    await until('list_changed', () => told > 0);
    await subscription.close();
    await client.close();
  });

  it('stops a call in flight on a server that is revoked, records it and says so', async () => {
    house = await openHouse({ servers });
    const client = await legacyCaller(house);
    const calling = client.callTool({ name: 'files__hang', arguments: {} });
    await until('the call runs', () => house.rows('call.begin').length === 1);
    await house.publish({ servers: { files: { ...servers.files, state: 'revoked' } } });
    const result = await calling;
    expect(refusalOf(result)).toMatchObject({ code: 'revoked' });
    expect(textOf(result)).toContain('withdrew its approval');
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'cancelled' }]);
    expect((await client.listTools()).tools).toEqual([]);
    await client.close();
  });

  it('lets a call in flight finish under the policy it began with', async () => {
    house = await openHouse({ servers });
    const client = await legacyCaller(house);
    const calling = client.callTool({ name: 'files__slow', arguments: { steps: 5, ms: 50 } });
    await until('the call runs', () => house.rows('call.begin').length === 1);
    await house.publish({ cedar: 'forbid (principal, action, resource);' });
    expect((await calling).isError).not.toBe(true);
    await client.close();
  });

  it('ends the sessions of an app that is no longer allowed', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    await house.publish({ document: { apps: { allowed: ['Claude'] } } });
    const answer = await ask(house, session, 'tools/list');
    expect(answer.status).toBe(403);
    expect(answer.json.error).toMatchObject({ data: { code: 'app-not-allowed' } });
    expect(JSON.stringify(answer.json.error)).toContain('does not allow Cursor');
    await house.publish({ document: {} });
    expect((await ask(house, session, 'tools/list')).status).toBe(404);
    expect(house.gateway.connections().get(house.appId) ?? 0).toBe(0);
  });
});

describe('when no policy is in force', () => {
  const reasons = [
    ['no-policy', 'Your organisation has not published a policy yet.'],
    ['policy-expired', 'The policy expired yesterday.'],
    ['paused', 'You paused all tools.'],
  ] as const;
  for (const [code, message] of reasons) {
    it(`shows nothing and refuses every call in those words (${code})`, async () => {
      house = await openHouse({ servers });
      house.setInForce({ ok: false, code, message });
      const client = await legacyCaller(house);
      expect((await client.listTools()).tools).toEqual([]);
      const result = await client.callTool({ name: 'files__add', arguments: { a: 1, b: 2 } });
      expect(textOf(result)).toBe(message);
      expect(refusalOf(result)).toMatchObject({ code });
      expect(house.rows('call.refused')).toMatchObject([{ code, tool: 'files__add', policyVersion: 0 }]);
      const modern = await modernPost(house, 'tools/list');
      expect(modern.json.result).toMatchObject({ tools: [] });
      house.setInForce(undefined);
      expect(textOf(await client.callTool({ name: 'files__add', arguments: { a: 1, b: 2 } }))).toContain('3');
      await client.close();
    });
  }
});

describe('when an endpoint is not one of the organisation', () => {
  it('says so for a profile and for a server nobody approved', async () => {
    house = await openHouse({ servers });
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const profile = await post(house, ping, {}, '/nope');
    expect(profile.status).toBe(404);
    expect(JSON.stringify(profile.json.error)).toContain('no set of tools called');
    const alias = await post(house, ping, {}, '/~nope');
    expect(alias.status).toBe(404);
    expect(JSON.stringify(alias.json.error)).toContain('has not approved');
  });
});
