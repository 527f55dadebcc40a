import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, legacyCaller, modernCaller, modernPost, refusalOf, startSession, textOf } from './support/callers.ts';
import { fixture, type House, openHouse } from './support/house.ts';

const cedar = `
@id("engineering-may") permit (principal in Group::"engineering", action in [Action::"discover", Action::"call", Action::"unattended"], resource);
@id("no-writes") @reason("Writing is done by the platform team.") @contact("platform@acme.example")
forbid (principal, action == Action::"call:files.write", resource);
@id("hidden") forbid (principal, action in Action::"discover", resource == Tool::"files.env");
`;

describe('when an app talks to the gateway', () => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({
      servers: {
        files: { launch: fixture('echo-stdio.ts'), title: 'Files' },
        fresh: { launch: fixture('echo-stdio-modern.ts'), title: 'Fresh' },
      },
      cedar,
      document: { profiles: [{ name: 'small', title: 'Small', tools: ['files.echo', 'files.add'] }] },
    });
  });
  afterAll(() => house.close());

  it('lists the tools of every server to a legacy app, prefixed, without the hidden one', async () => {
    const client = await legacyCaller(house);
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    expect(names).toContain('files__echo');
    expect(names).toContain('fresh__slow');
    expect(names).not.toContain('files__env');
    await client.close();
  });

  it('lists the same tools to a modern app', async () => {
    const legacy = await legacyCaller(house);
    const modern = await modernCaller(house);
    expect(modern.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const names = (list: { tools: { name: string }[] }) => list.tools.map((tool) => tool.name);
    expect(names(await modern.listTools())).toEqual(names(await legacy.listTools()));
    await Promise.all([legacy.close(), modern.close()]);
  });

  it('carries an allowed call to servers of both eras for apps of both eras', async () => {
    const legacy = await legacyCaller(house);
    const modern = await modernCaller(house);
    for (const client of [legacy, modern]) {
      const sum = await client.callTool({ name: 'files__add', arguments: { a: 2, b: 3 } });
      expect(textOf(sum)).toContain('5');
      const echo = await client.callTool({ name: 'fresh__echo', arguments: { message: 'hi' } });
      expect(textOf(echo)).toContain('hi');
    }
    await Promise.all([legacy.close(), modern.close()]);
  });

  it('refuses a denied call in words that name the rule, its reason and whom to ask', async () => {
    const client = await legacyCaller(house);
    const result = await client.callTool({ name: 'files__write', arguments: { path: 'a', text: 'b' } });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toBe(
      '"write" in Files was not done: your organisation\'s policy does not allow it. Writing is done by the platform team. (Rule: no-writes.) Questions? Ask platform@acme.example.',
    );
    expect(refusalOf(result)).toMatchObject({
      code: 'policy-denied',
      rules: ['no-writes'],
      contact: 'platform@acme.example',
    });
    await client.close();
  });

  it('answers a hidden tool and a tool that does not exist in the same words', async () => {
    const session = await startSession(house);
    const hidden = await ask(house, session, 'tools/call', { name: 'files__env' });
    const absent = await ask(house, session, 'tools/call', { name: 'files__nothing' });
    expect(hidden.json.error).toEqual({ code: -32602, message: 'Unknown tool: files__env' });
    expect(absent.json.error).toEqual({ code: -32602, message: 'Unknown tool: files__nothing' });
  });

  it('names the field that does not fit', async () => {
    const answer = await modernPost(house, 'tools/call', { name: 'files__add', arguments: { a: 'two' } });
    const text = textOf(answer.json.result);
    expect(text).toContain('"a"');
    expect(text).toContain('"b"');
    expect(refusalOf(answer.json.result).code).toBe('invalid-arguments');
  });

  it('offers a profile its slice only, and refuses the rest as unknown', async () => {
    const client = await modernCaller(house, '/small');
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(['files__echo', 'files__add']);
    await expect(client.callTool({ name: 'files__slow', arguments: {} })).rejects.toThrow('Unknown tool: files__slow');
    await client.close();
  });

  it('offers one server under its own name and with its own tool names', async () => {
    const client = await legacyCaller(house, '/~files');
    expect(client.getServerVersion()?.name).not.toBe('gatehouse');
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain('echo');
    expect(textOf(await client.callTool({ name: 'add', arguments: { a: 1, b: 1 } }))).toContain('2');
    await client.close();
  });

  it('says who it is', async () => {
    const client = await legacyCaller(house);
    expect(client.getServerVersion()).toEqual({ name: 'gatehouse', title: 'Gatehouse · Acme', version: '0.0.0' });
    expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: true } });
    expect(client.getInstructions()).toContain('Acme');
    await client.close();
  });

  it('records every call with its begin and its end, and every refusal', async () => {
    const begun = house.rows('call.begin').filter((row) => row.tool === 'add');
    expect(begun.length).toBeGreaterThan(0);
    const ended = new Set(house.rows('call.end').map((row) => row.callId));
    for (const row of begun) expect(ended.has(row.callId)).toBe(true);
    expect(house.rows('call.refused').map((row) => row.code)).toEqual(
      expect.arrayContaining(['policy-denied', 'unknown-tool', 'invalid-arguments']),
    );
    expect(house.audit.reader.verify().ok).toBe(true);
  });
});
