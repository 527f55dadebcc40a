import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { ask, modernPost, type RawSession, startSession, textOf } from '../gateway/support/callers.ts';
import { type House, openHouse, scriptServer } from '../gateway/support/house.ts';

let house: House;
let session: RawSession;
beforeAll(async () => {
  house = await openHouse({
    servers: { bad: { launch: scriptServer(new URL('./hostile-server.ts', import.meta.url)) } },
    document: { resilience: { deadlineSeconds: 10 } },
  });
  session = await startSession(house);
});
afterAll(() => house.close());

const call = (tool: string, meta: JsonObject = {}) =>
  ask(house, session, 'tools/call', { name: `bad__${tool}`, arguments: {}, _meta: meta });

describe('when a server means harm', () => {
  it('takes only the answer to its own id', async () => {
    expect(textOf((await call('wrong-id')).json.result)).toBe('the right one');
  });

  it('takes the first of two answers, and the next call is not confused', async () => {
    expect(textOf((await call('twice')).json.result)).toBe('first');
    expect(textOf((await call('wrong-id')).json.result)).toBe('the right one');
  });

  it('answers in words where there is neither result nor error, or a result that is none', async () => {
    for (const tool of ['no-result', 'null-result']) {
      const answer = await call(tool);
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.json)).toMatch(/It may have had an effect|error/);
    }
  });

  it('answers the caller by its own id, and ends the record, where an error nests too deep', async () => {
    const answer = await ask(house, session, 'tools/call', { name: 'bad__deep-error', arguments: {} }, 'mine');
    expect(answer.json).toMatchObject({ id: 'mine' });
    expect(textOf(answer.json.result)).toContain('It may have had an effect');
    const begun = house.rows('call.begin').at(-1);
    expect(house.rows('call.end').at(-1)).toMatchObject({ callId: begun?.callId, outcome: 'backend-error' });
    const modern = await modernPost(house, 'tools/call', { name: 'bad__deep-error', arguments: {} });
    expect(textOf(modern.json.result)).toContain('It may have had an effect');
  });

  it('survives a result that nests without end', async () => {
    const answer = await call('deep');
    expect(answer.status).toBe(200);
    // A message like that may cost the server its connection; it is back after its pause.
    let again = '';
    for (let round = 0; round < 60 && again !== 'first'; round++) {
      again = textOf((await call('twice')).json.result);
      if (again !== 'first') await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(again).toBe('first');
  });

  it('does not let its error pass for one of the gateway', async () => {
    const answer = await modernPost(house, 'tools/call', { name: 'bad__foreign-error', arguments: {} });
    expect(answer.status).toBe(200);
    expect(answer.json.error).toMatchObject({ code: -32022 });
  });

  it('changes no prototype', async () => {
    const answer = await call('proto');
    expect(answer.text).toContain('"__proto__":{"polluted":true}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('cannot ask the app for anything, nor send it what was not asked for', async () => {
    const answer = await call('requests');
    expect(textOf(answer.json.result)).toBe('done');
    expect(answer.text).not.toContain('sampling');
    expect(answer.text).not.toContain('look here');
  });

  it('cannot drown the house in notifications', async () => {
    const answer = await call('flood', { progressToken: 1 });
    expect(answer.text).toContain('"done"');
    expect(textOf((await call('twice')).json.result)).toBe('first');
  });

  it('leaves a record that holds together', () => {
    const begun = house.rows('call.begin').map((row) => row.callId);
    const ended = new Set(house.rows('call.end').map((row) => row.callId));
    expect(begun.every((callId) => ended.has(callId))).toBe(true);
    expect(house.audit.reader.verify().ok).toBe(true);
  });
});
