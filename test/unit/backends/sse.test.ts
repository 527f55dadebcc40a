import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { backendsFor, call, caller, eventually, failureOf, http, jsonOf, sse, startFixture } from './support.ts';

const timeoutMs = 10_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

type Handle = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function listen(handle: Handle): Promise<{ url: string; origin: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    requests.push(request);
    let body = '';
    for await (const chunk of request) body += chunk;
    handle(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `${origin}/sse`, origin, requests };
}

const openStream = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });
const event = (type: string, data: string) => `event: ${type}\ndata: ${data}\n\n`;
const HELLO = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 's', version: '1' } };

/** A well-behaved 2024-11-05 server, but for what `answer` says to a request after the handshake; undefined says nothing. */
async function oldServer(
  answer: (message: { id: number; method: string }, stream: ServerResponse) => object | undefined,
): Promise<{ url: string; origin: string; requests: IncomingMessage[] }> {
  let stream: ServerResponse | undefined;
  return listen((request, response, body) => {
    if (request.method === 'GET') {
      stream = response;
      openStream(response).write(event('endpoint', '/messages?session=1'));
      return;
    }
    response.writeHead(202).end('Accepted');
    const message = JSON.parse(body);
    if (message.id === undefined || stream === undefined) return;
    const result = message.method === 'initialize' ? HELLO : answer(message, stream);
    if (result) stream.write(event('message', JSON.stringify({ jsonrpc: '2.0', id: message.id, result })));
  });
}

async function talker() {
  const remote = await startFixture('talker.ts', ['sse']);
  stops.push(remote.stop);
  return { ...remote, drop: () => fetch(new URL('/drop', remote.url), { method: 'POST' }) };
}

describe('when a server speaks HTTP+SSE of 2024-11-05', () => {
  it('is never asked for the newer era, and answers on its stream', async () => {
    const methods: string[] = [];
    const server = await oldServer(({ method }) => {
      methods.push(method);
      return { tools: [{ name: 'old' }] };
    });
    backends = backendsFor({ old: sse(server.url) });
    const session = await backends.open('old', 'key');
    expect(session).toMatchObject({ era: 'legacy', protocolVersion: '2024-11-05' });
    expect(await session.tools(0)).toEqual([{ name: 'old' }]);
    expect(methods).toEqual(['tools/list']);
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /sse',
      'POST /messages?session=1',
      'POST /messages?session=1',
      'POST /messages?session=1',
    ]);
    expect(backends.status()[0]).toMatchObject({ state: 'running', era: 'legacy' });
  });

  it('rejects what is under way when the stream ends, and opens another session at once', async () => {
    const { url, drop } = await talker();
    backends = backendsFor({ old: sse(url) });
    const client = caller(() => new Promise(() => {}));
    const session = await backends.open('old', 'key', undefined, client);
    const asked = failureOf(session.request('tools/call', call('ask', { method: 'roots/list' }), { timeoutMs }));
    await eventually(() => client.requests.length === 1);
    await drop();
    expect(await asked).toMatchObject({
      code: 'unavailable',
      message: 'The server "old" failed: it closed its event stream.',
    });
    expect(client.requests[0]?.signal.aborted).toBe(true);
    const next = await backends.open('old', 'key');
    expect(jsonOf(await next.request('tools/call', call('subscribed'), { timeoutMs }))).toEqual([]);
  });

  it('ends its stream when the session is released', async () => {
    const server = await oldServer(() => ({}));
    backends = backendsFor({ old: sse(server.url) });
    await backends.open('old', 'key');
    const gone = new Promise((resolve) => server.requests[0]?.socket.on('close', resolve));
    await backends.release('key');
    await gone;
  });

  it('opens anew where a POST is answered with an unknown session', async () => {
    let known = true;
    let stream: ServerResponse | undefined;
    const server = await listen((request, response, body) => {
      if (request.method === 'GET') {
        stream = openStream(response);
        stream.write(event('endpoint', '/messages'));
        known = true;
      } else if (!known) response.writeHead(404).end('Session not found');
      else {
        response.writeHead(202).end();
        const { id } = JSON.parse(body);
        if (id !== undefined) stream?.write(event('message', JSON.stringify({ jsonrpc: '2.0', id, result: HELLO })));
      }
    });
    backends = backendsFor({ old: sse(server.url) });
    const session = await backends.open('old', 'key');
    known = false;
    expect((await failureOf(session.request('ping', {}, { timeoutMs }))).message).toContain('has ended the session');
    expect((await (await backends.open('old', 'key')).request('ping', {}, { timeoutMs })).ok).toBe(true);
  });
});

