import { createRequire } from 'node:module';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { modern, openSession } from './support/bare-app.ts';
import { type House, openHouse, shownBy } from './support/house.ts';

/** A server that shows some tools only to apps that can answer its questions. */

const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json');
const launch = {
  transport: 'stdio',
  command: process.execPath,
  args: [path.join(manifest, '../dist/index.js')],
  env: [],
} as const;
const everything: JsonObject = { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } };
const roots = { name: 'everything__get-roots-list', arguments: {} };
const echo = { name: 'everything__echo', arguments: { message: 'hi' } };

let house: House;
beforeAll(async () => {
  house = await openHouse({ servers: { everything: { launch, title: 'Everything' } } });
});
afterAll(() => house.close());

const nothingChanged = () => {
  expect(house.gateway.heldBack()).toEqual([]);
  expect(house.rows('definition.changed')).toEqual([]);
};

describe('when a server shows some tools only to apps that can do more', () => {
  it('shows all of them to the house, as they were pinned', async () => {
    expect(await shownBy(launch)).toHaveLength(19);
    const app = await openSession(house);
    const { tools } = (await app.request('tools/list')).json.result as { tools: readonly unknown[] };
    expect(tools).toHaveLength(19);
    nothingChanged();
  });

  it('carries the calls of an app that cannot, refuses what is kept from it, and holds nothing back for it', async () => {
    const app = await openSession(house);
    expect(JSON.stringify((await app.request('tools/call', echo)).json.result)).toContain('Echo: hi');
    const answer = (await app.request('tools/call', roots)).json;
    expect(JSON.stringify(answer)).toContain('"code":"backend-unavailable"');
    expect(JSON.stringify(answer)).toContain(
      'Everything offers this only to apps that can answer its questions, which Cursor cannot here.',
    );
    expect((await modern(house, 'tools/call', echo)).status).toBe(200);
    expect(JSON.stringify((await modern(house, 'tools/call', roots)).json)).toContain('backend-unavailable');
    nothingChanged();
  });

  it('carries those of an app that can', async () => {
    const app = await openSession(house, everything);
    const stream = await app.fetch('POST', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: roots });
    const answered = new Set<unknown>();
    const done = ({ json }: { json: JsonObject }) => json.id === 1 && json.method === undefined;
    const asked = ({ json }: { json: JsonObject }) => json.method === 'roots/list' && !answered.has(json.id);
    for (;;) {
      const { json } = await stream.next((each) => asked(each) || done(each));
      if (json.method === undefined) {
        expect(JSON.stringify(json.result)).toContain('file:///here');
        break;
      }
      answered.add(json.id);
      await app.respond(json.id, { roots: [{ uri: 'file:///here' }] });
    }
    nothingChanged();
  });
});
