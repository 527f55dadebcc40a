import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createToolSearch } from '../../main/gateway/tool-search.ts';
import type { JsonObject } from '../../main/policy/json.ts';
import type { Launch } from '../../main/policy/manifest.ts';
import { legacyCaller, modernCaller, modernPost, refusalOf, textOf } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

const require = createRequire(import.meta.url);
const published = (name: string, ...args: readonly string[]): Launch => ({
  transport: 'stdio',
  command: process.execPath,
  args: [path.join(require.resolve(`${name}/package.json`), '../dist/index.js'), ...args],
  env: [],
});

/** A tool by name may not even be seen; another may be seen and not called; a third asks first. */
const cedar = `
permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource);
@id("hidden") forbid (principal, action in Action::"discover", resource == Tool::"files.write_file");
@id("read-only") @reason("Files are not moved here.") forbid (principal, action in Action::"call", resource == Tool::"files.move_file");
@id("ask") @reason("Acme asks before something is written.") forbid (principal, action in Action::"unattended", resource == Tool::"echo.write");
`;
const profile = (name: string, search: boolean, tools: readonly string[]) => ({ name, title: name, tools, search });

interface Found {
  readonly tools: readonly { readonly name: string; readonly inputSchema: JsonObject }[];
  readonly note?: string;
}
const found = (result: unknown) => JSON.parse(textOf(result)) as Found;

describe('when a profile has search', () => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({
      servers: {
        echo: { launch: fixture('echo-stdio.ts') },
        files: { launch: published('@modelcontextprotocol/server-filesystem', tmpdir()) },
        memory: { launch: published('@modelcontextprotocol/server-memory') },
      },
      cedar,
      document: {
        profiles: [
          profile('all', true, ['echo.*', 'files.*', 'memory.*']),
          profile('notes', true, ['memory.*']),
          profile('plain', false, ['memory.*']),
        ],
      },
      search: createToolSearch(),
    });
  });
  afterAll(() => house.close());

  describe.each([
    ['with a session', legacyCaller],
    ['without one', modernCaller],
  ] as const)('for an app %s', (_name, connect) => {
    const open = async (suffix: string) => {
      const client = await connect(house, suffix);
      const call = (name: string, args: JsonObject = {}) =>
        (client.callTool as (request: object) => Promise<JsonObject>).call(client, { name, arguments: args });
      return { client, call };
    };

    it('lists two tools there, and all of them elsewhere', async () => {
      const { client } = await open('/all');
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['search_tools', 'call_tool']);
      await client.close();
      const plain = await open('/plain');
      expect((await plain.client.listTools()).tools.map(({ name }) => name)).toContain('memory__read_graph');
      await expect(plain.call('search_tools', { query: 'graph' })).rejects.toThrow(/Unknown tool: search_tools/);
      await plain.client.close();
    });

    it('finds what the caller may see, under the name to call it by, and calls it as that tool', async () => {
      const { client, call } = await open('/all');
      const { tools } = found(await call('search_tools', { query: 'add two numbers' }));
      const add = tools.find(({ name }) => name === 'echo__add');
      expect(add?.inputSchema).toMatchObject({ required: ['a', 'b'] });
      const before = house.rows('call.begin').length;
      const sum = await call('call_tool', { name: 'echo__add', arguments: { a: 2, b: 40 } });
      expect(textOf(sum)).toBe('42');
      expect(house.rows('call.begin').slice(before)).toMatchObject([{ alias: 'echo', tool: 'add', profile: 'all' }]);
      await client.close();
    });

    it('never finds what it may not see, nor anything outside the profile', async () => {
      const all = await open('/all');
      const names = found(await all.call('search_tools', { query: 'write a file', limit: 20 })).tools.map(
        (tool) => tool.name,
      );
      expect(names).toContain('files__edit_file');
      expect(names).not.toContain('files__write_file');
      expect(
        found(await all.call('search_tools', { query: 'files__write_file', limit: 20 })).tools.map((tool) => tool.name),
      ).not.toContain('files__write_file');
      await all.client.close();
      const notes = await open('/notes');
      const here = found(await notes.call('search_tools', { query: 'read a file', limit: 20 })).tools;
      for (const tool of here) expect(tool.name).toMatch(/^memory__/);
      await notes.client.close();
    });

    it('answers a tool that is hidden exactly as one that never was', async () => {
      const { client, call } = await open('/all');
      const refused = async (name: string) => {
        const error = await call('call_tool', { name, arguments: {} }).catch((each: Error) => each);
        return String(error).replaceAll(name, 'X');
      };
      const never = await refused('files__no_such_thing');
      expect(never).toContain('Unknown tool: X');
      expect(await refused('files__write_file')).toBe(never);
      // Not those two themselves: nothing is gained by going round in a circle.
      expect(await refused('search_tools')).toBe(never);
      expect(await refused('call_tool')).toBe(never);
      await client.close();
    });

    it('refuses, asks and checks arguments under the real tool’s name', async () => {
      const { client, call } = await open('/all');
      const denied = await call('call_tool', {
        name: 'files__move_file',
        arguments: { source: '/a', destination: '/b' },
      });
      expect(refusalOf(denied)).toMatchObject({ code: 'policy-denied', rules: ['read-only'] });
      const wrong = await call('call_tool', { name: 'echo__add', arguments: { a: 'two' } });
      expect(refusalOf(wrong)).toMatchObject({ code: 'invalid-arguments' });
      expect(textOf(wrong)).toContain('"a": expected');

      const asking = call('call_tool', { name: 'echo__write', arguments: { path: 'x' } });
      const question = await until('the person is asked', () => house.approvals.pending()[0]);
      expect(question).toMatchObject({ alias: 'echo', tool: 'write', args: { path: 'x' } });
      house.approvals.answer(question.id, question.digest, 'deny');
      expect(refusalOf(await asking)).toMatchObject({ code: 'not-approved-by-person' });
      const refusals = house.rows('call.refused').slice(-3);
      expect(refusals.map(({ alias, tool }) => `${alias}.${tool}`)).toEqual([
        'files.move_file',
        'echo.add',
        'echo.write',
      ]);
      await client.close();
    });

    it('says what is wrong with a search, as a tool does', async () => {
      const { client, call } = await open('/all');
      const wrong = await call('search_tools', { query: '' });
      expect(wrong).toMatchObject({ isError: true });
      expect(textOf(wrong)).toContain('"query" must say');
      for (const args of [{}, { name: 7 }, { name: null }]) {
        await expect(call('call_tool', args as JsonObject)).rejects.toThrow(/name/);
      }
      await client.close();
    });
  });

  it('needs no headers for what stands inside the arguments', async () => {
    const params = { name: 'call_tool', arguments: { name: 'echo__echo', arguments: { message: 'hi' } } };
    const answer = await modernPost(house, 'tools/call', params, {}, '/all');
    expect(answer.status).toBe(200);
    expect(textOf((answer.json as { result?: unknown }).result)).toContain('hi');
  });

  it('finds what a new policy shows, and no longer what it hides', async () => {
    const client = await modernCaller(house, '/all');
    const names = async (query: string) => {
      const result = await client.callTool({ name: 'search_tools', arguments: { query, limit: 20 } });
      return found(result).tools.map((tool) => tool.name);
    };
    expect(await names('write a file')).not.toContain('files__write_file');
    await house.publish({
      cedar: cedar.replace('files.write_file', 'files.edit_file'),
    });
    const now = await names('write a file');
    expect(now).toContain('files__write_file');
    expect(now).not.toContain('files__edit_file');
    await client.close();
    await house.publish({ cedar });
  });
});
