import { afterEach, describe, expect, it } from 'vitest';
import { ask, post, startSession, textOf } from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, until } from '../gateway/support/house.ts';

let house: House;
afterEach(() => house.close());
const servers = { files: { launch: fixture('echo-stdio.ts') } };

describe('when a session id gets into other hands', () => {
  it('is worth nothing with another app’s key, for any method', async () => {
    house = await openHouse({ servers, document: { profiles: [{ name: 'p', title: 'P', tools: ['files.*'] }] } });
    const session = await startSession(house);
    const other = house.apps.issue('Other');
    if (!other.ok) throw new Error(other.message);
    const headers = { ...session.headers, authorization: `Bearer ${other.token}` };
    expect((await post(house, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers)).status).toBe(404);
    for (const method of ['GET', 'DELETE']) {
      expect((await fetch(house.endpoint, { method, headers })).status).toBe(404);
    }
    expect((await ask(house, session, 'tools/list', {}, 1, '/p')).status).toBe(404);
    expect((await ask(house, session, 'tools/list')).status).toBe(200);
  });

  it('is not guessable, not repeated, and not what a server sees', async () => {
    house = await openHouse({ servers });
    const sessions = await Promise.all(Array.from({ length: 20 }, () => startSession(house)));
    const ids = new Set(sessions.map((session) => session.id));
    expect(ids.size).toBe(20);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const [first] = sessions;
    if (first === undefined) throw new Error('no session');
    await ask(house, first, 'tools/call', { name: 'files__add', arguments: { a: 1, b: 1 } });
    expect(JSON.stringify(house.rows('call.begin'))).not.toContain(first.id);
  });

  it('ends with DELETE', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const headers = { authorization: `Bearer ${house.token}`, ...session.headers };
    expect((await fetch(house.endpoint, { method: 'DELETE', headers })).status).toBe(204);
    expect((await ask(house, session, 'ping')).status).toBe(404);
  });

  it('wants a session, a known version and a readable stream', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    expect((await post(house, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).status).toBe(400);
    const headers = { ...session.headers, 'mcp-protocol-version': '1999-01-01' };
    expect((await post(house, { jsonrpc: '2.0', id: 1, method: 'ping' }, headers)).status).toBe(400);
    const get = { authorization: `Bearer ${house.token}`, ...session.headers, accept: 'text/html' };
    expect((await fetch(house.endpoint, { headers: get })).status).toBe(406);
  });
});

describe('when one app opens sessions without end', () => {
  it('keeps 256 of a thousand, the latest, and disturbs no other app', async () => {
    house = await openHouse({ servers });
    const other = house.apps.issue('Other');
    if (!other.ok) throw new Error(other.message);
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'o', version: '1' } };
    const initialize = { jsonrpc: '2.0', id: 0, method: 'initialize', params };
    const quiet = await post(house, initialize, { authorization: `Bearer ${other.token}` });
    const quietId = quiet.headers.get('mcp-session-id') ?? '';
    const first = await startSession(house);
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 25 }, () => startSession(house)));
    const last = await startSession(house);
    expect(house.gateway.connections().get(house.appId)).toBe(256);
    expect((await ask(house, first, 'ping')).status).toBe(404);
    expect((await ask(house, last, 'ping')).status).toBe(200);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const headers = { authorization: `Bearer ${other.token}`, 'mcp-session-id': quietId };
    expect((await post(house, ping, headers)).status).toBe(200);
  });

  it('does not end a session that carries a call', async () => {
    house = await openHouse({ servers });
    const busy = await startSession(house);
    const running = ask(house, busy, 'tools/call', { name: 'files__slow', arguments: { steps: 20, ms: 200 } });
    await until('the call runs', () => house.rows('call.begin').length === 1);
    for (let i = 0; i < 12; i++) await Promise.all(Array.from({ length: 25 }, () => startSession(house)));
    expect(textOf((await running).json.result)).toContain('done');
    expect((await ask(house, busy, 'ping')).status).toBe(200);
  });

  it('bounds the streams of one session', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const headers = { authorization: `Bearer ${house.token}`, ...session.headers, accept: 'text/event-stream' };
    const stop = new AbortController();
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await fetch(house.endpoint, { headers, signal: stop.signal })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 409, 409]);
    stop.abort();
  });
});
