import { afterEach, describe, expect, it } from 'vitest';
import type { AuditWriter } from '../../main/audit/record.ts';
import { ask, refusalOf, startSession, textOf } from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, permitAll, until } from '../gateway/support/house.ts';

const asks = `
permit (principal, action in [Action::"discover", Action::"call"], resource);
permit (principal, action in Action::"unattended", resource == Tool::"files.seen");
`;
const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };
const write = { name: 'files__write', arguments: { path: 'notes.txt', text: 'hello' } };
const noWrite = `${permitAll} @id("no-write") forbid (principal, action == Action::"call:files.write", resource);`;

let house: House;
afterEach(() => house.close());

/** Lets `happen` take place while the gateway opens the server for the nth time. */
function whileOpening(nth: number, happen: () => void | Promise<void>): void {
  const open = house.backends.open.bind(house.backends);
  let opened = 0;
  Object.assign(house.backends, {
    open: async (...args: Parameters<typeof open>) => {
      const session = await open(...args);
      if (args[1] !== 'gatehouse' && ++opened === nth) await happen();
      return session;
    },
  });
}

/** Lets `happen` take place while the begin row is written. */
function whileRecording(happen: () => void | Promise<void>): void {
  const { writer } = house.audit;
  const appendSoon: AuditWriter['appendSoon'] = writer.appendSoon.bind(writer);
  Object.assign(writer, {
    appendSoon: async (...args: Parameters<typeof appendSoon>) => {
      const row = await appendSoon(...args);
      if (args[0].kind === 'call.begin') await happen();
      return row;
    },
  });
}

const pause = () => house.setInForce({ ok: false, code: 'paused', message: 'You paused all tools.' });

async function callWithYes() {
  const session = await startSession(house);
  const calling = ask(house, session, 'tools/call', write);
  const shown = await until('a question', () => house.approvals.pending()[0]);
  house.approvals.answer(shown.id, shown.digest, 'allow-once');
  return calling;
}

describe('when something changes between the yes and the call', () => {
  it('refuses what was paused meanwhile', async () => {
    house = await openHouse({ servers, cedar: asks });
    whileOpening(2, pause);
    const answer = await callWithYes();
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'paused' });
    expect(house.rows('call.begin')).toEqual([]);
  });

  it('decides anew under a policy that came meanwhile', async () => {
    house = await openHouse({ servers, cedar: asks });
    whileOpening(2, () => house.publish({ cedar: noWrite }));
    const answer = await callWithYes();
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'policy-denied', rules: ['no-write'] });
    expect(house.rows('call.begin')).toEqual([]);
  });

  it('refuses an app whose key was withdrawn meanwhile', async () => {
    house = await openHouse({ servers, cedar: asks });
    whileOpening(2, () => house.gateway.appEnded(house.appId));
    const answer = await callWithYes();
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'app-not-allowed' });
    expect(house.rows('call.begin')).toEqual([]);
  });
});

describe('when something changes while the begin row is written', () => {
  it('ends what was paused as cancelled and tells the server nothing', async () => {
    house = await openHouse({ servers });
    whileRecording(pause);
    const answer = await ask(house, await startSession(house), 'tools/call', write);
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'paused' });
    expect(textOf(answer.json.result)).toContain('You paused all tools.');
    const [begin] = house.rows('call.begin');
    expect(house.rows('call.end')).toMatchObject([{ callId: begin?.callId, outcome: 'cancelled' }]);
    house.setInForce(undefined);
    const seen = await ask(house, await startSession(house), 'tools/call', { name: 'files__seen', arguments: {} });
    expect(seen.text).not.toContain('notes.txt');
  });

  it('does not call under a policy that is no longer in force', async () => {
    house = await openHouse({ servers });
    whileRecording(() => house.publish({ cedar: noWrite }));
    const answer = await ask(house, await startSession(house), 'tools/call', write);
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'policy-denied' });
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('does not call for an app whose key was withdrawn', async () => {
    house = await openHouse({ servers });
    whileRecording(() => house.gateway.appEnded(house.appId));
    const answer = await ask(house, await startSession(house), 'tools/call', write);
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'app-not-allowed' });
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'cancelled' }]);
  });
});
