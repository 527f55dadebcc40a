import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { backendsFor, call, caller, eventually, failureOf, http } from './support.ts';

const timeoutMs = 10_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

interface Stream {
  readonly at: number;
  readonly lastEventId: string | undefined;
  readonly response: ServerResponse;
}

/**
 * A 2025-11-25 server with sessions. `call` gets each tools/call's stream, `get` each GET; both are told how many came before.
 * Streams have their headers sent.
 */
async function server(
  call: (stream: Stream, id: number, nth: number) => void,
  get: (stream: Stream, nth: number) => void,
) {
  const calls: Stream[] = [];
  const gets: Stream[] = [];
  const opened = (request: IncomingMessage, response: ServerResponse): Stream => {
    const id = request.headers['last-event-id'];
    return { at: Date.now(), lastEventId: typeof id === 'string' ? id : undefined, response };
  };
  const listener = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { id = 0, method } = text === '' ? ({} as { id?: number; method?: string }) : JSON.parse(text);
    const json = (message: object) => {
      response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 's-1' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
    };
    const stream = opened(request, response);
    if (request.method === 'GET') {
      gets.push(stream);
      get(stream, gets.length - 1);
    } else if (request.method === 'DELETE') response.end();
    else if (method === 'server/discover') json({ error: { code: -32601, message: 'no' } });
    else if (method === 'initialize')
      json({ result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } });
    else if (method === 'tools/call') {
      calls.push(stream);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      call(stream, id, calls.length - 1);
    } else response.writeHead(202).end();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    listener.closeAllConnections();
    await new Promise((resolve) => listener.close(resolve));
  });
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`, calls, gets };
}

const head = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });
const prime = (id: string, retry?: number) => `id: ${id}\n${retry === undefined ? '' : `retry: ${retry}\n`}data:\n\n`;
const message = (value: object, id?: string) =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify({ jsonrpc: '2.0', ...value })}\n\n`;

describe('when a server sends its caller away and wants to be asked later', () => {
  it('comes back as often as it is sent away, after the time it was told, with the last id it heard', async () => {
    let callId = 0;
    const { url, calls, gets } = await server(
      ({ response }, id) => {
        callId = id;
        response.end(prime('e-0', 150));
      },
      ({ response, lastEventId }, nth) => {
        if (lastEventId === undefined) {
          response.writeHead(405).end();
          return;
        }
        // Far more often in vain than a broken connection would be tried.
        head(response).end(nth < 9 ? prime(`e-${nth}`) : message({ id: callId, result: { after: nth } }));
      },
    );
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    const reply = await session.request('tools/call', call('x'), { timeoutMs });
    expect(reply).toEqual({ ok: true, result: { after: 9 } });
    expect(calls).toHaveLength(1);
    const polls = gets.filter(({ lastEventId }) => lastEventId !== undefined);
    expect(polls.map(({ lastEventId }) => lastEventId)).toEqual([
      'e-0',
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `e-${n}`),
    ]);
    const times = [calls[0]?.at ?? 0, ...polls.map(({ at }) => at)];
    for (const [index, at] of times.slice(1).entries()) expect(at - (times[index] ?? 0)).toBeGreaterThanOrEqual(140);
  });

  it('brings what comes on a resumed stream back to the request it was for', async () => {
    let callId = 0;
    const { url } = await server(
      ({ response }, id, nth) => {
        if (nth === 0) return;
        callId = id;
        response.end(prime('e-0', 10));
      },
      ({ response, lastEventId }) => {
        if (lastEventId === undefined) {
          head(response).write(': open\n\n');
          return;
        }
        head(response).write(message({ id: 'q', method: 'roots/list' }, 'e-1'));
        response.write(message({ method: 'notifications/message', params: { n: 1 } }, 'e-2'));
        setTimeout(() => response.end(message({ id: callId, result: {} }, 'e-3')), 50);
      },
    );
    backends = backendsFor({ remote: http(url) });
    const client = caller();
    const session = await backends.open('remote', 'key', undefined, client);
    const origin = {};
    // Another one is under way, so that only the stream can tell.
    const beside = failureOf(session.request('tools/call', call('x'), { timeoutMs, origin: { other: true } }));
    await session.request('tools/call', call('x'), { timeoutMs, origin });
    expect(client.requests[0]?.origin).toBe(origin);
    expect(client.notifications[0]?.origin).toBe(origin);
    await backends.release('key');
    await beside;
  });

  it('asks ever more slowly where the server wants to be asked without a pause', async () => {
    const { url, gets } = await server(
      ({ response }) => response.end(prime('e-0', 0)),
      ({ response, lastEventId }) => {
        if (lastEventId === undefined) response.writeHead(405).end();
        else head(response).end(prime('again', 0));
      },
    );
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    expect((await failureOf(session.request('tools/call', call('x'), { timeoutMs: 2_000 }))).code).toBe('timeout');
    expect(gets.length).toBeLessThan(10);
  });

  it('stops coming back when the caller gave up', async () => {
    const { url, gets } = await server(
      ({ response }) => response.end(prime('e-0', 50)),
      ({ response, lastEventId }) => {
        if (lastEventId === undefined) response.writeHead(405).end();
        else head(response).end(prime('again'));
      },
    );
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    await failureOf(session.request('tools/call', call('x'), { timeoutMs: 400 }));
    const before = gets.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(gets.length - before).toBeLessThanOrEqual(1);
  });

  it('opens the stream beside all requests again, with its last id', async () => {
    const { url, gets } = await server(
      ({ response }, id) => response.end(message({ id, result: {} })),
      ({ response }, nth) => {
        head(response);
        if (nth === 0) response.end(prime('s-1', 20));
        else if (nth === 1) response.end(message({ method: 'notifications/message', params: { n: 1 } }, 's-2'));
        else response.write(': open\n\n');
      },
    );
    backends = backendsFor({ remote: http(url) });
    const client = caller();
    await backends.open('remote', 'key', undefined, client);
    await eventually(() => gets.length === 3);
    expect(gets.map(({ lastEventId }) => lastEventId)).toEqual([undefined, 's-1', 's-2']);
    expect(client.notifications).toEqual([{ method: 'notifications/message', params: { n: 1 }, origin: undefined }]);
  });

  it('keeps asking for that stream while the server is busy being started again', async () => {
    const { url, gets } = await server(
      ({ response }, id) => response.end(message({ id, result: {} })),
      ({ response }, nth) => {
        if (nth === 0) head(response).end(prime('s-1', 20));
        else if (nth < 8) response.writeHead(503).end();
        else head(response).write(message({ method: 'notifications/message', params: { n: 1 } }, 's-2'));
      },
    );
    backends = backendsFor({ remote: http(url) });
    const client = caller();
    await backends.open('remote', 'key', undefined, client);
    await eventually(() => client.notifications.length === 1);
    expect(gets.at(-1)?.lastEventId).toBe('s-1');
  });

  it('takes the session for lost where that stream is gone, and a new one starts at once', async () => {
    const { url } = await server(
      ({ response }, id) => response.end(message({ id, result: {} })),
      ({ response }, nth) => {
        if (nth > 0) response.writeHead(404).end();
        else {
          head(response).write(prime('s-1', 20));
          setTimeout(() => response.end(), 50);
        }
      },
    );
    backends = backendsFor({ remote: http(url) });
    const session = await backends.open('remote', 'key');
    await eventually(() => backends.status()[0]?.sessions === 0);
    expect((await failureOf(session.request('ping', {}, { timeoutMs }))).message).toContain('has ended the session');
    expect(await backends.open('remote', 'key')).not.toBe(session);
  });
});
