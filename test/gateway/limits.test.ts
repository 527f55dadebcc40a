import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, modern, modernMessage, modernStream, openSession } from './support/bare-app.ts';
import { until } from './support/house.ts';
import { openScripted, type Script, type Scripted } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const text = (value: string): JsonObject => ({ content: [{ type: 'text', text: value }] });
const hello = { hello: () => text('hi') };
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'hello' } };

/** What comes back over a bare socket. */
function raw(bytes: string, ms = 2_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(house.port, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
    setTimeout(() => socket.destroy(), ms).unref();
    socket.write(bytes);
  });
}

/** The same, of a caller that looks only after all of its body is sent. */
function rawAfter(head: string, body: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(house.port, '127.0.0.1');
    let got = '';
    socket.pause();
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
    socket.write(head);
    socket.write(body, () => socket.resume());
    setTimeout(() => socket.resume(), 1_500).unref();
  });
}

describe('when a message is larger than the policy lets it be', () => {
  it('refuses the body with 413 and says how large it may be', async () => {
    house = await openScripted({ tools: hello, limits: { bodyBytes: 2_048 } });
    const app = await openSession(house);
    const sized = (size: number) => JSON.stringify({ ...call, params: { name: 'hello', pad: 'x'.repeat(size) } });
    expect((await app.post(sized(1_500))).status).toBe(200);
    const answer = await app.post(sized(2_048));
    expect([answer.status, answer.json.error]).toMatchObject([
      413,
      { code: -32000, message: expect.stringContaining('at most 2048 bytes') },
    ]);
  });

  it('gets the answer to a caller that reads only once it has sent everything', async () => {
    house = await openScripted({ tools: hello, limits: { bodyBytes: 2_048 } });
    const body = 'x'.repeat(8 << 20);
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${house.port}\r\nAuthorization: Bearer ${house.token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (let i = 0; i < 5; i++) {
      expect(await rawAfter(head('/mcp'), body)).toMatch(/^HTTP\/1\.1 413 .*at most 2048 bytes/s);
      expect(await rawAfter(head('/mcp/~nobody'), body)).toMatch(/^HTTP\/1\.1 404 .*unknown-endpoint/s);
    }
  });

  it('does not take from it without end', async () => {
    house = await openScripted({ tools: hello, limits: { bodyBytes: 2_048 } });
    const head = `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${house.port}\r\nAuthorization: Bearer ${house.token}\r\nContent-Type: application/json\r\nContent-Length: 100000000000\r\n\r\n`;
    const socket = connect(house.port, '127.0.0.1');
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.on('close', resolve));
    let sent = 0;
    const chunk = Buffer.alloc(1 << 20, 'x');
    const send = () => {
      while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
      if (!socket.destroyed) socket.once('drain', send);
    };
    const began = Date.now();
    socket.write(head, send);
    await closed;
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(sent).toBeLessThan(80 << 20);
  });

  it('refuses headers with 431, in words, and goes on serving others', async () => {
    house = await openScripted({ tools: hello });
    const head = `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${house.port}\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`;
    const got = await raw(head);
    expect(got).toMatch(/^HTTP\/1\.1 431 .*\r\n/);
    expect(got).toContain('"message":"The headers are too large: at most 32768 bytes are taken"');
    expect((await modern(house, 'tools/call', { name: 'hello' })).status).toBe(200);
  });

  it('refuses what is not HTTP with 400, in words', async () => {
    house = await openScripted({ tools: hello });
    for (const bytes of [
      'hello\r\n\r\n',
      'GET /mcp HTTP/1.1\r\nbad header\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\r\n\r\n',
    ]) {
      const got = await raw(bytes);
      expect(got).toMatch(/^HTTP\/1\.1 400 .*\r\n/);
      expect(got).toContain('"code":-32000');
    }
  });

  it('refuses nesting with 400 and says how deep it may be', async () => {
    house = await openScripted({ tools: hello, limits: { depth: 20 } });
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const { headers } = modernMessage('tools/call', { name: 'hello' });
    const app = await openSession(house);
    const body = (levels: number) =>
      `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hello","x":${nested(levels)}}}`;
    expect((await app.post(body(18))).status).toBe(200);
    for (const levels of [19, 20, 50_000]) {
      for (const answer of [await app.post(body(levels)), await new BareApp(house).post(body(levels), headers)]) {
        expect([answer.status, answer.json]).toMatchObject([
          400,
          { id: 3, error: { code: -32600, message: expect.stringContaining('deeper than 20 levels') } },
        ]);
      }
    }
    expect(house.conversations).toHaveLength(1);
  });

  it('refuses a batch beyond its length, and the batch alone', async () => {
    house = await openScripted({ tools: hello, limits: { batch: 3 } });
    const app = await openSession(house, {}, { version: '2025-03-26' });
    const batch = (length: number) => Array.from({ length }, (_, id) => ({ ...call, id }));
    expect((await app.post(batch(3))).status).toBe(200);
    const answer = await app.post(batch(4));
    expect([answer.status, answer.json.error]).toMatchObject([
      400,
      { code: -32600, message: expect.stringContaining('at most 3') },
    ]);
  });
});

