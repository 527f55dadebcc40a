import { afterEach, describe, expect, it } from 'vitest';
import { viewQuestion } from '../../main/ipc/question-view.ts';
import { sha256OfJson } from '../../main/policy/canonical.ts';
import type { JsonObject } from '../../main/policy/json.ts';
import { ask, modernPost, post, startSession, textOf } from '../gateway/support/callers.ts';
import { type House, openHouse, permitAll, scriptServer, until } from '../gateway/support/house.ts';

const launch = scriptServer(new URL('../gateway/support/mirror-server.ts', import.meta.url));
const asks = `
permit (principal, action in [Action::"discover", Action::"call"], resource);
permit (principal, action in Action::"unattended", resource == Tool::"mirror.last");
`;
const say = { name: 'mirror__say', arguments: { text: 'hello' } };
const hidden = { 'x-more': [1], _meta: { 'x/secret': 'the password' } };

let house: House;
afterEach(() => house.close());

const open = (cedar: string, document: JsonObject = {}) =>
  openHouse({ servers: { mirror: { launch } }, cedar, document });
const question = () => until('a question', () => house.approvals.pending()[0]);

async function lastReceived(session: Awaited<ReturnType<typeof startSession>>): Promise<unknown> {
  const got = await ask(house, session, 'tools/call', { name: 'mirror__last' });
  return (got.json.result as JsonObject).structuredContent;
}

describe('when something is sent beside the arguments', () => {
  it('shows it to the person, binds the answer to it, records it and passes it on', async () => {
    house = await open(asks);
    const session = await startSession(house);
    const calling = ask(house, session, 'tools/call', { ...hidden, ...say });
    const shown = await question();
    expect(shown.extra).toEqual(hidden);
    const view = viewQuestion(shown);
    expect(JSON.parse(view.raw)).toEqual({ arguments: say.arguments, ...hidden });
    expect(view.fields.at(-1)).toMatchObject({ label: 'Also sent along', value: hidden });
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    await calling;
    const [begin] = house.rows('call.begin');
    expect(JSON.parse(begin?.extra ?? '')).toEqual(hidden);
    expect(begin?.extraDigest).toBe(sha256OfJson(hidden));
    expect(begin?.argumentsDigest).toBe(sha256OfJson(say.arguments));
    expect(await lastReceived(session)).toEqual({ ...hidden, ...say, name: 'say' });
  });

  it('records only its digest where only digests are kept', async () => {
    house = await open(permitAll, { audit: { payloads: 'digest' } });
    const session = await startSession(house);
    await ask(house, session, 'tools/call', { ...hidden, ...say });
    const [begin] = house.rows('call.begin');
    expect(begin?.extraDigest).toBe(sha256OfJson(hidden));
    expect(JSON.stringify(house.rows('call.begin', 'call.end'))).not.toContain('password');
  });

  it('says nothing of it where there is nothing but the protocol’s own', async () => {
    house = await open(asks);
    const calling = modernPost(house, 'tools/call', { ...say, _meta: { progressToken: 1 } });
    const shown = await question();
    expect(shown).not.toHaveProperty('extra');
    expect(JSON.parse(viewQuestion(shown).raw)).toEqual(say.arguments);
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    await calling;
    expect(house.rows('call.begin')[0]).not.toHaveProperty('extra');
    expect(house.rows('call.begin')[0]).not.toHaveProperty('extraDigest');
  });

  it('refuses what nests without end or holds half a character', async () => {
    house = await open(permitAll);
    const session = await startSession(house);
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const [value, code] of [
      [deep, -32600],
      ['"\\ud800"', -32602],
    ]) {
      const text = `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"mirror__say","_meta":{"x/y":${value}}}}`;
      expect((await post(house, text, session.headers)).json).toMatchObject({ id: 8, error: { code } });
    }
    expect(house.rows('call.begin')).toEqual([]);
  });

  for (const key of ['requestState', 'inputResponses']) {
    it(`refuses ${key}: nobody asked for more input`, async () => {
      house = await open(permitAll);
      const session = await startSession(house);
      const smuggled = { ...say, [key]: { answer: 'the password' } };
      for (const answer of [
        await ask(house, session, 'tools/call', smuggled),
        await modernPost(house, 'tools/call', smuggled),
      ]) {
        expect(answer.json.error).toMatchObject({ code: -32602 });
        expect((answer.json.error as { message: string }).message).toContain(`"${key}"`);
      }
      expect(house.rows('call.refused')).toMatchObject([{ code: 'invalid-arguments' }, { code: 'invalid-arguments' }]);
      expect(house.rows('call.begin')).toEqual([]);
      expect(await lastReceived(session)).toBeNull();
    });
  }
});

describe('when the person is asked for an app without conversations', () => {
  it('offers a yes for this one call only', async () => {
    house = await open(asks);
    const calling = modernPost(house, 'tools/call', say);
    const shown = await question();
    expect(shown.remember).toEqual(['call']);
    expect(house.approvals.answer(shown.id, shown.digest, 'allow-session')).toMatchObject({ ok: false });
    house.approvals.answer(shown.id, shown.digest, 'allow-once');
    await calling;
    const again = modernPost(house, 'tools/call', say);
    const second = await question();
    house.approvals.answer(second.id, second.digest, 'deny');
    expect(textOf((await again).json.result)).toContain('you said no');
  });

  it('says that too many questions wait, and does not blame the app', async () => {
    house = await open(asks);
    const session = await startSession(house);
    const waiting = Array.from({ length: 10 }, (_, id) => ask(house, session, 'tools/call', say, id));
    await until('ten questions', () => house.approvals.pending().length === 10);
    const refused = await ask(house, session, 'tools/call', say, 'one more');
    const words = 'too many questions are waiting for an answer already';
    expect(textOf(refused.json.result)).toContain(words);
    expect(house.rows('call.refused').map((row) => row.message)).toEqual([expect.stringContaining(words)]);
    house.approvals.closeAll('closed');
    await Promise.all(waiting);
  });
});
