import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { refuseUrl } from '../../../main/backends/http-exchange.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, call, eventually, failureOf, http, startFixture, textOf } from './support.ts';

let backends: Backends | undefined;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends?.close();
  for (const stop of stops.splice(0)) await stop();
});
const timeoutMs = 10_000;

type Body = { id?: number; method?: string; params?: JsonObject };

/** A 2025 server whose tools/call and streams a test writes itself; everything before that is done. */
async function handWritten(
  answer: (request: IncomingMessage, response: ServerResponse, body: Body) => void,
): Promise<{ url: string; requests: IncomingMessage[]; drop: () => void }> {
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    requests.push(request);
    const body: Body = text === '' ? {} : JSON.parse(text);
    const reply = (message: JsonObject) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id: body.id ?? null, ...message }));
    if (body.method === 'server/discover') reply({ error: { code: -32601, message: 'no' } });
    else if (body.method === 'initialize')
      reply({ result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } });
    else if (body.method?.startsWith('notifications/')) response.writeHead(202).end();
    else answer(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    requests,
    drop: () => server.closeAllConnections(),
  };
}

async function legacyFixture() {
  const remote = await startFixture('echo-http-legacy.ts');
  stops.push(remote.stop);
  const post = (path: string) => fetch(new URL(path, remote.url), { method: 'POST' });
  return { url: remote.url, post };
}

async function modernFixture() {
  const remote = await startFixture('echo-http-modern.ts');
  stops.push(remote.stop);
  return remote.url;
}

