import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, modern, openSession } from './support/bare-app.ts';
import {
  fixture,
  type House,
  type HouseOptions,
  openHouse,
  permitAll,
  type ServerPlan,
  scriptServer,
  shownBy,
  until,
} from './support/house.ts';

/** Calls that wait for their app while the policy changes: what they were allowed for must still be so when they go on. */

let house: House;
afterEach(() => house.close());

const talker: ServerPlan = { launch: fixture('talker.ts', 'stdio') };
const round: ServerPlan = { launch: scriptServer(new URL('./support/round-trip-server.ts', import.meta.url)) };
const open = (options: Partial<HouseOptions> = {}) => openHouse({ servers: { talker, round }, ...options });

const asking = '@id("see") permit (principal, action in [Action::"discover", Action::"call"], resource);';
const only = (effect: string, tool: string) =>
  `${permitAll} @id("now") forbid (principal, action in Action::"${effect}", resource == Tool::"${tool}");`;
const form: JsonObject = { message: 'Name?', requestedSchema: { type: 'object', properties: {} } };
const accepted: JsonObject = { action: 'accept', content: {} };
const capabilities: JsonObject = { elicitation: {} };
const resultOf = ({ json }: Answered) => json.result as JsonObject;
const codeOf = (answer: { readonly json: JsonObject }) => {
  const meta = (answer.json.result as JsonObject | undefined)?._meta as JsonObject | undefined;
  return (meta?.['gatehouse/refusal'] as JsonObject | undefined)?.code;
};

async function agree() {
  const question = await until('a question', () => house.approvals.pending()[0]);
  house.approvals.answer(question.id, question.digest, 'allow-once');
}

/** The same server, by other pins. */
async function withOtherPins(plan: ServerPlan): Promise<ServerPlan> {
  const shown = await shownBy(plan.launch);
  return { ...plan, pins: shown.map((definition) => ({ ...definition, description: 'Approved anew.' })) };
}

describe('when a 2025 server asks a 2026 app in the middle of a call', () => {
  const call: JsonObject = { name: 'talker__ask', arguments: { method: 'elicitation/create', params: form } };
  const begin = () => modern(house, 'tools/call', call, { capabilities });
  function goOn(asked: Answered): Promise<Answered> {
    const { requestState = null, inputRequests } = resultOf(asked);
    const answers = Object.fromEntries(Object.keys(inputRequests as JsonObject).map((key) => [key, accepted]));
    return modern(house, 'tools/call', { ...call, requestState, inputResponses: answers }, { capabilities });
  }

  it('goes on under another policy that leaves the call as it was', async () => {
    house = await open();
    const asked = await begin();
    await house.publish({ document: { contact: 'desk@acme.example' } });
    expect(JSON.stringify(resultOf(await goOn(asked)))).toContain('accept');
  });

  it('does not where a person would now be asked first and was not', async () => {
    house = await open();
    const asked = await begin();
    await house.publish({ cedar: asking });
    expect(codeOf(await goOn(asked))).toBe('not-approved-by-person');
    expect(house.rows('call.refused')).toMatchObject([{ code: 'not-approved-by-person', tool: 'ask', rules: [] }]);
    await until('the call ended', () => house.rows('call.end').length === 1);
  });

  it('goes on where a person agreed to this very call', async () => {
    house = await open({ cedar: asking });
    const beginning = begin();
    await agree();
    const asked = await beginning;
    await house.publish({ document: { contact: 'desk@acme.example' } });
    expect(JSON.stringify(resultOf(await goOn(asked)))).toContain('accept');
    expect(house.rows('approval.asked')).toHaveLength(1);
  });

  it('does not where it is forbidden, hidden, paused, or approved by another definition', async () => {
    house = await open();
    for (const effect of ['call', 'discover']) {
      const asked = await begin();
      await house.publish({ cedar: only(effect, 'talker.ask') });
      expect(codeOf(await goOn(asked))).toBe('policy-denied');
      await house.publish({ cedar: permitAll });
    }
    const paused = await begin();
    house.setInForce({ ok: false, code: 'paused', message: 'Gatehouse is paused.' });
    expect(codeOf(await goOn(paused))).toBe('paused');
    house.setInForce(undefined);
    const repinned = await begin();
    await house.publish({ servers: { talker: await withOtherPins(talker), round } });
    expect(codeOf(await goOn(repinned))).toBe('policy-denied');
  });
});

describe('when a 2026 server asks a 2025 app in the middle of a call', () => {
  async function asked(between: () => Promise<void> | void) {
    const app = await openSession(house, capabilities);
    const stream = await app.call('round__ask');
    const question = (await stream.message('elicitation/create')).json;
    await between();
    await app.respond(question.id, accepted);
    return { json: (await stream.answer(1)).json };
  }

  it('is sent the answer under another policy that leaves the call as it was', async () => {
    house = await open();
    const answer = await asked(() => house.publish({ document: { contact: 'desk@acme.example' } }));
    expect(JSON.stringify(answer.json)).toContain('inputResponses');
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'ok' }]);
  });

  it.each<[string, () => Promise<void> | void, string]>([
    ['forbids it', () => house.publish({ cedar: only('call', 'round.ask') }), 'policy-denied'],
    ['hides it', () => house.publish({ cedar: only('discover', 'round.ask') }), 'policy-denied'],
    ['wants it confirmed', () => house.publish({ cedar: asking }), 'not-approved-by-person'],
    [
      'no longer holds, for Gatehouse is paused',
      () => house.setInForce({ ok: false, code: 'paused', message: 'Gatehouse is paused.' }),
      'paused',
    ],
    [
      'approved another definition',
      async () => house.publish({ servers: { talker, round: await withOtherPins(round) } }),
      'policy-denied',
    ],
  ])('is sent nothing more once the policy changes: it %s', async (_what, change, code) => {
    house = await open();
    const answer = await asked(change);
    expect(codeOf(answer)).toBe(code);
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'cancelled', message: expect.any(String) }]);
  });

  it('is sent the answer where a person agreed to this very call', async () => {
    house = await open({ cedar: asking });
    const app = await openSession(house, capabilities);
    const calling = app.call('round__ask');
    await agree();
    const stream = await calling;
    const question = (await stream.message('elicitation/create')).json;
    await house.publish({ document: { contact: 'desk@acme.example' } });
    await app.respond(question.id, accepted);
    expect(JSON.stringify((await stream.answer(1)).json)).toContain('inputResponses');
  });
});
