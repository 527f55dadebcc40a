import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { headerFault } from '../../../main/backends/header-declarations.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, http, silentLog } from './support.ts';

const tool = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  name: 'tool',
  inputSchema: { type: 'object', properties, ...more },
});
const region = (name: unknown = 'Region', type: unknown = 'string') =>
  ({ type, 'x-mcp-header': name }) as unknown as JsonObject;

describe('when a tool asks for its arguments in headers', () => {
  it.each<[string, JsonObject]>([
    ['none', tool({ a: { type: 'string' } })],
    [
      'a text, a whole number, a yes or no',
      tool({ a: region('A'), b: region('B', 'integer'), c: region('C', 'boolean') }),
    ],
    ['one deep in objects', tool({ a: { type: 'object', properties: { b: { properties: { c: region() } } } } })],
    ['a parameter of that very name', tool({ 'x-mcp-header': { type: 'object' } })],
    ['an example that looks like one', tool({ a: { type: 'object', default: region(''), enum: [region('')] } })],
    ['no schema', { name: 'tool' }],
    ['a schema that is none', { name: 'tool', inputSchema: true }],
  ])('is used with %s', (_, definition) => {
    expect(headerFault(definition)).toBeUndefined();
  });

  it.each<[string, JsonObject]>([
    ['an empty name', tool({ a: region('') })],
    ['a name with a space', tool({ a: region('My Region') })],
    ['a name with a colon', tool({ a: region('Region:') })],
    ['a name that is not ASCII', tool({ a: region('Région') })],
    ['a name with a line end', tool({ a: region('Region\r\nX: y') })],
    ['a name that is no text', tool({ a: region(7) })],
    ['an object', tool({ a: region('A', 'object') })],
    ['a list', tool({ a: region('A', 'array') })],
    ['null', tool({ a: region('A', 'null') })],
    ['a fraction', tool({ a: region('A', 'number') })],
    ['several types', tool({ a: region('A', ['string', 'null']) })],
    ['no type', tool({ a: { 'x-mcp-header': 'A' } })],
    ['the same name twice', tool({ a: region(), b: region() })],
    ['the same name in other letters', tool({ a: region('REGION'), b: { properties: { c: region('region') } } })],
    ['one on the whole', tool({}, { 'x-mcp-header': 'A' })],
    ...['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains'].map(
      (keyword): [string, JsonObject] => [`one under ${keyword}`, tool({ a: { [keyword]: region() } })],
    ),
    ...['oneOf', 'anyOf', 'allOf', 'prefixItems'].map((keyword): [string, JsonObject] => [
      `one under ${keyword}`,
      tool({}, { [keyword]: [{ properties: { a: region() } }] }),
    ]),
    ...['$defs', 'definitions', 'patternProperties', 'dependentSchemas'].map((keyword): [string, JsonObject] => [
      `one under ${keyword}`,
      tool({}, { [keyword]: { a: region() } }),
    ]),
  ])('is left out with %s', (_, definition) => {
    expect(headerFault(definition)).toMatch(/^(it|the name) /);
  });

  it('never fails on what a server may write', () => {
    fc.assert(fc.property(fc.jsonValue(), (inputSchema) => void headerFault({ inputSchema } as JsonObject)));
  });
});

let backends: Backends | undefined;
let stop = async () => {};
afterEach(async () => {
  await backends?.close();
  await stop();
});

describe('when a 2026 server over HTTP lists such a tool', () => {
  it('keeps the others, and the log says which one is left out and why', async () => {
    const tools = [tool({ a: region() }), { ...tool({ a: region('not a name') }), name: 'bad' }, { name: 'plain' }];
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const { id, method } = JSON.parse(text);
      const found = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
      const result = method === 'server/discover' ? found : { tools };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stop = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    const warned: unknown[] = [];
    const log = { ...silentLog, warn: (event: string, fields?: object) => warned.push({ event, ...fields }) };
    backends = backendsFor({ remote: http(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`) }, { log });
    const session = await backends.open('remote', 'key');
    expect((await session.tools(0)).map(({ name }) => name)).toEqual(['tool', 'plain']);
    expect(warned).toMatchObject([{ event: 'backend-tool-left-out', tool: 'bad', fault: 'it is no name of a header' }]);
  });
});