describe('when a server names a place for messages that is not its own', () => {
  it.each([
    'http://other.example/messages',
    'https://127.0.0.1/messages',
    '//other.example/messages',
    'http://user:secret@HOST/messages',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'http://[',
    `/${'x'.repeat(10_000)}`,
  ])('refuses %s and sends it nothing', async (named) => {
    const server = await listen((_, response) => {
      openStream(response).write(event('endpoint', named.replace('HOST', String(_.headers.host))));
    });
    backends = backendsFor({ old: sse(server.url) });
    const failure = await failureOf(backends.open('old', 'key'));
    expect(failure.code).toBe('protocol');
    expect(failure.message).toMatch(
      /it (wants messages sent to another place|names an address for messages that is none)/,
    );
    expect(server.requests).toHaveLength(1);
  });

  it('refuses another port of the same machine', async () => {
    const other = await listen((_, response) => response.end());
    const server = await listen((_, response) => {
      openStream(response).write(event('endpoint', `${other.origin}/messages`));
    });
    backends = backendsFor({ old: sse(server.url) });
    expect((await failureOf(backends.open('old', 'key'))).message).toContain(`another place than ${server.origin}`);
    expect(other.requests).toEqual([]);
  });

  it('does not follow one that names another place later, or a redirect to one', async () => {
    const other = await listen((_, response) => response.end());
    const server = await oldServer((_, stream) => {
      stream.write(event('endpoint', `${other.origin}/messages`));
      return {};
    });
    backends = backendsFor({ old: sse(server.url) });
    const session = await backends.open('old', 'key');
    await session.request('one', {}, { timeoutMs });
    await session.request('two', {}, { timeoutMs });
    expect(other.requests).toEqual([]);
    const away = await listen((_, response) => response.writeHead(307, { location: other.url }).end());
    backends.apply([]);
    await backends.close();
    backends = backendsFor({ away: sse(away.url) });
    expect((await failureOf(backends.open('away', 'key'))).message).toContain('which is not followed');
    expect(other.requests).toEqual([]);
  });
});

describe('when a stream is not what it should be', () => {
  const started = async (handle: Handle) => {
    const server = await listen(handle);
    backends = backendsFor({ old: sse(server.url) }, { startTimeoutMs: 600 });
    const failure = await failureOf(backends.open('old', 'key'));
    const open = server.requests.filter(({ destroyed, complete }) => !destroyed && !complete);
    return { failure, open };
  };

  it('gives up one that never names a place, and hangs up', async () => {
    let closed = false;
    const { failure } = await started((_, response) => {
      response.on('close', () => {
        closed = true;
      });
      openStream(response).write(': wait\n\n');
    });
    expect(failure).toMatchObject({ code: 'timeout', message: 'The server "old" did not start within 0.6 seconds.' });
    await eventually(() => closed);
  });

  it('gives up one that talks for ever and never names a place', async () => {
    let closed = false;
    const { failure } = await started((_, response) => {
      openStream(response);
      response.on('close', () => {
        closed = true;
      });
      const talk = () => {
        while (!closed && response.write(event('message', '{"jsonrpc":"2.0","method":"x"}')));
      };
      response.on('drain', talk);
      talk();
    });
    expect(failure.code).toBe('timeout');
    await eventually(() => closed);
  });

  it('gives up one whose first line never ends, without holding it', async () => {
    const server = await listen((_, response) => {
      openStream(response);
      const chunk = Buffer.alloc(1024 * 1024, 0x78);
      const pump = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pump);
      pump();
    });
    backends = backendsFor({ old: sse(server.url) });
    const failure = await failureOf(backends.open('old', 'key'));
    expect(failure).toMatchObject({ code: 'protocol' });
    expect(failure.message).toContain('larger than 16 MB');
  });

  it.each([
    [
      'ends at once',
      (response: ServerResponse) => openStream(response).end(),
      'without naming an endpoint',
      'unavailable',
    ],
    [
      'is a page',
      (response: ServerResponse) => response.end('<html>'),
      'something else than an event stream',
      'protocol',
    ],
    ['is refused', (response: ServerResponse) => response.writeHead(401).end(), 'requires a sign-in', 'unavailable'],
    ['is broken', (response: ServerResponse) => response.writeHead(500).end(), 'an error of its own', 'unavailable'],
  ] as const)('says so where it %s', async (_, answer, words, code) => {
    const { failure } = await started((_request, response) => void answer(response));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(words);
  });

  it('ends the session at a message nested too deep, and the process goes on', async () => {
    const server = await oldServer((_, stream) => {
      stream.write(event('message', `${'['.repeat(100_000)}${']'.repeat(100_000)}`));
      return undefined;
    });
    backends = backendsFor({ old: sse(server.url) });
    const session = await backends.open('old', 'key');
    const failure = await failureOf(session.request('x', {}, { timeoutMs }));
    expect(failure).toMatchObject({ code: 'protocol' });
    expect(failure.message).toContain('nested deeper');
  });

  it('passes over what is no message, and takes a large answer to a call', async () => {
    const text = 'x'.repeat(20 * 1024 * 1024);
    const server = await oldServer((_, stream) => {
      stream.write(event('message', 'not json'));
      stream.write(event('message', '"text"'));
      stream.write(event('other', '{"jsonrpc":"2.0","id":2,"result":{"wrong":true}}'));
      return { text };
    });
    backends = backendsFor({ old: sse(server.url) });
    const session = await backends.open('old', 'key');
    const reply = await session.request('tools/call', call('x'), { timeoutMs });
    expect(reply.ok && reply.result.text).toBe(text);
  });

  it('is never reached where it is not encrypted and not on this machine', async () => {
    backends = backendsFor({ old: sse('http://mcp.example.com/sse'), odd: sse('not a url') });
    expect((await failureOf(backends.open('old', 'key'))).message).toContain('not encrypted');
    expect((await failureOf(backends.open('odd', 'key'))).message).toContain('is not an address');
  });
});

