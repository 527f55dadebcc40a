import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, call, fixture, http } from './support.ts';

/** Answers tools/call with its own params inside result, error and progress; alternates JSON and event streams. */
function mirror(): Server {
  let calls = 0;
  return createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    let body = '';
    for await (const chunk of request) body += chunk;
    const { id, method, params } = JSON.parse(body);
    if (method === 'server/discover') {
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }));
    }
    if (id === undefined) return response.writeHead(202).end();
    const result =
      method === 'initialize'
        ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'mirror', version: '1' } }
        : { ...params.arguments, received: params };
    const answer = JSON.stringify({ jsonrpc: '2.0', id, result, 'x-envelope': true });
    calls += 1;
    if (calls % 2 === 0) {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
      return response.end(answer);
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    return response.end(`: hello\r\nevent: message\r\nid: 1\r\ndata: ${answer}\r\n\r\n`);
  });
}

// Names that JSON.parse can make own properties of, the prototype's among them.
const key = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '_meta', 'é', '\u2028', ''),
);
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.string({ unit: 'binary' }),
    fc.array(tie('json'), { maxLength: 4 }),
    fc
      .array(fc.tuple(key, tie('json')), { maxLength: 4 })
      .map((entries) =>
        JSON.parse(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`),
      ),
  ),
}));
const object = fc
  .array(fc.tuple(key, json), { maxLength: 5 })
  .map(
    (entries): JsonObject =>
      JSON.parse(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`),
  );

/** What JSON says of a value, whatever prototypes or key orders do to an equality check. */
const wire = (value: unknown) => JSON.stringify(value);

describe('when messages carry what no schema knows', () => {
  let backends: Backends;
  let server: Server;

  beforeAll(async () => {
    server = mirror();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    backends = backendsFor({ stdio: fixture('echo-stdio.ts'), http: http(`http://127.0.0.1:${port}/`) });
  });

  afterAll(async () => {
    await backends.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  for (const alias of ['stdio', 'http']) {
    it(`hands arguments and results on untouched both ways over ${alias}`, async () => {
      const session = await backends.open(alias, 'one');
      await fc.assert(
        fc.asyncProperty(object, object, async (args, extra) => {
          const params: JsonObject = { ...extra, name: 'echo', arguments: args };
          const { progressToken: _, ...meta } = (extra._meta ?? {}) as JsonObject;
          const reply = await session.request('tools/call', params, { timeoutMs: 10_000 });
          if (!reply.ok) throw new Error(reply.error.message);
          const { received } = reply.result as { received: JsonObject };
          expect(wire(received.arguments)).toBe(wire(args));
          for (const name of Object.keys(extra)) {
            if (name === '_meta') expect(wire({ ...meta })).toBe(wire({ ...(received._meta as JsonObject) }));
            else if (name !== 'name' && name !== 'arguments') expect(wire(received[name])).toBe(wire(extra[name]));
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  it('keeps unknown content types, deep _meta and unknown keys of a serverInfo inside a result', async () => {
    const session = await backends.open('stdio', 'one');
    const reply = await session.request('tools/call', call('echo', { message: 'hi' }), { timeoutMs: 10_000 });
    expect(reply).toEqual({
      ok: true,
      result: {
        content: [
          { type: 'text', text: 'hi' },
          { type: 'x-hologram', frames: [1, 2], extra: null },
        ],
        structuredContent: { message: 'hi' },
        received: { name: 'echo', arguments: { message: 'hi' } },
        _meta: {
          'com.example/deep': { a: [{ b: { c: 'd' } }] },
          'io.modelcontextprotocol/serverInfo': { name: 'x', 'x-kept': 1 },
        },
      },
    });
  });

  it('keeps unknown keys of an error object', async () => {
    const session = await backends.open('stdio', 'one');
    const reply = await session.request('tools/call', call('error'), { timeoutMs: 10_000 });
    expect(reply).toEqual({
      ok: false,
      error: { code: -32050, message: 'Own trouble', data: { why: ['x'] }, 'x-kept': true },
    });
  });

  it('keeps unknown keys of definitions, capabilities and serverInfo', async () => {
    const session = await backends.open('stdio', 'one');
    const echo = (await session.tools(0)).find((tool) => tool.name === 'echo');
    expect(echo).toMatchObject({
      'x-unknown': { kept: true },
      annotations: { 'x-house': 'yes' },
      inputSchema: { 'x-echo': { deep: [1, { two: null }] } },
      _meta: { 'com.example/owner': 'fixtures' },
    });
    expect(session.capabilities).toEqual({ tools: { listChanged: true }, 'x-cap': { on: true } });
    expect(session.serverInfo).toEqual({ name: 'echo-stdio', version: '1.0.0', 'x-built': 'by hand' });
    expect(session.instructions).toBe('Echoes.');
  });

  it("replaces the caller's progress token by its own and removes it where no progress is wanted", async () => {
    const session = await backends.open('stdio', 'one');
    const params = { ...call('echo'), _meta: { progressToken: 'of-another-hop', kept: 1 } };
    const quiet = await session.request('tools/call', params, { timeoutMs: 10_000 });
    const heard = await session.request('tools/call', params, { timeoutMs: 10_000, onProgress: () => {} });
    expect(quiet).toMatchObject({ result: { received: { _meta: { kept: 1 } } } });
    expect(wire(quiet)).not.toContain('progressToken');
    expect(heard).toMatchObject({ result: { received: { _meta: { kept: 1, progressToken: expect.any(Number) } } } });
  });
});
