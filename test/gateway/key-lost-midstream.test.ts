import { afterEach, describe, expect, it } from 'vitest';
import { openSession } from './support/bare-app.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());

describe('when an app loses its key while an answer is a stream already', () => {
  it('is told on that stream what became of its call', async () => {
    house = await openHouse({ servers: { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } } });
    const app = await openSession(house);
    const params = { name: 'files__slow', arguments: { steps: 200, ms: 50 }, _meta: { progressToken: 't' } };
    const stream = await app.fetch('POST', { jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    await stream.message('notifications/progress');
    house.apps.revoke(house.appId);
    house.gateway.appEnded(house.appId);
    expect(JSON.stringify((await stream.answer(1)).json)).toContain("this app's key for Gatehouse was withdrawn");
    await stream.ended();
    await until('its end is recorded', () => house.rows('call.end').length === 1);
  });
});
