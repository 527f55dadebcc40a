import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { judgeProbe } from '../../../main/backends/negotiate.ts';
import { backendsFor, call, eventually, failureOf, fixture, http, script, startFixture, textOf } from './support.ts';

let backends: Backends | undefined;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends?.close();
  for (const stop of stops.splice(0)) await stop();
});

const LEGACY_ANSWER = `{ protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 's', version: '1' } }`;

/** A stdio server: \`body\` sees id, method and answer(result). */
const stdioServer = (body: string) =>
  script(`
    const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method } = JSON.parse(line);
      ${body}
    });`);

async function httpServer(
  answer: (request: IncomingMessage, response: ServerResponse, body: { id?: number; method: string }) => void,
): Promise<string> {
  const server: Server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    answer(request, response, body === '' ? { method: '' } : JSON.parse(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

describe('when a backend answers server/discover', () => {
  const error = (code: number, data?: unknown) =>
    judgeProbe({ ok: false, error: { code, message: 'm', ...(data === undefined ? {} : { data: data as never }) } });

  it('is modern where it offers 2026-07-28', () => {
    const verdict = judgeProbe({
      ok: true,
      result: {
        supportedVersions: ['2026-07-28'],
        capabilities: { x: 1 },
        _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'n', 'x-k': 1 } },
      },
    });
    expect(verdict).toMatchObject({
      kind: 'modern',
      agreement: { capabilities: { x: 1 }, serverInfo: { name: 'n', 'x-k': 1 } },
    });
  });

  it.each([
    ['an unknown method', () => error(-32601)],
    ['an unknown session', () => error(-32001)],
    ['a version error naming only 2025 revisions', () => error(-32022, { supported: ['2025-11-25'] })],
    ['a version error without a list', () => error(-32022)],
    ['a result of something else', () => judgeProbe({ ok: true, result: { tools: [] } })],
    ['only unknown revisions', () => judgeProbe({ ok: true, result: { supportedVersions: ['2030-01-01', 7] } })],
  ])('is taken for legacy on %s', (_, verdict) => {
    expect(verdict().kind).toBe('legacy');
  });

  it.each([-32020, -32021])('is not taken for legacy on the modern error %i', (code) => {
    expect(error(code).kind).toBe('refused');
  });

  it('is not taken for legacy when it speaks only newer revisions', () => {
    expect(error(-32022, { supported: ['2027-03-01'] }).kind).toBe('refused');
  });
});

describe('when a stdio server', () => {
  it('speaks 2026-07-28, every request carries the protocol keys and answers pass raw', async () => {
    backends = backendsFor({ modern: fixture('echo-stdio-modern.ts') });
    const session = await backends.open('modern', 'key');
    expect(session).toMatchObject({
      era: 'modern',
      protocolVersion: '2026-07-28',
      serverInfo: { name: 'echo-modern' },
      instructions: 'Echoes.',
    });
    const options = { timeoutMs: 10_000, clientCapabilities: { elicitation: { form: {} } } };
    const asked = await session.request('tools/call', call('ask'), options);
    expect(asked).toMatchObject({ ok: true, result: { resultType: 'input_required', requestState: 'opaque-state' } });
    const refused = await session.request('tools/call', call('ask'), { timeoutMs: 10_000 });
    expect(refused).toMatchObject({ ok: false, error: { code: -32021 } });
  });

  it('ends on anything before initialize, it is started again without the question', async () => {
    const launch = stdioServer(`
      if (method === 'initialize') answer(id, ${LEGACY_ANSWER});
      else if (method === 'server/discover') process.exit(1);
      else if (id !== undefined) answer(id, {});`);
    backends = backendsFor({ old: launch });
    expect(await backends.open('old', 'one')).toMatchObject({ era: 'legacy', protocolVersion: '2024-11-05' });
    expect(await backends.open('old', 'two')).toMatchObject({ era: 'legacy' });
    expect(backends.status()[0]).toMatchObject({ restarts: 0, sessions: 2 });
  });

  it('ignores unknown requests, initialize follows on the same process', async () => {
    backends = backendsFor({ quiet: stdioServer(`if (method === 'initialize') answer(id, ${LEGACY_ANSWER});`) });
    expect(await backends.open('quiet', 'key')).toMatchObject({ era: 'legacy' });
  });

  it('is modern but slow to start, it is not taken for legacy', async () => {
    const launch = stdioServer(`
      if (method === 'server/discover') setTimeout(answer, 3000, id, { supportedVersions: ['2026-07-28'], capabilities: {} });
      else if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32022, message: 'no', data: { supported: ['2026-07-28'] } } }) + '\\n');`);
    backends = backendsFor({ slow: launch });
    expect(await backends.open('slow', 'key')).toMatchObject({ era: 'modern' });
  });

  it('speaks a revision nobody knows, the failure names it', async () => {
    const launch = stdioServer(`
      if (method === 'initialize') answer(id, { protocolVersion: '1999-01-01', capabilities: {}, serverInfo: {} });
      else process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }) + '\\n');`);
    backends = backendsFor({ odd: launch });
    const failure = await failureOf(backends.open('odd', 'key'));
    expect(failure.code).toBe('protocol');
    expect(failure.message).toContain('"1999-01-01"');
  });

  it('prints garbage around its messages, they are found all the same', async () => {
    backends = backendsFor({ garbage: fixture('garbage-stdio.ts') });
    const session = await backends.open('garbage', 'key');
    expect(await session.tools(0)).toHaveLength(1);
    expect(textOf(await session.request('tools/call', call('ok'), { timeoutMs: 10_000 }))).toBe('naïve 🎈');
  });
});

describe('when a remote server', () => {
  it('speaks 2025-11-25 with sessions, it is reached by initialize', async () => {
    const remote = await startFixture('echo-http-legacy.ts');
    stops.push(remote.stop);
    backends = backendsFor({ remote: http(remote.url) });
    expect(await backends.open('remote', 'key')).toMatchObject({
      era: 'legacy',
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'echo-http-legacy' },
    });
  });

  it.each([
    ['only 2026-07-28', []],
    ['both eras', ['--legacy']],
  ] as const)('speaks %s, it is modern', async (_, args) => {
    const remote = await startFixture('echo-http-modern.ts', args);
    stops.push(remote.stop);
    backends = backendsFor({ remote: http(remote.url) });
    expect(await backends.open('remote', 'key')).toMatchObject({ era: 'modern', serverInfo: { name: 'echo-modern' } });
  });

  it.each([401, 403, 500, 503])('refuses the question with %i, nothing is concluded from it', async (status) => {
    const methods: string[] = [];
    const url = await httpServer((_, response, { method }) => {
      methods.push(method);
      json(response, status, { error: 'no' });
    });
    backends = backendsFor({ remote: http(url) });
    const failure = await failureOf(backends.open('remote', 'key'));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain(`HTTP ${status}`);
    expect(methods).toEqual(['server/discover']);
  });

  it.each([
    [400, 'Bad Request'],
    [404, ''],
    [405, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}'],
  ])('refuses the question with %i and no modern error, initialize is tried', async (status, text) => {
    const url = await httpServer((_, response, { id, method }) => {
      if (method === 'server/discover') response.writeHead(status).end(text);
      else if (id === undefined) response.writeHead(method === '' ? 405 : 202).end();
      else
        json(response, 200, {
          jsonrpc: '2.0',
          id,
          result: { protocolVersion: '2025-03-26', capabilities: {}, serverInfo: {} },
        });
    });
    backends = backendsFor({ remote: http(url) });
    expect(await backends.open('remote', 'key')).toMatchObject({ era: 'legacy', protocolVersion: '2025-03-26' });
  });

  it('refuses the question with a modern error body, it is not taken for legacy', async () => {
    const methods: string[] = [];
    const url = await httpServer((_, response, { id, method }) => {
      methods.push(method);
      json(response, 400, {
        jsonrpc: '2.0',
        id,
        error: { code: -32022, message: 'newer only', data: { supported: ['2027-03-01'] } },
      });
    });
    backends = backendsFor({ remote: http(url) });
    expect((await failureOf(backends.open('remote', 'key'))).code).toBe('protocol');
    expect(methods).toEqual(['server/discover']);
  });

  it.each([
    ['once, it is asked again and is modern', 1, undefined],
    ['for ever, that is said and it is not taken for legacy', 9, 'refuses the protocol revision 2026-07-28 and says'],
  ] as const)('refuses a revision that it says it speaks %s', async (_, times, words) => {
    const methods: string[] = [];
    const url = await httpServer((_request, response, { id, method }) => {
      methods.push(method);
      const data = { supported: ['2026-07-28'] };
      if (methods.length <= times)
        json(response, 400, { jsonrpc: '2.0', id, error: { code: -32022, message: 'not now', data } });
      else json(response, 200, { jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'], capabilities: {} } });
    });
    backends = backendsFor({ remote: http(url) });
    if (words === undefined) expect(await backends.open('remote', 'key')).toMatchObject({ era: 'modern' });
    else expect((await failureOf(backends.open('remote', 'key'))).message).toContain(words);
    expect(methods).toEqual(['server/discover', 'server/discover']);
  });

  it('has been asked once, later sessions of the same launch do not ask again', async () => {
    const methods: string[] = [];
    const url = await httpServer((_, response, { id, method }) => {
      if (method !== '') methods.push(method);
      if (method === 'server/discover')
        json(response, 200, { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } });
      else if (id === undefined) response.writeHead(method === '' ? 405 : 202).end();
      else
        json(response, 200, {
          jsonrpc: '2.0',
          id,
          result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} },
        });
    });
    backends = backendsFor({ remote: http(url) });
    await backends.open('remote', 'one');
    await backends.open('remote', 'two');
    expect(methods.filter((method) => method !== 'notifications/initialized')).toEqual([
      'server/discover',
      'initialize',
      'initialize',
    ]);
  });

  it('ends its listen stream, another is opened and the list is no longer trusted', async () => {
    let listens = 0;
    let lists = 0;
    const url = await httpServer((_, response, { id, method }) => {
      if (method === 'server/discover') {
        json(response, 200, {
          jsonrpc: '2.0',
          id,
          result: { supportedVersions: ['2026-07-28'], capabilities: { tools: { listChanged: true } } },
        });
      } else if (method === 'subscriptions/listen') {
        listens += 1;
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n');
        if (listens === 1) setTimeout(() => response.end(), 200);
      } else {
        lists += 1;
        json(response, 200, { jsonrpc: '2.0', id, result: { tools: [{ name: `tool-${lists}` }] } });
      }
    });
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    expect(await session.tools(60_000)).toEqual([{ name: 'tool-1' }]);
    await eventually(() => listens === 2);
    expect(await session.tools(60_000)).toEqual([{ name: 'tool-2' }]);
  });
});
