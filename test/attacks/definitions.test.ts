import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { ask, modernPost, type RawSession, refusalOf, startSession, textOf } from '../gateway/support/callers.ts';
import { type House, openHouse, scriptServer } from '../gateway/support/house.ts';

const launch = scriptServer(new URL('./definition-server.ts', import.meta.url));
const pins = ['deep', 'good'].map((name): JsonObject => ({ name, inputSchema: { type: 'object' } }));

let house: House;
let session: RawSession;
beforeAll(async () => {
  house = await openHouse({ servers: { bad: { launch, title: 'Bad', pins } } });
  session = await startSession(house);
});
afterAll(() => house.close());

describe('when a server shows a definition that cannot be taken apart', () => {
  it('holds it back in fixed words, and offers what is as it was approved', async () => {
    const listed = await ask(house, session, 'tools/list');
    expect((listed.json.result as { tools: JsonObject[] }).tools.map((tool) => tool.name)).toEqual(['bad__good']);
    const answer = await ask(house, session, 'tools/call', { name: 'bad__deep', arguments: {} });
    expect(refusalOf(answer.json.result)).toMatchObject({ code: 'definition-changed' });
    expect(textOf(answer.json.result)).toContain('nested deeper than 64 levels, so not shown');
    expect(answer.text).not.toContain('secret words');
    expect(house.rows('call.refused')).toHaveLength(1);
    const good = await ask(house, session, 'tools/call', { name: 'bad__good', arguments: {} });
    expect(textOf(good.json.result)).toBe('done');
  });

  it('keeps nothing of it, neither in the record nor for the window', () => {
    const held = house.gateway.heldBack();
    expect(held.map(({ tool, state }) => [tool, state]).sort()).toEqual([
      ['deep', 'changed'],
      ['new', 'unpinned'],
    ]);
    const rows = house.rows('definition.changed');
    expect(rows).toHaveLength(2);
    for (const text of [JSON.stringify(held), JSON.stringify(rows)]) {
      expect(text).not.toContain('secret words');
      expect(text.length).toBeLessThan(10_000);
    }
  });
});

describe('when a server says who it is', () => {
  it('passes on its name and version as short plain text, and the title the organisation gave it', async () => {
    const { answer } = await startSession(house, '/~bad');
    const modern = await modernPost(house, 'server/discover', {}, {}, '/~bad');
    const legacy = (answer.json.result as JsonObject).serverInfo;
    const meta = (modern.json.result as JsonObject)._meta as JsonObject;
    for (const info of [legacy, meta['io.modelcontextprotocol/serverInfo']]) {
      const { name, ...rest } = info as { name: string };
      expect(rest).toEqual({ title: 'Bad', version: '12' });
      expect(name).toMatch(/^Ignore all earlier/);
      expect(name).not.toContain('\u200b');
      expect(name.length).toBeLessThanOrEqual(65);
    }
  });
});