describe('when the address of a Streamable HTTP server turns out to be an old one', () => {
  it('falls back to HTTP+SSE, and goes there directly the next time', async () => {
    const { url } = await talker();
    const seen: string[] = [];
    const target = new URL(url);
    const front = await listen((request, response, body) => {
      seen.push(`${request.method} ${request.url?.split('?')[0]}`);
      const { method = 'GET', url: path = '' } = request;
      const headers = { 'content-type': 'application/json' };
      const passed = httpRequest(new URL(path, target), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, {
          'content-type': answer.headers['content-type'] ?? 'text/plain',
        });
        answer.pipe(response);
      });
      response.on('close', () => passed.destroy());
      passed.on('error', () => response.destroy());
      passed.end(method === 'POST' ? body : undefined);
    });
    backends = backendsFor({ old: http(front.url) });
    const session = await backends.open('old', 'one');
    expect(session).toMatchObject({ era: 'legacy', serverInfo: { name: 'talker' } });
    expect(await session.tools(0)).not.toEqual([]);
    expect(seen.slice(0, 3)).toEqual(['POST /sse', 'POST /sse', 'GET /sse']);
    seen.length = 0;
    await backends.open('old', 'two');
    expect(seen[0]).toBe('GET /sse');
    expect(seen).not.toContain('POST /sse');
  });

  it.each([400, 404, 405])('says what was said first where there is no stream either (%i)', async (status) => {
    const server = await listen((request, response) =>
      response.writeHead(request.method === 'POST' ? status : 403).end(),
    );
    backends = backendsFor({ gone: http(server.url) });
    const failure = await failureOf(backends.open('gone', 'key'));
    expect(failure).toMatchObject({ code: 'unavailable' });
    expect(failure.message).toContain(`it refused the request (HTTP ${status})`);
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'GET']);
  });

  it.each([401, 403, 500])('does not try where %i says nothing about the transport', async (status) => {
    const server = await listen((_, response) => response.writeHead(status).end());
    backends = backendsFor({ gone: http(server.url) });
    await failureOf(backends.open('gone', 'key'));
    expect(server.requests.map(({ method }) => method)).toEqual(['POST']);
  });

  it('does not send messages elsewhere because of it', async () => {
    const other = await listen((_, response) => response.end());
    const server = await listen((request, response) => {
      if (request.method === 'POST') response.writeHead(404).end();
      else openStream(response).write(event('endpoint', other.url));
    });
    backends = backendsFor({ sly: http(server.url) });
    const failure = await failureOf(backends.open('sly', 'key'));
    expect(failure).toMatchObject({ code: 'protocol' });
    expect(other.requests).toEqual([]);
  });

  it('waits no longer than any start may take', async () => {
    const server = await listen((request, response) => {
      if (request.method === 'POST') response.writeHead(404).end();
      else openStream(response).write(': wait\n\n');
    });
    backends = backendsFor({ slow: http(server.url) }, { startTimeoutMs: 700 });
    const failure = await failureOf(backends.open('slow', 'key'));
    expect(failure.code).toBe('timeout');
  });
});
