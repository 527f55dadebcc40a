import { afterEach, describe, expect, it } from 'vitest';
import type { ApprovalQuestion } from '../../main/approvals/approvals.ts';
import { ask, legacyCaller, modernCaller, refusalOf, startSession, textOf } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

const asks = `
permit (principal, action in [Action::"discover", Action::"call"], resource);
@id("look") permit (principal, action in Action::"unattended", resource);
@id("ask-before-writing") @reason("Writing needs a yes.") forbid (principal, action in Action::"unattended", resource == Tool::"files.write");
`;
const write = { name: 'files__write', arguments: { path: 'notes.txt', text: 'hello' } };

let house: House;
afterEach(() => house.close());

function open(document = {}, cedar = asks): Promise<House> {
  return openHouse({ servers: { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } }, cedar, document });
}

function question(): Promise<ApprovalQuestion> {
  return until('a question', () => house.approvals.pending()[0]);
}

describe('when the policy asks the person', () => {
  it('shows exactly what will be sent, and calls after a yes', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    const shown = await question();
    expect(shown).toMatchObject({
      app: 'Cursor',
      user: 'alice',
      alias: 'files',
      serverTitle: 'Files',
      tool: 'write',
      args: write.arguments,
      reason: 'Writing needs a yes.',
    });
    expect(house.rows('call.begin')).toEqual([]);
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    expect((await calling).isError).not.toBe(true);
    const [begin] = house.rows('call.begin');
    expect(begin).toMatchObject({ effect: 'ask', approvedBy: 'person-once' });
    expect(house.rows('approval.asked', 'approval.answered')).toMatchObject([
      { kind: 'approval.asked', callId: begin?.callId, shownDigest: shown.digest },
      { kind: 'approval.answered', answer: 'allow-once', shownDigest: shown.digest },
    ]);
    await client.close();
  });

  it('refuses after a no, without telling the server anything', async () => {
    house = await open();
    const client = await modernCaller(house);
    const calling = client.callTool(write);
    const shown = await question();
    house.approvals.answer(shown.id, shown.digest, 'deny');
    const result = await calling;
    expect(textOf(result)).toContain('was not done: you said no.');
    expect(refusalOf(result)).toMatchObject({ code: 'not-approved-by-person', rules: ['ask-before-writing'] });
    expect(house.rows('call.begin')).toEqual([]);
    const seen = await client.callTool({ name: 'files__seen', arguments: {} });
    expect(textOf(seen)).not.toContain('notes.txt');
    await client.close();
  });

  it('takes silence as no', async () => {
    house = await open({ approvals: { timeoutSeconds: 5 } });
    const client = await legacyCaller(house);
    const result = await client.callTool(write);
    expect(textOf(result)).toContain('nobody answered the question in time, which counts as no');
    expect(house.rows('approval.answered')).toMatchObject([{ answer: 'timeout' }]);
    await client.close();
  });

  it('takes a closed window as no', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    await question();
    house.approvals.closeAll('closed');
    expect(textOf(await calling)).toContain('closed without an answer');
    await client.close();
  });

  it('remembers a yes for this conversation only', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    const shown = await question();
    house.approvals.answer(shown.id, shown.digest, 'allow-session');
    await calling;
    expect((await client.callTool(write)).isError).not.toBe(true);
    expect(house.rows('call.begin').map((row) => row.approvedBy)).toEqual(['person-session', 'person-session']);
    const other = await legacyCaller(house);
    const asking = other.callTool(write);
    const again = await question();
    house.approvals.answer(again.id, again.digest, 'deny');
    expect((await asking).isError).toBe(true);
    await Promise.all([client.close(), other.close()]);
  });

  it('withdraws the question when a legacy app cancels', async () => {
    house = await open();
    const session = await startSession(house);
    const calling = ask(house, session, 'tools/call', write, 7);
    await question();
    await fetch(house.endpoint, {
      method: 'POST',
      headers: { authorization: `Bearer ${house.token}`, 'content-type': 'application/json', ...session.headers },
      body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }),
    });
    expect((await calling).json).toEqual({});
    expect(house.approvals.pending()).toEqual([]);
    expect(house.rows('approval.answered')).toMatchObject([{ answer: 'cancelled' }]);
  });

  it('withdraws the question when a modern app closes its stream', async () => {
    house = await open();
    const client = await modernCaller(house);
    const stop = new AbortController();
    const calling = client.callTool(write, { signal: stop.signal });
    calling.catch(() => {});
    await question();
    stop.abort();
    await expect(calling).rejects.toThrow();
    await until('the question goes', () => house.approvals.pending().length === 0);
    await until('the refusal is recorded', () => house.rows('call.refused').length === 1);
    await client.close();
  });

  it('does not call when the policy forbids it by the time of the yes', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    const shown = await question();
    await house.publish({
      cedar: `${asks} @id("stop") forbid (principal, action == Action::"call:files.write", resource);`,
    });
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    const result = await calling;
    expect(refusalOf(result)).toMatchObject({ code: 'policy-denied', rules: ['stop'] });
    expect(house.rows('call.begin')).toEqual([]);
    await client.close();
  });

  it('does not call when everything was paused by the time of the yes', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    const shown = await question();
    house.setInForce({ ok: false, code: 'paused', message: 'You paused all tools until 12:00.' });
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    const result = await calling;
    expect(refusalOf(result)).toMatchObject({ code: 'paused' });
    expect(textOf(result)).toBe('You paused all tools until 12:00.');
    expect(house.rows('call.begin')).toEqual([]);
    await client.close();
  });

  it('asks again when another policy came into force that still asks', async () => {
    house = await open();
    const client = await legacyCaller(house);
    const calling = client.callTool(write);
    const first = await question();
    await house.publish({ document: { contact: 'new@acme.example' } });
    house.approvals.answer(first.id, first.digest, 'allow-once');
    const second = await until('a second question', () =>
      house.approvals.pending().find((each) => each.id !== first.id),
    );
    expect(second.policyDigest).not.toBe(first.policyDigest);
    house.approvals.answer(second.id, second.digest, 'allow-once');
    expect((await calling).isError).not.toBe(true);
    await client.close();
  });
});
