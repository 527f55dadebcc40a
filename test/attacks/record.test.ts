import { afterEach, describe, expect, it } from 'vitest';
import { ask, refusalOf, startSession, textOf } from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, until } from '../gateway/support/house.ts';

let house: House;
afterEach(() => house.close());
const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };

describe('when the record cannot be written', () => {
  it('makes no call, and says why', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    await ask(house, session, 'tools/call', { name: 'files__echo', arguments: { message: 'before' } });
    house.audit.close();
    const answer = await ask(house, session, 'tools/call', { name: 'files__echo', arguments: { message: 'after' } });
    expect(refusalOf(answer.json.result).code).toBe('record-unavailable');
    expect(textOf(answer.json.result)).toContain('without a record nothing is done');
  });

  it('hands out no result whose end is not in the record', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const slow = { name: 'files__slow', arguments: { steps: 10, ms: 50 } };
    const running = ask(house, session, 'tools/call', slow);
    await until('the call runs', () => house.rows('call.begin').length === 1);
    house.audit.close();
    const answer = await running;
    expect(answer.text).not.toContain('done after');
    expect(refusalOf(answer.json.result).code).toBe('record-unavailable');
    expect(textOf(answer.json.result)).toContain('ran, but its result is held back');
  });

  it('withdraws a question it cannot record', async () => {
    house = await openHouse({
      servers,
      cedar: 'permit (principal, action in [Action::"discover", Action::"call"], resource);',
    });
    const session = await startSession(house);
    await ask(house, session, 'tools/list');
    house.audit.close();
    const answer = await ask(house, session, 'tools/call', { name: 'files__echo', arguments: { message: 'x' } });
    expect(refusalOf(answer.json.result).code).toBe('record-unavailable');
    expect(house.approvals.pending()).toEqual([]);
  });
});

describe('when the organisation wants digests only', () => {
  it('keeps neither arguments nor results', async () => {
    house = await openHouse({ servers, document: { audit: { payloads: 'digest' } } });
    const session = await startSession(house);
    await ask(house, session, 'tools/call', { name: 'files__echo', arguments: { message: 'my secret' } });
    await ask(house, session, 'tools/call', { name: 'files__nothing', arguments: { message: 'my secret' } });
    await ask(house, session, 'tools/call', { name: 'files__add', arguments: { a: 'my secret' } });
    const rows = JSON.stringify(house.rows('call.begin', 'call.end', 'call.refused'));
    expect(house.rows('call.begin')[0]?.argumentsDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(house.rows('call.end')[0]?.resultDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(rows).not.toContain('my secret');
  });
});
