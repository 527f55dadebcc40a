import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { ask, lastMessage, modernPost, startSession } from './support/callers.ts';
import { type House, openHouse, scriptServer } from './support/house.ts';

const launch = scriptServer(new URL('./support/mirror-server.ts', import.meta.url));

let house: House;
beforeAll(async () => {
  house = await openHouse({ servers: { mirror: { launch } } });
});
afterAll(() => house.close());

/** JSON as JavaScript carries it: -0 is written as 0, and nothing else is lost. */
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as never);
const results = fc
  .dictionary(fc.string({ unit: 'grapheme' }), json)
  .filter((result) => !('resultType' in result) && result.isError === undefined);

describe('when a definition passes through', () => {
  it('is what was pinned, key for key and in order, but for its name', async () => {
    const session = await startSession(house);
    const listed = await ask(house, session, 'tools/list');
    expect(listed.text).toContain(
      '{"x-first":[null,{"deep":1.5}],"description":"Says what it is told. ünï¢ödé ‮","name":"mirror__say","inputSchema":{"type":"object","x-vendor":{"a":[]}},"icons":[{"src":"data:,","x-icon":1}],"execution":{"taskSupport":"forbidden","x-more":1},"annotations":{"readOnlyHint":true,"x-ann":"kept"},"_meta":{"com.example/x":{"y":[1]}}}',
    );
    const modern = await modernPost(house, 'tools/list');
    expect((modern.json.result as JsonObject).tools).toEqual((listed.json.result as JsonObject).tools);
  });
});

describe('when a result passes through', () => {
  it('arrives as the server sent it, whatever it holds (legacy app)', async () => {
    const session = await startSession(house);
    await fc.assert(
      fc.asyncProperty(results, async (result) => {
        const params = { name: 'mirror__say', arguments: { answer: { result } } };
        const answer = await ask(house, session, 'tools/call', params);
        expect(lastMessage(answer)).toBe(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
      }),
      { numRuns: 60 },
    );
  });

  it('arrives with resultType added and nothing else touched (modern app)', async () => {
    await fc.assert(
      fc.asyncProperty(results, async (result) => {
        const answer = await modernPost(house, 'tools/call', {
          name: 'mirror__say',
          arguments: { answer: { result } },
        });
        expect(answer.json.result).toEqual({ resultType: 'complete', ...result });
      }),
      { numRuns: 40 },
    );
  });

  it('keeps unknown content types, nested _meta and a 5 MB text', async () => {
    const session = await startSession(house);
    const result = {
      content: [
        { type: 'hologram', frames: [[1, 2], []], _meta: { a: { b: { c: ['✓', '👩‍👩‍👧', '\u0000', '\u2028'] } } } },
        { type: 'text', text: 'x'.repeat(5_000_000), annotations: { audience: ['nobody-yet'] } },
      ],
      structuredContent: { __proto__: null, constructor: 'kept' },
      'x-vendor/key': { '': 1 },
    };
    const answer = await ask(house, session, 'tools/call', { name: 'mirror__say', arguments: { answer: { result } } });
    expect(lastMessage(answer)).toBe(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
  });

  it('keeps the error of a server, unknown keys and all', async () => {
    const session = await startSession(house);
    const error = { code: -31999, message: 'Nö', data: { deep: [{ x: null }] }, 'x-more': 1 };
    const answer = await ask(house, session, 'tools/call', { name: 'mirror__say', arguments: { answer: { error } } });
    expect(answer.json.error).toMatchObject({ code: -31999, message: 'Nö', data: { deep: [{ x: null }] } });
  });
});

describe('when a call passes through', () => {
  it('reaches the server as the app sent it, but for the name and the hop’s own _meta', async () => {
    const session = await startSession(house);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string({ unit: 'grapheme' }), json), json, async (args, extra) => {
        const sent = { 'x-extra': extra, name: 'mirror__say', arguments: args, _meta: { 'com.example/trace': extra } };
        await ask(house, session, 'tools/call', sent);
        const got = await ask(house, session, 'tools/call', { name: 'mirror__last' });
        const { structuredContent } = got.json.result as JsonObject;
        expect(JSON.stringify(structuredContent)).toBe(JSON.stringify({ ...sent, name: 'say' }));
      }),
      { numRuns: 60 },
    );
  });

  it('does not hand a modern app’s own envelope to a legacy server', async () => {
    const params = {
      name: 'mirror__say',
      arguments: {},
      _meta: { traceparent: '00-1-2-03', progressToken: 'of-the-caller' },
    };
    await modernPost(house, 'tools/call', params);
    const got = await modernPost(house, 'tools/call', { name: 'mirror__last' });
    const text = JSON.stringify((got.json.result as JsonObject).structuredContent);
    expect(text).toContain('traceparent');
    expect(text).not.toContain('io.modelcontextprotocol');
    expect(text).not.toContain('of-the-caller');
  });
});