describe('when a 2025 server keeps sessions', () => {
  it('gives each key its own and ends it with DELETE', async () => {
    const { url } = await legacyFixture();
    backends = backendsFor({ remote: http(url) });
    const [one, two] = await Promise.all([backends.open('remote', 'one'), backends.open('remote', 'two')]);
    const ids = await Promise.all(
      [one, two].map(async (s) => textOf(await s.request('tools/call', call('whoami'), { timeoutMs }))),
    );
    expect(new Set(ids).size).toBe(2);
    await backends.release('one');
    expect(JSON.parse(textOf(await two.request('tools/call', call('counts'), { timeoutMs })))).toMatchObject({
      deleted: 1,
    });
  });

  it("rejects as 'unavailable' when the server forgot the session, and opens a new one at once", async () => {
    const { url, post } = await legacyFixture();
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    await post('/forget');
    const failure = await failureOf(session.request('tools/call', call('echo'), { timeoutMs }));
    expect(failure).toMatchObject({
      code: 'unavailable',
      message: 'The server "remote" failed: it has ended the session.',
    });
    const next = await backends.open('remote', 'key');
    expect(textOf(await next.request('tools/call', call('echo', { message: 'again' }), { timeoutMs }))).toBe('again');
  });

  it('hears list_changed on the GET stream', async () => {
    const { url, post } = await legacyFixture();
    backends = backendsFor({ remote: http(url) });
    const changed: string[] = [];
    backends.onListChanged((alias) => changed.push(alias));
    await backends.open('remote', 'key');
    await eventually(async () => {
      await post('/changed');
      return changed.length > 0;
    });
    expect(changed[0]).toBe('remote');
  });

  it('cancels by notification', async () => {
    const { url } = await legacyFixture();
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    const cancel = new AbortController();
    const answer = session.request('tools/call', call('slow', { steps: 200, ms: 50 }), {
      timeoutMs,
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    expect((await failureOf(answer)).code).toBe('cancelled');
    await eventually(
      async () =>
        JSON.parse(textOf(await session.request('tools/call', call('counts'), { timeoutMs }))).cancelled === 1,
    );
  });
});

describe('when a server speaks 2026-07-28', () => {
  it('receives the headers derived from each message', async () => {
    backends = backendsFor({ remote: http(await modernFixture()) });
    const session = await backends.open('remote', 'key');
    const headers = JSON.parse(textOf(await session.request('tools/call', call('headers'), { timeoutMs })));
    expect(headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'headers',
    });
    expect(headers['mcp-session-id']).toBeUndefined();
  });

  it.each(['eu-1', 'Zürich 🎈', ' padded ', '=?base64?x?=', ''])(
    'repeats an x-mcp-header argument in its header: %j',
    async (region) => {
      backends = backendsFor({ remote: http(await modernFixture()) });
      const session = await backends.open('remote', 'key');
      // The server itself compares header and body and refuses a mismatch with -32020.
      const reply = await session.request('tools/call', call('echo', { region, message: 'm' }), { timeoutMs });
      expect(reply).toMatchObject({ ok: true, result: { structuredContent: { region, message: 'm' } } });
    },
  );

  it('cancels by closing the stream', async () => {
    backends = backendsFor({ remote: http(await modernFixture()) });
    const session = await backends.open('remote', 'key');
    const cancel = new AbortController();
    const answer = session.request('tools/call', call('slow', { steps: 200, ms: 50 }), {
      timeoutMs,
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    expect((await failureOf(answer)).code).toBe('cancelled');
    await eventually(async () => textOf(await session.request('tools/call', call('cancelled'), { timeoutMs })) === '1');
  });

  it('is heard on its listen stream, and the list is read anew', async () => {
    backends = backendsFor({ remote: http(await modernFixture()) });
    const changed: string[] = [];
    backends.onListChanged((alias) => changed.push(alias));
    const session = await backends.open('remote', 'key');
    const acknowledged = new Promise<void>((resolve) => {
      session.onNotification((method) => method === 'notifications/subscriptions/acknowledged' && resolve());
    });
    await acknowledged;
    const describe = async () => (await session.tools(60_000)).find((tool) => tool.name === 'echo')?.description;
    expect(await describe()).toBe('Returns its arguments.');
    await session.request('tools/call', call('change', { to: 'Sends everything to me.' }), { timeoutMs });
    await eventually(() => changed.includes('remote'));
    expect(await describe()).toBe('Sends everything to me.');
  });
});

describe('when a server misbehaves on the wire', () => {
  async function opened(answer: (request: IncomingMessage, response: ServerResponse, body: Body) => void) {
    const server = await handWritten((request, response, body) => {
      if (request.method === 'GET' && !('last-event-id' in request.headers)) response.writeHead(405).end();
      else answer(request, response, body);
    });
    backends = backendsFor({ remote: http(server.url) });
    return { ...server, session: await backends.open('remote', 'key') };
  }

  it('ends the session at a JSON body above 64 MB without holding it', async () => {
    const { session } = await opened((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(1024 * 1024, 0x20);
      const pump = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pump);
      pump();
    });
    const failure = await failureOf(session.request('tools/call', call('x'), { timeoutMs: 60_000 }));
    expect(failure.code).toBe('protocol');
    expect(failure.message).toContain('larger than 64 MB');
    expect((await failureOf(session.request('ping', {}, { timeoutMs }))).code).toBe('protocol');
  });

  it('ends the session at an event above 64 MB, however its lines are cut', async () => {
    const { session } = await opened((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const chunk = Buffer.from(`data: ${'x'.repeat(1024 * 1024)}\n`);
      const pump = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pump);
      pump();
    });
    const failure = await failureOf(session.request('tools/call', call('x'), { timeoutMs: 60_000 }));
    expect(failure.code).toBe('protocol');
  });

  it.each([
    ['no answer on the stream', 200, 'text/event-stream', ': nothing\n\n', 'protocol'],
    ['an answer to something else', 200, 'application/json', '{"jsonrpc":"2.0","id":424242,"result":{}}', 'protocol'],
    ['no JSON', 200, 'application/json', '{"jsonrpc":', 'protocol'],
    ['a web page', 200, 'text/html', '<html>', 'protocol'],
    ['a result that is no object', 200, 'application/json', 'OWN', 'protocol'],
    ['accepted, and nothing more', 202, 'application/json', '', 'protocol'],
    ['a server error', 502, 'text/html', 'bad gateway', 'unavailable'],
    ['a rate limit', 429, 'text/plain', 'slow down', 'unavailable'],
  ] as const)('gives a clear failure for %s', async (_, status, type, text, code) => {
    const { session } = await opened((_request, response, { id }) => {
      response.writeHead(status, { 'content-type': type });
      response.end(text === 'OWN' ? JSON.stringify({ jsonrpc: '2.0', id, result: [1] }) : text);
    });
    const failure = await failureOf(session.request('tools/call', call('x'), { timeoutMs }));
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(/^The server "remote" failed: its? .+\.$/);
  });

  it('resumes a stream that broke off before its answer, by its last event id', async () => {
    let callId: number | undefined;
    const { session, requests } = await opened((request, response, { id }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (request.method === 'POST') {
        callId = id;
        response.write('id: event-7\nretry: 10\ndata:\n\n');
        setTimeout(() => response.destroy(), 20);
      } else {
        response.end(
          `id: event-8\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: callId, result: { resumed: true } })}\n\n`,
        );
      }
    });
    expect(await session.request('tools/call', call('x'), { timeoutMs })).toEqual({
      ok: true,
      result: { resumed: true },
    });
    expect(requests.at(-1)?.headers['last-event-id']).toBe('event-7');
  });

  it('does not send a call again when the connection broke before the answer', async () => {
    let calls = 0;
    const { session } = await opened((request) => {
      calls += 1;
      request.socket.destroy();
    });
    expect((await failureOf(session.request('tools/call', call('x'), { timeoutMs }))).code).toBe('unavailable');
    expect(calls).toBe(1);
  });

  it('follows a redirect within its origin, with method and body', async () => {
    const { session } = await opened((request, response, { id }) => {
      if (request.url === '/mcp') response.writeHead(307, { location: '/mcp/' }).end();
      else
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id, result: { at: request.url } }));
    });
    expect(await session.request('tools/call', call('x'), { timeoutMs })).toEqual({
      ok: true,
      result: { at: '/mcp/' },
    });
  });

  it('follows no redirect to another origin, and none in a circle', async () => {
    let reached = false;
    const other = await handWritten((_, response) => {
      reached = true;
      response.end();
    });
    const { session } = await opened((_, response, { params }) => {
      response.writeHead(307, { location: params?.name === 'away' ? other.url : '/mcp' }).end();
    });
    const failure = await failureOf(session.request('tools/call', call('away'), { timeoutMs }));
    expect(failure.message).toContain(`redirects (HTTP 307) to ${new URL(other.url).origin}, which is not followed`);
    expect(reached).toBe(false);
    expect((await failureOf(session.request('tools/call', call('circle'), { timeoutMs }))).code).toBe('unavailable');
  });
});

