import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post } from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, until } from '../gateway/support/house.ts';

let house: House;
beforeAll(async () => {
  house = await openHouse({ servers: { files: { launch: fixture('echo-stdio.ts') } } });
});
afterAll(() => house.close());

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

/** fetch() will not send a foreign Host; this will. */
function raw(
  headers: Record<string, string>,
  path = '/mcp',
  method = 'POST',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: house.port, path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject);
    request.end(method === 'POST' ? JSON.stringify(ping) : undefined);
  });
}

const good = () => ({ authorization: `Bearer ${house.token}`, 'content-type': 'application/json' });

describe('when a web page tries to reach the gateway', () => {
  const hosts = [
    'evil.example',
    'evil.example:80',
    '127.0.0.1',
    '127.0.0.1.evil.example',
    'localhost:1',
    '0.0.0.0',
    '',
  ];
  for (const host of hosts) {
    it(`turns away the Host "${host}" (DNS rebinding)`, async () => {
      const answer = await raw({ ...good(), host });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThanOrEqual(403);
    });
  }

  it('turns away a rebound Host on every other path too', async () => {
    expect((await raw({ host: `evil.example:${house.port}` }, '/', 'GET')).status).toBe(403);
  });

  const origins = [
    'https://evil.example',
    'null',
    'http://localhost',
    'http://127.0.0.1:1',
    'file://',
    'https://127.0.0.1',
  ];
  for (const origin of origins) {
    it(`turns away the Origin "${origin}"`, async () => {
      const answer = await post(house, ping, { origin });
      expect(answer.status).toBe(403);
      expect(JSON.stringify(answer.json.error)).toContain('Web pages may not use Gatehouse');
    });
  }

  it('answers no preflight', async () => {
    const answer = await raw({ origin: 'https://evil.example', host: `127.0.0.1:${house.port}` }, '/mcp', 'OPTIONS');
    expect(answer.status).toBe(403);
  });

  it('lets its own names in', async () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', 'LocalHost']) {
      expect((await raw({ ...good(), host: `${host}:${house.port}` })).status).toBe(400);
    }
  });
});

describe('when a caller has no valid key', () => {
  const others = {
    none: '',
    empty: 'Bearer ',
    wrong: 'Bearer gth_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    basic: 'Basic YTpi',
    long: `Bearer ${'a'.repeat(20_000)}`,
    spaced: 'Bearer a b',
  };
  for (const [kind, authorization] of Object.entries(others)) {
    it(`refuses it with 401 and words (${kind})`, async () => {
      const answer = await post(house, ping, { authorization });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="gatehouse"');
      expect(JSON.stringify(answer.json.error)).toMatch(/connect this app/);
    });
  }

  it('refuses a key that was replaced by a newer one', async () => {
    const first = house.apps.issue('Editor');
    const second = house.apps.issue('Editor');
    if (!first.ok || !second.ok) throw new Error('not issued');
    expect((await post(house, ping, { authorization: `Bearer ${first.token}` })).status).toBe(401);
    expect((await post(house, ping, { authorization: `Bearer ${second.token}` })).status).toBe(400);
  });

  it('does not take the key from anywhere but its header', async () => {
    const answer = await post(house, ping, { authorization: '' }, `?access_token=${house.token}`);
    expect(answer.status).toBe(401);
  });

  it('never writes a key to the log or the record', () => {
    const everything = `${house.log.lines.join('\n')}\n${JSON.stringify(house.rows('app.rejected', 'call.refused'))}`;
    expect(everything).not.toContain(house.token);
    expect(everything).not.toContain('gth_');
  });

  it('records a flood as one row, and its count later', async () => {
    const before = house.rows('app.rejected').filter((row) => row.code === 'unknown-token').length;
    expect(before).toBe(1);
    await Promise.all(Array.from({ length: 200 }, () => post(house, ping, { authorization: others.wrong })));
    expect(house.rows('app.rejected').filter((row) => row.code === 'unknown-token')).toHaveLength(1);
    house.clock.advance(61_000);
    await post(house, ping, { authorization: others.wrong });
    const rows = house.rows('app.rejected').filter((row) => row.code === 'unknown-token');
    expect(rows).toHaveLength(3);
    expect(rows[1]?.message).toMatch(/\(20\d more within a minute\)/);
  });
});

describe('when a caller sends too much, or too slowly', () => {
  it('refuses a body beyond 16 MB, announced or not', async () => {
    const big = 'x'.repeat((16 << 20) + 1);
    const announced = await post(house, big);
    expect(announced.status).toBe(413);
    const chunked = await fetch(house.endpoint, {
      method: 'POST',
      headers: good(),
      body: new Blob([big]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  it('refuses headers beyond 32 KB', async () => {
    const answer = await post(house, ping, { 'x-long': 'x'.repeat(40_000) }).catch(() => ({ status: 431 }));
    expect(answer.status).toBe(431);
  });

  it('cuts off a connection that never finishes its headers', async () => {
    const socket = connect(house.port, '127.0.0.1');
    socket.on('error', () => {});
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    socket.write('POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n');
    const drip = setInterval(() => socket.writable && socket.write('X-A: b\r\n'), 500);
    await until('it is cut off', () => closed, 40_000);
    clearInterval(drip);
  });

  it('is still there for everybody else meanwhile', async () => {
    const sockets = Array.from({ length: 200 }, () => {
      const socket = connect(house.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('POST /mcp HTTP/1.1\r\n');
      return socket;
    });
    expect((await post(house, ping)).status).toBe(400);
    for (const socket of sockets) socket.destroy();
  });
});

describe('when a path is not an endpoint', () => {
  for (const path of [
    '/',
    '/mcp/',
    '/mcp/a/b',
    '/mcp/..',
    '/mcp/%2e%2e',
    '/mcp/~',
    '/MCP',
    '//mcp',
    `/mcp/${'a'.repeat(65)}`,
  ]) {
    it(`answers 404 to ${path.slice(0, 20)}`, async () => {
      expect((await raw({ ...good(), host: `127.0.0.1:${house.port}` }, path)).status).toBe(404);
    });
  }

  it('answers 404 to an absolute address of somebody else', async () => {
    const answer = await raw({ ...good(), host: `127.0.0.1:${house.port}` }, 'http://evil.example/mcp');
    expect(answer.status).toBe(404);
  });
});
