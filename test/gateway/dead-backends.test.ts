import { afterEach, describe, expect, it } from 'vitest';
import { legacyCaller, modernCaller, refusalOf, textOf } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());

const good = { launch: fixture('echo-stdio.ts'), title: 'Good' };
const pins = [{ name: 'do', inputSchema: { type: 'object' } }];

describe('when a server is slow, dead or hanging', () => {
  it('lists the others without it, and refuses its calls in words', async () => {
    const dead = {
      launch: { transport: 'stdio', command: process.execPath, args: ['-e', 'process.exit(3)'], env: [] },
      pins,
    } as const;
    house = await openHouse({ servers: { good, dead: { ...dead, title: 'Dead' } } });
    const client = await legacyCaller(house);
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    expect(names).toContain('good__echo');
    expect(names).not.toContain('dead__do');
    const result = await client.callTool({ name: 'dead__do', arguments: {} });
    expect(textOf(result)).toContain('Dead cannot be reached right now');
    expect(refusalOf(result)).toMatchObject({ code: 'backend-unavailable', contact: 'it@acme.example' });
    expect(house.rows('call.refused')).toMatchObject([{ code: 'backend-unavailable', alias: 'dead', tool: 'do' }]);
    await client.close();
  });

  it('waits for a hanging one only briefly, and only in the first list', async () => {
    house = await openHouse({
      servers: { hangs: { launch: fixture('hang-stdio.ts'), pins }, good },
      startTimeoutMs: 11_000,
    });
    const client = await modernCaller(house);
    for (let i = 0; i < 4; i++) expect((await client.listTools()).tools.length).toBeGreaterThan(0);
    // Four waits of three seconds would have outlasted its time to start.
    expect(house.backends.status().find((status) => status.alias === 'hangs')?.state).toBe('starting');
    await client.close();
  });

  it('announces a slow starter when it has arrived', async () => {
    const slow = `setTimeout(() => import(${JSON.stringify(new URL('../fixtures/servers/echo-stdio.ts', import.meta.url).href)}), 4000)`;
    house = await openHouse({
      servers: {
        slow: { launch: { transport: 'stdio', command: process.execPath, args: ['-e', slow], env: [] }, only: ['add'] },
      },
    });
    const client = await legacyCaller(house);
    let told = 0;
    client.fallbackNotificationHandler = async () => {
      told++;
    };
    expect((await client.listTools()).tools).toEqual([]);
    await until('list_changed', () => told > 0);
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(['slow__add']);
    await client.close();
  });

  it('says that a call failed whose server died under it, and carries the next one', async () => {
    house = await openHouse({ servers: { good } });
    const client = await legacyCaller(house);
    const result = await client.callTool({ name: 'good__crash', arguments: {} });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain('It may have had an effect');
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'backend-error' }]);
    await until(
      'it is back',
      () => house.backends.status().find((status) => status.alias === 'good')?.state !== 'backing-off',
    );
    await expect
      .poll(async () => textOf(await client.callTool({ name: 'good__add', arguments: { a: 1, b: 1 } })), {
        timeout: 20_000,
      })
      .toContain('2');
    await client.close();
  });

  it('stops a call at the deadline the policy gives', async () => {
    house = await openHouse({ servers: { good }, document: { resilience: { deadlineSeconds: 1 } } });
    const client = await legacyCaller(house);
    const result = await client.callTool({ name: 'good__hang', arguments: {} });
    expect(textOf(result)).toContain('did not answer within a second');
    expect(refusalOf(result).code).toBe('timeout');
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'timeout' }]);
    await client.close();
  });

  it('refuses a result larger than the policy allows, whole', async () => {
    house = await openHouse({ servers: { good }, document: { guard: { resultBytes: 2_000 } } });
    const client = await legacyCaller(house);
    const small = await client.callTool({ name: 'good__big', arguments: { bytes: 1_000 } });
    expect(small.isError).not.toBe(true);
    const large = await client.callTool({ name: 'good__big', arguments: { bytes: 5_000 } });
    expect(refusalOf(large).code).toBe('result-refused');
    expect(textOf(large)).toContain('your organisation allows 2000');
    expect(house.rows('call.end').at(-1)).toMatchObject({ outcome: 'result-refused' });
    expect(house.rows('call.end').at(-1)?.result).toBeUndefined();
    await client.close();
  });
});

describe('when a server answers with a tool error or a JSON-RPC error', () => {
  it('passes both on as they are', async () => {
    house = await openHouse({ servers: { good } });
    const client = await modernCaller(house);
    expect((await client.callTool({ name: 'good__fail', arguments: {} })).isError).toBe(true);
    await expect(client.callTool({ name: 'good__error', arguments: {} })).rejects.toThrow();
    expect(house.rows('call.end').map((row) => row.outcome)).toEqual(['tool-error', 'backend-error']);
    await client.close();
  });
});
