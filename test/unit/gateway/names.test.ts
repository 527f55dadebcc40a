import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameTable, shortName } from '../../../main/gateway/names.ts';
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

describe('when tools get their names on the wire', () => {
  it('prefixes them, in the order of the manifest', () => {
    const table = nameTable(manifest(server('b', ['two', 'one']), server('a', ['one'])), all);
    expect([...table.keys()]).toEqual(['b__two', 'b__one', 'a__one']);
    expect(table.get('a__one')).toMatchObject({ tool: 'one', server: { alias: 'a' } });
  });

  it('leaves out a revoked server', () => {
    expect(nameTable(manifest(server('a', ['x'], 'revoked')), all).size).toBe(0);
    expect(nameTable(manifest(server('a', ['x'], 'revoked')), { kind: 'alias', alias: 'a' }).size).toBe(0);
  });

  it('leaves names as they are where a server stands alone', () => {
    const table = nameTable(manifest(server('a', ['x.y/z', 'ünï'])), { kind: 'alias', alias: 'a' });
    expect([...table.keys()]).toEqual(['x.y/z', 'ünï']);
  });

  it('shortens and cleans by a rule that never changes', () => {
    const long = 'x'.repeat(100);
    const table = nameTable(manifest(server('files', ['read.file', long, 'naïve'])), all);
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
        const table = nameTable(manifest(server('a', one), server('a--b', two)), all);
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
    const table = nameTable(manifest(server('a', ['b.c', plain])), all);
    expect(table.get(clash)).toMatchObject({ tool: plain });
    expect(table.size).toBe(2);
  });
});
