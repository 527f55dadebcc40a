import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { modern, openSession } from '../gateway/support/bare-app.ts';
import { openScripted, type Scripted } from '../gateway/support/scripted.ts';

/** Several requests on one connection, of which one ends it: found by the fuzzer, at the cost of the whole process. */

let house: Scripted;
const uncaught: Error[] = [];
const onUncaught = (error: Error) => void uncaught.push(error);
afterEach(() => {
  process.removeListener('uncaughtException', onUncaught);
  return house.close();
});

async function sendAll(pieces: readonly string[]): Promise<void> {
  const socket = connect(house.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  for (const piece of pieces) {
    socket.write(piece);
    // Far enough apart to be read one by one, and close enough to come before the end.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.race([closed, sleep(200)]);
  socket.destroy();
}

describe('when requests follow one whose answer ends the connection', () => {
  it('they are not answered, and nothing breaks', async () => {
    process.prependListener('uncaughtException', onUncaught);
    house = await openScripted({ tools: { hello: () => ({ content: [] }) }, limits: { depth: 20 } });
    const app = await openSession(house);
    const headers = [
      `Host: 127.0.0.1:${house.port}`,
      `Authorization: Bearer ${house.token}`,
      'Content-Type: application/json',
      `Mcp-Session-Id: ${app.header('mcp-session-id')}`,
    ];
    const post = (body: string, more: readonly string[] = headers) =>
      `POST /mcp HTTP/1.1\r\n${[...more, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    const endings = [
      post('{'),
      post(`{"jsonrpc":"2.0","id":1,"method":"ping","params":${'['.repeat(40)}${']'.repeat(40)}}`),
      post(ping, [`Host: 127.0.0.1:${house.port}`]),
      post(ping, ['Host: evil.test']),
      'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n',
    ];
    const followers = [
      post(ping),
      'POST /mcp HTTP/1.1\r\n\r\n',
      post(ping, [...headers, 'Expect: 100-continue']),
      post(ping, [...headers, 'Expect: a miracle']),
      post('{'),
      post(ping, ['Host: evil.test']),
    ];
    const broken = 'GET /mcp HTTP/1.1\r\nX: \u0001\r\n\r\n';
    for (const ending of endings) {
      for (const follower of followers) {
        for (const last of [broken, follower, '']) {
          await sendAll([ending + follower, follower, last]);
          await sendAll([ending, follower, follower + last]);
          await sendAll([ending + follower + follower + last]);
          await sendAll([ending + follower, follower + last]);
        }
      }
    }
    expect(uncaught.map(({ message }) => message)).toEqual([]);
    expect((await modern(house, 'tools/call', { name: 'hello' })).status).toBe(200);
    expect((await app.request('ping')).json.result).toEqual({});
  });
});
