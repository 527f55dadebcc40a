import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, openSession } from '../gateway/support/bare-app.ts';
import { fixture, openHouse } from '../gateway/support/house.ts';
import { openScripted, type Script } from '../gateway/support/scripted.ts';
import { exchange } from './fuzz-wire.ts';

/** Limits where they meet each other, time, and a policy that changes; each alone is in test/gateway/limits.test.ts. */

let close: () => Promise<void> = async () => {};
afterEach(() => close());

const text = (value: string): JsonObject => ({ content: [{ type: 'text', text: value }] });
const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };

describe('when every session an app may have is at work', () => {
  it('gets no other until one is done, and another app does', async () => {
    let end: () => void = () => {};
    const held: Script = () =>
      new Promise((resolve) => {
        end = () => resolve(text('done'));
      });
    const house = await openScripted({ tools: { held }, limits: { sessionsPerApp: 1 } });
    close = () => house.close();
    const app = await openSession(house);
    const working = app.request('tools/call', { name: 'held' });
    while (house.conversations.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const refused = await new BareApp(house).request('initialize', initialize);
    expect([refused.status, refused.json]).toMatchObject([
      503,
      {
        id: 1,
        error: {
          code: -32000,
          message: 'Too many conversations of this app are busy at once. Close one and try again.',
        },
      },
    ]);
    expect(refused.headers.get('mcp-session-id')).toBeNull();
    await openSession({ endpoint: house.endpoint, token: house.token2() });
    end();
    expect((await working).json.result).toEqual(text('done'));
    await openSession(house);
    expect((await app.request('ping')).status).toBe(404);
  });
});

describe('when a body does not say how long it is', () => {
  it('is cut off at the limit all the same', async () => {
    const house = await openScripted({ tools: {}, limits: { bodyBytes: 2_048 } });
    close = () => house.close();
    const head = [
      'POST /mcp HTTP/1.1',
      `Host: 127.0.0.1:${house.port}`,
      `Authorization: Bearer ${house.token}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      '\r\n',
    ].join('\r\n');
    const chunk = `400\r\n${' '.repeat(1_024)}\r\n`;
    const { answers } = await exchange(house.port, [head, chunk, chunk, chunk]);
    expect(answers[0]).toMatchObject({ status: 413, body: expect.stringContaining('at most 2048 bytes are taken') });
  });

  it('is refused at once where it says that it is too long', async () => {
    const house = await openScripted({ tools: {}, limits: { bodyBytes: 2_048 } });
    close = () => house.close();
    const head = [
      'POST /mcp HTTP/1.1',
      `Host: 127.0.0.1:${house.port}`,
      `Authorization: Bearer ${house.token}`,
      'Content-Type: application/json',
      'Content-Length: 99999999999',
      '\r\n',
    ].join('\r\n');
    const { answers } = await exchange(house.port, [head]);
    expect(answers[0]).toMatchObject({ status: 413 });
  });
});

describe('when another policy sets other limits', () => {
  it('they hold from the next request on, and what is under way goes on', async () => {
    const house = await openHouse({ servers: { files: { launch: fixture('echo-stdio.ts') } } });
    close = () => house.close();
    const apps = [await openSession(house), await openSession(house)];
    const [first, second] = apps as [BareApp, BareApp];
    const slow = second.request('tools/call', { name: 'files__slow', arguments: { steps: 4, ms: 100 } });
    const body = { jsonrpc: '2.0', id: 2, method: 'ping', params: { x: 'y'.repeat(3_000) } };
    expect((await first.post(body)).status).toBe(200);
    await house.publish({ document: { gateway: { bodyBytes: 1_024, depth: 16, sessionsPerApp: 1, callsPerApp: 1 } } });
    expect((await first.post(body)).status).toBe(413);
    const deep = `{"jsonrpc":"2.0","id":3,"method":"ping","params":{"x":${'['.repeat(20)}${']'.repeat(20)}}}`;
    expect((await first.post(deep)).json.error).toMatchObject({ message: expect.stringContaining('16 levels') });
    const busy = await first.request('tools/call', { name: 'files__add', arguments: { a: 1, b: 2 } });
    expect(JSON.stringify(busy.json)).toContain('1 calls of Cursor are running already');
    expect(JSON.stringify((await slow).json)).toContain('done');
  });
});
