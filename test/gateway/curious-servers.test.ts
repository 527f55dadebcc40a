import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { openSession } from './support/bare-app.ts';
import { type House, openHouse, scriptServer } from './support/house.ts';

/** Servers that ask and ask: neither the record nor an app is theirs to fill. */

let house: House;
afterEach(() => house.close());

const servers = { curious: { launch: scriptServer(new URL('./support/curious-server.ts', import.meta.url)) } };
const call = (times: number) => ({ name: 'curious__ask', arguments: { times } });
const textOf = (answer: JsonObject) =>
  String(((answer.result as JsonObject).content as readonly JsonObject[])[0]?.text);

describe('when a server asks without end', () => {
  it('gets a row for the first questions that are not allowed, and the rest are counted in one', async () => {
    house = await openHouse({ servers, document: { serverRequests: { allowed: [] } } });
    const app = await openSession(house);
    for (let i = 0; i < 3; i++) expect(textOf((await app.request('tools/call', call(60))).json)).toBe('0');
    const rows = () => house.rows('call.input');
    expect(rows()).toHaveLength(20);
    house.clock.advance(61_000);
    await app.request('tools/call', call(1));
    expect(rows().slice(20)).toMatchObject([
      { alias: 'curious', method: 'roots/list', answer: 'not-allowed', more: 160, digest: expect.any(String) },
      { answer: 'not-allowed' },
    ]);
    expect(rows()[20]).not.toHaveProperty('callId');
    expect(house.audit.reader.verify()).toMatchObject({ ok: true });
  });

  it('may ask an app that answers a hundred things in one call, and again in the next', async () => {
    house = await openHouse({ servers });
    const app = await openSession(house, { roots: {} });
    for (let i = 1; i <= 2; i++) {
      const stream = await app.fetch('POST', {
        jsonrpc: '2.0',
        id: i,
        method: 'tools/call',
        params: call(130),
      });
      const answered = new Set<unknown>();
      while (answered.size < 100) {
        const { json } = await stream.next((each) => each.json.method === 'roots/list' && !answered.has(each.json.id));
        answered.add(json.id);
        await app.respond(json.id, { roots: [] });
      }
      expect(textOf((await stream.answer(i)).json)).toBe('100');
    }
    const answers = house.rows('call.input').map(({ answer }) => answer);
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(200);
    expect(answers.filter((answer) => answer === 'error')).toHaveLength(20);
  });
});
