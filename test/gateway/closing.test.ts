import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createGateway } from '../../main/gateway/gateway.ts';
import { ask, legacyCaller, modernCaller, refusalOf, startSession, textOf } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());
const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };

describe('when the gateway closes', () => {
  it('lets a call in flight finish, and refuses new ones in words', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const running = ask(house, session, 'tools/call', { name: 'files__slow', arguments: { steps: 5, ms: 100 } }, 1);
    await until('the call runs', () => house.rows('call.begin').length === 1);
    const closing = house.gateway.close(10_000);
    const late = await ask(house, session, 'tools/call', { name: 'files__add', arguments: { a: 1, b: 2 } }, 2);
    expect(refusalOf(late.json.result).code).toBe('shutting-down');
    expect(textOf((await running).json.result)).toContain('done');
    await closing;
    await expect(fetch(house.endpoint)).rejects.toThrow();
  });

  it('cancels and records what does not finish in time, and answers it', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const running = ask(house, session, 'tools/call', { name: 'files__hang', arguments: {} }, 1);
    await until('the call runs', () => house.rows('call.begin').length === 1);
    await house.gateway.close(100);
    expect(refusalOf((await running).json.result).code).toBe('shutting-down');
    expect(house.rows('call.end')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('ends open streams', async () => {
    house = await openHouse({ servers });
    const modern = await modernCaller(house);
    await modern.listen({ toolsListChanged: true });
    const legacy = await legacyCaller(house);
    await house.gateway.close(100);
    await Promise.all([modern.close(), legacy.close()]);
  });
});

describe('when an app loses its key', () => {
  it('stops its calls, ends its sessions and tells it what to do', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    const running = ask(house, session, 'tools/call', { name: 'files__hang', arguments: {} }, 1);
    await until('the call runs', () => house.rows('call.begin').length === 1);
    expect(house.gateway.connections().get(house.appId)).toBe(1);
    house.apps.revoke(house.appId);
    house.gateway.appEnded(house.appId);
    expect(textOf((await running).json.result)).toContain("this app's key for Gatehouse was withdrawn");
    expect(house.gateway.connections().size).toBe(0);
    const answer = await ask(house, session, 'ping');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(JSON.stringify(answer.json.error)).toContain('connect this app again');
  });
});

describe('when the port is taken', () => {
  it('says which and what to do', async () => {
    house = await openHouse({ servers });
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { gateway: _running, backends, approvals, apps, clock, log, audit } = house;
    const inForce = () => ({ ok: false, code: 'no-policy', message: 'None.' }) as const;
    const parts = { backends, approvals, apps, clock, log, inForce };
    const second = createGateway({ ...parts, version: '0', account: 'alice', audit: audit.writer });
    expect(await second.listen(port)).toEqual({
      ok: false,
      code: 'port-in-use',
      message: `Port ${port} on this computer is already used by another program. Close that program (another Gatehouse, perhaps), or give Gatehouse another port.`,
    });
    await second.close(0);
    await new Promise((resolve) => other.close(resolve));
  });
});
