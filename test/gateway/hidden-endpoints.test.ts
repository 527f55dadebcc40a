import { afterEach, describe, expect, it } from 'vitest';
import { BareApp, modern, openSession } from './support/bare-app.ts';
import { fixture, type House, openHouse } from './support/house.ts';

/** The endpoint of a server of which an app may see nothing: there is no such endpoint. */

let house: House;
afterEach(() => house.close());

const launch = fixture('echo-stdio.ts');
const onlyOne = `@id("one") permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource)
  when { resource.server == "one" };`;
const both = onlyOne.replace('resource.server == "one"', 'true');
const open = (cedar: string) => openHouse({ servers: { one: { launch }, two: { launch } }, cedar });
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};
const stateOf = (alias: string) => house.backends.status().find((each) => each.alias === alias)?.sessions ?? 0;

describe('when an app asks at the endpoint of a server it may see nothing of', () => {
  it('gets the very answer it gets where there is no server, whatever it asks, and nothing is started', async () => {
    house = await open(onlyOne);
    const answers = async (alias: string) => {
      const suffix = `/~${alias}`;
      const app = new BareApp(house, {}, suffix);
      const all = [
        await app.post(initialize),
        await app.post({ jsonrpc: '2.0', id: 2, method: 'tools/list' }),
        await modern(house, 'server/discover', {}, { suffix }),
        await modern(house, 'tools/list', {}, { suffix }),
        await modern(house, 'tools/call', { name: 'echo', arguments: {} }, { suffix }),
      ];
      const get = await app.raw('GET', undefined);
      const seen = all.map(({ status, json }) => [status, json]);
      return JSON.stringify([seen, get.status, await get.json()]).replaceAll(alias, 'ALIAS');
    };
    const hidden = await answers('two');
    expect(hidden).toBe(await answers('six'));
    expect(hidden).toContain(String.raw`"Your organisation has not approved \"ALIAS\". Ask`);
    expect(hidden).toContain('404');
    expect(stateOf('two')).toBe(0);
    expect(house.rows('call.begin', 'call.refused')).toEqual([]);
    const seen = await openSession(house, {}, { suffix: '/~one' });
    expect(JSON.stringify((await seen.request('tools/list')).json)).toContain('echo');
  });

  it('loses what it had there with the policy that hides it', async () => {
    house = await open(both);
    const app = await openSession(house, {}, { suffix: '/~two' });
    expect((await app.request('ping')).status).toBe(200);
    await house.publish({ cedar: onlyOne });
    expect((await app.request('ping')).status).toBe(404);
    await house.publish({ cedar: both });
    expect((await modern(house, 'tools/list', {}, { suffix: '/~two' })).status).toBe(200);
  });
});
