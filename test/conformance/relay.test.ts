import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Relay, startRelay } from '../../scripts/conformance/relay.ts';

const seen: { headers: string[]; body: string; closed: boolean }[] = [];
const behind = createServer(async (incoming, response) => {
  const entry = { headers: incoming.rawHeaders, body: '', closed: false };
  seen.push(entry);
  response.on('close', () => {
    entry.closed = true;
  });
  if (incoming.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: first\n\n');
    return;
  }
  entry.body = await text(incoming);
  response.writeHead(201, { 'Mcp-Session-Id': 'abc' });
  response.end('answered');
});
let relay: Relay;
let port: number;

beforeAll(async () => {
  await new Promise<void>((listening) => behind.listen(0, '127.0.0.1', listening));
  ({ port } = behind.address() as AddressInfo);
  relay = await startRelay(`http://127.0.0.1:${port}/mcp/~fixture`, 'a-key');
});
afterAll(async () => {
  await relay.close();
  behind.closeAllConnections();
  behind.close();
});

function ask(method: string, headers: Readonly<Record<string, string>>, body = ''): Promise<IncomingMessage> {
  return new Promise((answered, failed) => {
    const asked = request({ host: '127.0.0.1', port: relay.port, path: '/mcp/~fixture', method, headers }, answered);
    asked.on('error', failed);
    asked.end(body);
  });
}
const headerOf = (headers: readonly string[] | undefined, name: string) =>
  headers?.flatMap((each, index) => (index % 2 === 0 && each.toLowerCase() === name ? [headers[index + 1]] : []));

describe('when a request goes through the relay', () => {
  it('arrives with the key, and everything else as it was', async () => {
    const answer = await ask('POST', { 'X-Odd-Case': 'kept', 'Mcp-Method': 'tools/call' }, '{"a": 1}');
    expect([answer.statusCode, answer.headers['mcp-session-id'], await text(answer)]).toEqual([201, 'abc', 'answered']);
    const last = seen.at(-1);
    expect(last?.body).toBe('{"a": 1}');
    expect(last?.headers).toContain('X-Odd-Case');
    expect(headerOf(last?.headers, 'authorization')).toEqual(['Bearer a-key']);
  });

  it('names the server behind where it named the relay, by whatever loopback name', async () => {
    for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
      const authority = `${name}:${relay.port}`;
      await ask('POST', { host: authority, origin: `http://${authority}` });
      expect(headerOf(seen.at(-1)?.headers, 'host')).toEqual([`127.0.0.1:${port}`]);
      expect(headerOf(seen.at(-1)?.headers, 'origin')).toEqual([`http://127.0.0.1:${port}`]);
    }
  });

  it.each(['evil.example.com', 'evil.example.com:80', 'localhost', '127.0.0.1:1', 'localhost.evil.example'])(
    'is as foreign behind as it was in front, from %s',
    async (authority) => {
      await ask('POST', { host: authority, origin: `http://${authority}` });
      expect(headerOf(seen.at(-1)?.headers, 'host')).toEqual([authority]);
      expect(headerOf(seen.at(-1)?.headers, 'origin')).toEqual([`http://${authority}`]);
    },
  );

  it('streams as it comes, and closes behind when the caller goes away', async () => {
    const stream = await ask('GET', {});
    const [first] = await stream.take(1).toArray();
    expect(String(first)).toBe('data: first\n\n');
    stream.destroy();
    await expect.poll(() => seen.at(-1)?.closed).toBe(true);
  });
});
