import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../main/gateway/admit.ts';
import { type NameSource, nameTable, shortName } from '../../../main/gateway/names.ts';
import { type Manifest, type ManifestServer, nothingPinned, type Pin } from '../../../main/policy/manifest.ts';

function server(alias: string, tools: readonly string[], state: ManifestServer['state'] = 'active'): ManifestServer {
  const pins = tools.map((name): [string, Pin] => [name, { sha256: '0'.repeat(64), definition: { name }, labels: [] }]);
  return {
    server: {},
    alias,
    title: alias,
    owner: 'o',
    groups: [],
    state,
    launch: { transport: 'http', url: 'https://example.test' },
    auth: { kind: 'none' },
    ...nothingPinned,
    tools: Object.fromEntries(pins),
  };
}
const manifest = (...servers: ManifestServer[]): Manifest => ({ schema: 1, servers });
const all = { kind: 'all' } as const;
const source = (given: Manifest, prefix: 'always' | 'on-collision' = 'always'): NameSource => ({
  manifest: given,
  document: { names: { prefix } },
});
const tools = (given: Manifest, endpoint: Endpoint) => nameTable(source(given), endpoint, 'tool');
const onCollision = (given: Manifest) => nameTable(source(given, 'on-collision'), all, 'tool');

describe('when tools get their names on the wire', () => {
  it('prefixes them, in the order of the manifest', () => {
    const table = tools(manifest(server('b', ['two', 'one']), server('a', ['one'])), all);
    expect([...table.keys()]).toEqual(['b__two', 'b__one', 'a__one']);
    expect(table.get('a__one')).toMatchObject({ name: 'one', server: { alias: 'a' } });
  });

  it('leaves out a revoked server', () => {
    expect(tools(manifest(server('a', ['x'], 'revoked')), all).size).toBe(0);
    expect(tools(manifest(server('a', ['x'], 'revoked')), { kind: 'alias', alias: 'a' }).size).toBe(0);
  });

  it('leaves names as they are where a server stands alone', () => {
    const table = tools(manifest(server('a', ['x.y/z', 'ünï'])), { kind: 'alias', alias: 'a' });
    expect([...table.keys()]).toEqual(['x.y/z', 'ünï']);
  });

  it('shortens and cleans by a rule that never changes', () => {
    const long = 'x'.repeat(100);
    const table = tools(manifest(server('files', ['read.file', long, 'naïve'])), all);
    expect([...table.keys()]).toEqual([
      'files__read_file_97875296',
      'files__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_6f3d2aa1',
      'files__na_ve_c722c699',
    ]);
  });

  it('gives every tool its own acceptable name, whatever they are called', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom('a.b', 'a/b', 'a b', 'a_b', 'a__b', '__proto__'),
    );
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 30 }), fc.uniqueArray(name, { maxLength: 30 }), (one, two) => {
        const table = tools(manifest(server('a', one), server('a--b', two)), all);
        expect(table.size).toBe(one.length + two.length);
        for (const [wireName, tool] of table) {
          expect(wireName).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
          expect(tool.wireName).toBe(wireName);
        }
      }),
    );
  });

  it('does not let a shortened name push a plain one aside', () => {
    const clash = shortName('a', 'b.c', new Set());
    const plain = clash.slice('a__'.length);
    const table = tools(manifest(server('a', ['b.c', plain])), all);
    expect(table.get(clash)).toMatchObject({ name: plain });
    expect(table.size).toBe(2);
  });
});

describe('when prompts get their names on the wire', () => {
  it('treats them as it treats tools, in a table of their own', () => {
    const pin: Pin = { sha256: '0'.repeat(64), definition: { name: 'greet' }, labels: [] };
    const given = manifest({ ...server('a', ['greet']), prompts: { greet: pin } }, server('b', ['greet']));
    expect([...nameTable(source(given), all, 'prompt').keys()]).toEqual(['a__greet']);
    expect([...nameTable(source(given), { kind: 'alias', alias: 'a' }, 'prompt').keys()]).toEqual(['greet']);
    expect([...nameTable(source(given, 'on-collision'), all, 'prompt').keys()]).toEqual(['greet']);
  });
});

describe('when names get a prefix only where they collide', () => {
  it('leaves a name that one server has, and prefixes one that two have', () => {
    const table = onCollision(manifest(server('a', ['read', 'search']), server('b', ['write', 'search'])));
    expect([...table.keys()]).toEqual(['read', 'a__search', 'write', 'b__search']);
  });

  it('prefixes a name that AI apps would not take as it is', () => {
    expect([...onCollision(manifest(server('a', ['read.file']))).keys()]).toEqual(['a__read_file_d3c8244e']);
  });

  it('does not take a name for its own that is the prefixed name of another', () => {
    const table = onCollision(manifest(server('a', ['b']), server('c', ['a__b', 'b'])));
    expect(table.get('a__b')).toMatchObject({ server: { alias: 'a' }, name: 'b' });
    expect(table.get('c__a__b')).toMatchObject({ server: { alias: 'c' }, name: 'a__b' });
  });

  it('keeps the names of others when the person switches a tool set off', () => {
    const one = server('a', ['search']);
    const two = server('b', ['search']);
    const table = onCollision({ schema: 1, servers: [two], named: [one, two] });
    expect([...table.keys()]).toEqual(['b__search']);
  });

  it('gives each tool one acceptable name, and no two the same, whatever they are called', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }),
      fc.constantFrom('a.b', 'b', 'a__b', 'c', 'x__a__b', '__proto__', 'constructor'),
    );
    const names = fc.uniqueArray(name, { maxLength: 20 });
    fc.assert(
      fc.property(names, names, names, (one, two, three) => {
        const table = onCollision(manifest(server('a', one), server('x', two), server('a--b', three)));
        expect(table.size).toBe(one.length + two.length + three.length);
        for (const [wireName, each] of table) {
          expect(wireName).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
          expect(each.wireName).toBe(wireName);
        }
      }),
    );
  });
});
