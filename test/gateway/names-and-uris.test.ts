import { afterEach, describe, expect, it } from 'vitest';
import { createToolSearch } from '../../main/gateway/tool-search.ts';
import type { JsonObject } from '../../main/policy/json.ts';
import { type BareApp, modern, openSession } from './support/bare-app.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';
import { errorOf, library } from './support/library.ts';

let house: House;
afterEach(() => house.close());

/** Two of the same kind, so that everything collides. */
const servers = { one: library('one'), '2nd': library('two') };
const open = (document: JsonObject = {}) => openHouse({ servers, document });
const namesIn = (json: JsonObject, member: string, key = 'name') =>
  (json.result as Record<string, JsonObject[]>)[member]?.map((entry) => entry[key]);

describe('when one endpoint stands for several servers', () => {
  it('names tools and prompts by their server, and URIs by their scheme', async () => {
    house = await open();
    const app = await openSession(house);
    expect(namesIn((await app.request('prompts/list')).json, 'prompts')).toEqual(['one__greet', '2nd__greet']);
    expect(namesIn((await app.request('resources/templates/list')).json, 'resourceTemplates', 'uriTemplate')).toEqual([
      'one+note://{n}',
      'x-2nd+note://{n}',
    ]);
    expect(namesIn((await app.request('resources/list')).json, 'resources', 'uri')).toEqual([
      'one+note://1',
      'one+file:///a/../b',
      'one+one://self',
      'x-2nd+note://1',
      'x-2nd+file:///a/../b',
      'x-2nd+two://self',
    ]);
    const { tools } = (await app.request('tools/list')).json.result as { tools: JsonObject[] };
    expect(tools.find(({ name }) => name === 'one__page')).toMatchObject({
      _meta: { ui: { resourceUri: 'one+ui://page', 'x-kept': 1 } },
    });
  });

  it('reads back every one of them, and tells the server its own', async () => {
    house = await open();
    const app = await openSession(house);
    const { json } = await app.request('resources/list');
    for (const uri of namesIn(json, 'resources', 'uri') as string[]) {
      const own = uri.slice(uri.indexOf('+') + 1);
      expect((await app.request('resources/read', { uri })).json.result).toEqual({
        contents: [{ uri, text: `this is ${own}`, 'x-kept': null }],
        'x-more': [1],
      });
    }
    const got = await app.request('prompts/get', { name: '2nd__greet', arguments: { who: 'x' } });
    expect((got.json.result as { messages: JsonObject[] }).messages[1]).toEqual({
      role: 'user',
      content: { type: 'resource', resource: { uri: 'x-2nd+note://1', text: 'one' }, 'x-kept': 1 },
    });
    const complete = (ref: JsonObject) =>
      app.request('completion/complete', { ref, argument: { name: 'n', value: '' } });
    for (const [ref, own] of [
      [
        { type: 'ref/resource', uri: 'x-2nd+note://{n}' },
        { type: 'ref/resource', uri: 'note://{n}' },
      ],
      [
        { type: 'ref/prompt', name: 'one__greet' },
        { type: 'ref/prompt', name: 'greet' },
      ],
    ] as const) {
      expect((await complete(ref)).json.result).toMatchObject({ completion: { values: [JSON.stringify(own)] } });
    }
    expect(house.rows('call.begin').map(({ tool }) => tool)).toContain('file:///a/../b');
  });

  it('names the links in a result, and leaves alone what only looks like one', async () => {
    house = await open();
    const app = await openSession(house);
    const link = async (uri: string) =>
      (await app.request('tools/call', { name: 'one__link', arguments: { uri } })).json.result;
    expect(await link('note://9')).toEqual({
      content: [
        { type: 'resource_link', uri: 'one+note://9', name: 'linked', 'x-kept': 1 },
        { type: 'resource', resource: { uri: 'one+note://9', text: 'embedded' } },
      ],
    });
  });

  it('leaves everything as it is where a server stands alone', async () => {
    house = await open();
    const app = await openSession(house, {}, { suffix: '/~2nd' });
    expect(namesIn((await app.request('resources/list')).json, 'resources', 'uri')).toContain('two://self');
    const linked = await app.request('tools/call', { name: 'link', arguments: { uri: 'note://9' } });
    expect(linked.json.result).toMatchObject({ content: [{ uri: 'note://9' }, { resource: { uri: 'note://9' } }] });
    expect(errorOf((await app.request('resources/read', { uri: 'one+note://1' })).json ?? {})).toBeUndefined();
  });

  it('hears of changes under the name it asked with, and of no others', async () => {
    house = await open();
    const app = await openSession(house);
    const stream = await app.listen();
    expect((await app.request('resources/subscribe', { uri: 'one+note://1' })).json.result).toEqual({});
    const touch = (name: string, uri: string) => app.request('tools/call', { name, arguments: { uri } });
    await touch('one__touch', 'note://2');
    await touch('2nd__touch', 'note://1');
    const touched = await touch('one__touch', 'note://1');
    expect(JSON.stringify(touched.json)).toContain('note://1');
    const updated = await stream.message('notifications/resources/updated');
    expect(updated.json.params).toEqual({ uri: 'one+note://1', 'x-kept': 1 });
    expect(errorOf((await app.request('resources/subscribe', { uri: 'one+secret://1' })).json).message).toBe(
      'not that one',
    );
    await app.request('resources/unsubscribe', { uri: 'one+note://1' });
    const after = await touch('one__touch', 'note://1');
    expect((after.json.result as { content: { text: string }[] }).content[0]?.text).toBe('[]');
    stream.drop();
  });

  it('hides neither server when the other does not answer', async () => {
    const launch = { transport: 'stdio', command: process.execPath, args: ['-e', 'process.exit(1)'], env: [] } as const;
    house = await openHouse({ servers: { gone: { ...library('gone'), launch, pins: [] }, one: library('one') } });
    const app = await openSession(house);
    expect(namesIn((await app.request('prompts/list')).json, 'prompts')).toEqual(['one__greet']);
    expect(namesIn((await app.request('resources/list')).json, 'resources', 'uri')).toHaveLength(3);
  });

  it('keeps an unchanged list as it is', async () => {
    house = await open();
    const app = await openSession(house);
    const first = await app.request('resources/list');
    const started = performance.now();
    for (let i = 0; i < 50; i++) expect((await app.request('resources/list')).json.result).toEqual(first.json.result);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe('when names get a prefix only where they collide', () => {
  it('serves both kinds of names', async () => {
    house = await openHouse({
      servers: { one: library('one'), two: { ...library('two'), only: ['link', 'say'] } },
      document: { names: { prefix: 'on-collision' } },
    });
    const app = await openSession(house);
    expect(namesIn((await app.request('tools/list')).json, 'tools')).toEqual([
      'one__link',
      'page',
      'touch',
      'slow',
      'seen',
      'one__say',
      'two__link',
      'two__say',
    ]);
    expect((await app.request('tools/call', { name: 'seen', arguments: {} })).json.result).toBeDefined();
    expect(errorOf((await app.request('tools/call', { name: 'one__seen', arguments: {} })).json).code).toBe(-32602);
    expect(errorOf((await app.request('tools/call', { name: 'link', arguments: {} })).json).code).toBe(-32602);
  });
});

describe('when a server says that what it lists changed', () => {
  it('tells the apps, of what was approved of it, and a server without end once a second', async () => {
    const talker = { launch: fixture('talker.ts', 'stdio'), also: { resources: 'as-shown' as const } };
    house = await openHouse({ servers: { talker } });
    const app = await openSession(house);
    const stream = await app.listen();
    const announce = (kind: string) => app.request('tools/call', { name: 'talker__announce', arguments: { kind } });
    for (const kind of ['prompts', 'tools', 'resources']) await announce(kind);
    await stream.message('notifications/tools/list_changed');
    await stream.message('notifications/resources/list_changed');
    for (let i = 0; i < 50; i++) await announce('tools');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const heard = stream.messages.map(({ method }) => method);
    expect(heard).not.toContain('notifications/prompts/list_changed');
    expect(heard.filter((method) => method === 'notifications/tools/list_changed').length).toBeLessThanOrEqual(3);
    stream.drop();
  });
});

describe('when a server says something on its own', () => {
  it('reaches the app whose session it is, and a 2026 app only on the stream of the request that asked for it', async () => {
    house = await open();
    const app = await openSession(house);
    const events = await app.call('one__say');
    expect((await events.message('notifications/message')).json.params).toEqual({ level: 'info', data: 'said' });
    events.drop();
    const level = { 'io.modelcontextprotocol/logLevel': 'info' };
    const wanted = await modern(house, 'tools/call', { name: 'one__say', arguments: {} }, { meta: level });
    expect(wanted.headers.get('content-type')).toBe('text/event-stream');
    const silent = await modern(house, 'tools/call', { name: 'one__say', arguments: {} });
    expect(silent.headers.get('content-type')).toBe('application/json');
  });
});

describe('when a profile shows two tools instead of all', () => {
  it('finds the real ones and calls them under their own names', async () => {
    house = await openHouse({
      servers,
      document: { profiles: [{ name: 'few', title: 'Few', tools: ['one.*'], search: true }] },
      search: createToolSearch(),
    });
    const app: BareApp = await openSession(house, {}, { suffix: '/few' });
    expect(namesIn((await app.request('tools/list')).json, 'tools')).toEqual(['search_tools', 'call_tool']);
    const found = await app.request('tools/call', { name: 'search_tools', arguments: { query: 'link' } });
    expect(JSON.stringify(found.json)).toContain('one__link');
    const call = (args: JsonObject) => app.request('tools/call', { name: 'call_tool', arguments: args });
    const called = await call({ name: 'one__link', arguments: { uri: 'note://3' } });
    expect(called.json.result).toMatchObject({ content: [{ uri: 'one+note://3' }, {}] });
    expect(house.rows('call.begin')).toMatchObject([{ alias: 'one', tool: 'link', arguments: '{"uri":"note://3"}' }]);
    for (const args of [{ name: '2nd__link' }, { name: 'call_tool' }, { name: 'search_tools' }, {}])
      expect(errorOf((await call(args)).json).code).toBe(-32602);
    await until('no more was called', () => house.rows('call.begin').length === 1);
  });
});