describe('when the address of a remote server is not safe', () => {
  it.each([
    ['https://mcp.example.com/mcp', true],
    ['http://127.0.0.1:9/mcp', true],
    ['http://127.9.9.9/mcp', true],
    ['http://[::1]:9/', true],
    ['http://localhost:9/', true],
    ['http://mcp.example.com/mcp', false],
    ['http://10.0.0.1/', false],
    ['http://0.0.0.0/', false],
    ['http://localhost.example.com/', false],
    ['http://127.0.0.1.example.com/', false],
    ['http://[::ffff:10.0.0.1]/', false],
    ['https://user:secret@mcp.example.com/', false],
    ['ftp://127.0.0.1/', false],
    ['file:///etc/passwd', false],
  ])('%s is accepted: %s', (url, accepted) => {
    expect(refuseUrl(new URL(url)) === undefined).toBe(accepted);
  });

  it('is refused before anything is sent', async () => {
    backends = backendsFor({ remote: http('http://mcp.example.com/mcp'), broken: http('not a url') });
    expect((await failureOf(backends.open('remote', 'key'))).message).toContain('not encrypted');
    expect((await failureOf(backends.open('broken', 'key'))).code).toBe('unavailable');
  });

  it('and one where nobody listens is said to be unreachable, with a backoff', async () => {
    backends = backendsFor({ remote: http('http://127.0.0.1:1/mcp') });
    const failure = await failureOf(backends.open('remote', 'key'));
    expect(failure.message).toContain('http://127.0.0.1:1 cannot be reached (ECONNREFUSED)');
    expect(backends.status()[0]?.state).toBe('backing-off');
  });
});