describe('when an app has as much open as the policy lets it', () => {
  it('ends the session idle the longest for a new one', async () => {
    house = await openScripted({ tools: hello, limits: { sessionsPerApp: 2 } });
    const [first, second] = [await openSession(house), await openSession(house)];
    house.clock.advance(1_000);
    await first.request('ping');
    await openSession(house);
    expect((await first.request('ping')).status).toBe(200);
    expect((await second.request('ping')).status).toBe(404);
    expect(house.gateway.connections().get(house.appId)).toBe(2);
  });

  it('opens no stream beyond those of a session or of the app, of either kind, until one is closed', async () => {
    house = await openScripted({ tools: hello, limits: { streamsPerSession: 2, streamsPerApp: 3 } });
    const [one, two] = [await openSession(house), await openSession(house)];
    const open = [await one.listen(), await one.listen()];
    const third = await one.listen();
    expect(third.response.status).toBe(409);
    const listening = await modernStream(house, 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await listening.message('notifications/subscriptions/acknowledged');
    expect((await two.listen()).response.status).toBe(409);
    const refused = await modern(house, 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    expect(refused.json.error).toMatchObject({ code: -32000, message: expect.stringContaining('as many streams') });
    const theirs = await openSession({ endpoint: house.endpoint, token: house.token2() });
    const other = await theirs.listen();
    expect(other.response.status).toBe(200);
    const again = await one.listen((await open[0]?.next(() => true))?.id);
    expect(again.response.status).toBe(200);
    again.drop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = await two.listen();
    expect(now.response.status).toBe(200);
    for (const stream of [...open, listening, other, now]) stream.drop();
  });

  it('does not count answers that became streams', async () => {
    let end: () => void = () => {};
    const slow: Script = (conversation) => {
      conversation.notify('notifications/progress', { progress: 1 });
      return new Promise((resolve) => {
        end = () => resolve(text('done'));
      });
    };
    house = await openScripted({ tools: { slow }, limits: { streamsPerSession: 1, streamsPerApp: 1 } });
    const app = await openSession(house);
    const stream = await app.call('slow');
    const standing = await app.listen();
    expect(standing.response.status).toBe(200);
    end();
    await stream.answer(1);
    standing.drop();
  });

  it('refuses one request more in words, but leaves calls to where they are recorded', async () => {
    const ends: (() => void)[] = [];
    const held: Script = () => new Promise((resolve) => ends.push(() => resolve({ tools: [] })));
    house = await openScripted({ tools: { 'tools/list': held, hello: () => text('hi') }, limits: { callsPerApp: 2 } });
    const app = await openSession(house);
    const running = [app.request('tools/list', {}, 1), modern(house, 'tools/list')];
    await until('both run', () => ends.length === 2);
    const words = { code: -32000, message: expect.stringContaining('2 of this app are under way') };
    for (const answer of [await app.request('tools/list', {}, 2), await modern(house, 'tools/list')]) {
      expect([answer.status, answer.json.error]).toMatchObject([200, words]);
    }
    expect((await app.request('tools/call', { name: 'hello' }, 3)).json.result).toEqual(text('hi'));
    expect((await app.request('ping', {}, 4)).json.result).toEqual({});
    for (const end of ends) end();
    await Promise.all(running);
    const after = app.request('tools/list', {}, 5);
    await until('it runs', () => ends.length === 3);
    ends[2]?.();
    expect((await after).json.result).toEqual({ tools: [] });
  });
});

describe('when an app pings without end', () => {
  it('is told to wait, and so is one that sends notifications, while another app is served', async () => {
    house = await openScripted({ tools: hello });
    const app = await openSession(house, {}, { version: '2025-03-26' });
    const pings = Array.from({ length: 50 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' }));
    const notices = pings.map(() => ({ jsonrpc: '2.0', method: 'notifications/x' }));
    let refused = 0;
    for (let round = 0; round < 60; round++) {
      const answer = await app.post(pings);
      refused += (answer.json as unknown as JsonObject[]).filter(({ error }) => error !== undefined).length;
    }
    expect(refused).toBeGreaterThan(0);
    expect((await app.post(notices)).status).toBe(429);
    const bare = new BareApp(house, { 'mcp-protocol-version': '2026-07-28' });
    const notified = await Promise.all(Array.from({ length: 20 }, () => bare.notify('notifications/x')));
    expect(notified.map(({ status }) => status)).toContain(429);
    expect((await app.request('tools/call', { name: 'hello' })).json.result).toEqual(text('hi'));
    const theirs = await openSession({ endpoint: house.endpoint, token: house.token2() });
    expect((await theirs.request('ping')).json.result).toEqual({});
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await app.request('ping')).json.result).toEqual({});
  });

  it('may still answer what it was asked', async () => {
    const asks: Script = async (conversation) => {
      const answer = await conversation.ask('elicitation/create', { message: '?' }, new AbortController().signal);
      return text(JSON.stringify(answer));
    };
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { elicitation: {} }, { version: '2025-03-26' });
    const stream = await app.call('asks');
    const { id } = (await stream.message('elicitation/create')).json;
    const notices = Array.from({ length: 50 }, () => ({ jsonrpc: '2.0', method: 'notifications/x' }));
    let status = 202;
    for (let round = 0; status === 202 && round < 100; round++) status = (await app.post(notices)).status;
    expect(status).toBe(429);
    expect((await app.respond(id, { action: 'decline' })).status).toBe(202);
    expect(JSON.stringify((await stream.answer(1)).json)).toContain('decline');
  });
});
