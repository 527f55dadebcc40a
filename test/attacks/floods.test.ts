import { afterEach, describe, expect, it } from 'vitest';
import { ask, post, refusalOf, startSession, textOf } from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, until } from '../gateway/support/house.ts';

const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };

let house: House;
afterEach(() => house.close());

describe('when an app wants to fill the disk', () => {
  it('keeps of large arguments of a refused call their digest and size', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const args = { text: 'x'.repeat(20_000), more: 1 };
    await ask(house, session, 'tools/call', { name: 'nothing', arguments: args });
    await ask(house, session, 'tools/call', { name: 'files__add', arguments: args });
    const [unknown, invalid] = house.rows('call.refused');
    for (const row of [unknown, invalid]) {
      expect(row?.argumentsBytes).toBe(JSON.stringify(args).length);
      expect(JSON.stringify(row).length).toBeLessThan(16_000);
      expect(row).not.toHaveProperty('arguments');
      expect(row?.argumentsDigest).toMatch(/^[0-9a-f]{64}$/);
    }
    expect([unknown?.code, invalid?.code]).toEqual(['unknown-tool', 'invalid-arguments']);
    await ask(house, session, 'tools/call', { name: 'nothing', arguments: { small: true } });
    expect(house.rows('call.refused').at(-1)).toMatchObject({ arguments: '{"small":true}' });
  });

  it('records 120 refusals a minute one by one, the others as a count, and answers each', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house, '', '2025-03-26');
    const batch = Array.from({ length: 50 }, (_, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: `nothing-${id}` },
    }));
    for (let round = 0; round < 3; round++) {
      const answer = await post(house, batch, session.headers);
      const answers = answer.json as unknown as readonly { readonly error: unknown }[];
      expect(answers.filter(({ error }) => error !== undefined)).toHaveLength(50);
    }
    expect(house.rows('call.refused')).toHaveLength(120);
    const invalid = { name: 'files__add', arguments: {} };
    await ask(house, session, 'tools/call', invalid);
    expect(house.rows('call.refused').at(-1)?.code).toBe('invalid-arguments');
    house.clock.advance(61_000);
    await ask(house, session, 'tools/call', { name: 'nothing' });
    expect(house.rows('call.refused')).toHaveLength(122);
    expect(house.rows('app.rejected')).toMatchObject([
      { code: 'unknown-tool', message: expect.stringContaining('30 more') },
    ]);
  });
});

describe('when an app starts calls without end', () => {
  it('lets 256 run at once and refuses the next in words until one ends', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house, '', '2025-03-26');
    const batchOf = (length: number, from: number) =>
      Array.from({ length }, (_, id) => ({
        jsonrpc: '2.0',
        id: from + id,
        method: 'tools/call',
        params: { name: 'files__hang', arguments: {} },
      }));
    const sizes = [50, 50, 50, 50, 50, 6];
    const running = sizes.map((size, i) => post(house, batchOf(size, i * 50), session.headers));
    await until('all of them run', () => house.rows('call.begin').length === 256, 40_000);
    const add = { name: 'files__add', arguments: { a: 1, b: 2 } };
    const refused = await ask(house, session, 'tools/call', add, 'more');
    expect(refusalOf(refused.json.result)).toMatchObject({ code: 'too-many-calls' });
    expect(textOf(refused.json.result)).toContain('256');
    expect(house.rows('app.rejected')).toMatchObject([{ code: 'too-many-calls' }]);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } };
    await post(house, cancel, session.headers);
    await until('one has ended', () => house.rows('call.end').length === 1);
    expect(textOf((await ask(house, session, 'tools/call', add, 'again')).json.result)).toContain('3');
    house.gateway.appEnded(house.appId);
    await Promise.all(running);
  });
});
