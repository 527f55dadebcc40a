import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { ask, legacyCaller, modernCaller, modernPost, post, startSession, textOf, version } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

let house: House;
afterEach(() => house.close());
const servers = { files: { launch: fixture('echo-stdio.ts'), title: 'Files' } };

describe('when an app of the modern era looks around', () => {
  it('discovers versions, capabilities, identity and that nothing may be cached', async () => {
    house = await openHouse({ servers });
    const answer = await modernPost(house, 'server/discover');
    expect(answer.json.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: { listChanged: true } },
      instructions: expect.stringContaining('governed by Acme'),
      ttlMs: 0,
      cacheScope: 'private',
      _meta: {
        'io.modelcontextprotocol/serverInfo': { name: 'gatehouse', title: 'Gatehouse · Acme', version: '0.0.0' },
      },
    });
    const list = await modernPost(house, 'tools/list');
    expect(list.json.result).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
  });

  it('has neither a GET stream nor a DELETE', async () => {
    house = await openHouse({ servers });
    const headers = { authorization: `Bearer ${house.token}`, 'mcp-protocol-version': version };
    for (const method of ['GET', 'DELETE']) {
      const answer = await fetch(house.endpoint, { method, headers });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    }
    const notification = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    expect((await post(house, notification, { 'mcp-protocol-version': version })).status).toBe(202);
  });

  it('listens only to what there is, and is refused a filter that says nothing', async () => {
    house = await openHouse({ servers });
    const nothing = await modernPost(house, 'subscriptions/listen', { notifications: { promptsListChanged: true } });
    expect(nothing.text).toContain('"notifications":{}');
    expect(nothing.text).toContain('"resultType":"complete"');
    for (const notifications of [undefined, 'all', { toolsListChanged: 'yes' }]) {
      const params = notifications === undefined ? {} : { notifications };
      const answer = await modernPost(house, 'subscriptions/listen', params);
      expect(answer.json.error).toMatchObject({ code: -32602 });
    }
  });
});

describe('when a server needs what no app offered it', () => {
  it('passes its refusal on, with the HTTP status that error has', async () => {
    house = await openHouse({ servers: { fresh: { launch: fixture('echo-stdio-modern.ts') } } });
    const answer = await modernPost(house, 'tools/call', { name: 'fresh__ask', arguments: {} });
    expect([answer.status, answer.json.error]).toMatchObject([400, { code: -32021 }]);
    const session = await startSession(house);
    const legacy = await ask(house, session, 'tools/call', { name: 'fresh__ask', arguments: {} });
    // A server that knows both revisions says it in the caller's own.
    expect(legacy.json.result).toMatchObject({ isError: true });
    expect(textOf(legacy.json.result)).toContain('did not declare the required capability');
  });
});

describe('when an app of the legacy era looks around', () => {
  it('is answered in the revision it asks for, or the newest', async () => {
    house = await openHouse({ servers });
    for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
      const { answer } = await startSession(house, '', revision);
      expect(answer.json.result).toMatchObject({ protocolVersion: revision });
    }
    for (const revision of ['2023-01-01', '2026-07-28', 'nonsense']) {
      const { answer } = await startSession(house, '', revision);
      expect(answer.json.result).toMatchObject({ protocolVersion: '2025-11-25' });
    }
    const wrong = await post(house, { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    expect(wrong.json.error).toMatchObject({ code: -32602 });
  });

  it('is told plainly what is not offered', async () => {
    house = await openHouse({ servers });
    const session = await startSession(house);
    expect((await ask(house, session, 'ping')).json.result).toEqual({});
    for (const method of ['logging/setLevel', 'resources/list', 'prompts/list', 'completion/complete', '__proto__']) {
      const answer = await ask(house, session, method);
      expect([answer.status, answer.json.error]).toMatchObject([200, { code: -32601 }]);
    }
  });
});

describe('when an endpoint stands for one server', () => {
  it('opens under the approved title while that server cannot be reached', async () => {
    const late = `setTimeout(() => import(${JSON.stringify(new URL('../fixtures/servers/echo-stdio.ts', import.meta.url).href)}), 6000)`;
    const launch = { transport: 'stdio', command: process.execPath, args: ['-e', late], env: [] } as const;
    house = await openHouse({
      servers: { late: { launch, title: 'Late riser', pins: [{ name: 'x', inputSchema: { type: 'object' } }] } },
      startTimeoutMs: 2_000,
    });
    const client = await legacyCaller(house, '/~late');
    expect(client.getServerVersion()).toMatchObject({ name: 'late', title: 'Late riser' });
    await client.close();
  });
});

describe('when there are thousands of tools', () => {
  it('hands them out in pages, each tool once, in order', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-many-'));
    const tools: JsonObject[] = Array.from({ length: 2_100 }, (_, i) => ({
      name: `t${i}`,
      inputSchema: { type: 'object' },
    }));
    const file = path.join(dir, 'tools.json');
    writeFileSync(file, JSON.stringify(tools));
    house = await openHouse({ servers: { many: { launch: fixture('echo-stdio.ts', '--tools', file), pins: tools } } });
    const session = await startSession(house);
    const first = (await ask(house, session, 'tools/list')).json.result as JsonObject;
    expect((first.tools as unknown[]).length).toBe(2_000);
    const params = { cursor: first.nextCursor } as JsonObject;
    const second = (await ask(house, session, 'tools/list', params)).json.result as JsonObject;
    expect(second.nextCursor).toBeUndefined();
    const names = [...(first.tools as JsonObject[]), ...(second.tools as JsonObject[])].map((tool) => tool.name);
    expect(names).toEqual(tools.map((tool) => `many__${tool.name}`));
    for (const cursor of ['nonsense', '', 5, 'dG9vbHM6LTE']) {
      expect((await ask(house, session, 'tools/list', { cursor })).json.error).toMatchObject({ code: -32602 });
    }
    rmSync(dir, { recursive: true });
  });
});

describe('when many apps ask at once', () => {
  it('answers each by its own rights', async () => {
    house = await openHouse({
      servers,
      cedar: `
        permit (principal, action, resource) when { context.app == "Cursor" };
        permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource == Tool::"files.add");
      `,
    });
    const other = house.apps.issue('Other');
    if (!other.ok) throw new Error(other.message);
    const clients = await Promise.all([
      ...Array.from({ length: 8 }, () => legacyCaller(house)),
      ...Array.from({ length: 8 }, () => modernCaller(house, '', other.token)),
    ]);
    const lists = await Promise.all(clients.map((client) => client.listTools()));
    expect(lists.slice(0, 8).every((list) => list.tools.length > 5)).toBe(true);
    expect(lists.slice(8).every((list) => list.tools.map((tool) => tool.name).join() === 'files__add')).toBe(true);
    const sums = await Promise.all(
      clients.map((client, i) => client.callTool({ name: 'files__add', arguments: { a: i, b: 1 } })),
    );
    sums.forEach((sum, i) => {
      expect(JSON.stringify(sum.content)).toContain(String(i + 1));
    });
    await Promise.all(clients.map((client) => client.close()));
    await until('the record is complete', () => house.rows('call.end').length === 16);
  });
});
