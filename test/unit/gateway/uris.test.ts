import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uriNames } from '../../../main/gateway/uris.ts';
import { type Manifest, type ManifestServer, nothingPinned } from '../../../main/policy/manifest.ts';

function server(alias: string, state: ManifestServer['state'] = 'active'): ManifestServer {
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
  };
}
const manifest = (...servers: ManifestServer[]): Manifest => ({ schema: 1, servers });
const all = { kind: 'all' } as const;
const wire = (given: Manifest, alias: string, uri: string) => uriNames(given, all).renamerOf(alias)?.(uri);
const back = (given: Manifest, uri: string) => {
  const found = uriNames(given, all).find(uri);
  return found === undefined ? undefined : [found.server.alias, found.uri];
};

describe('when URIs of several servers meet on one endpoint', () => {
  it('puts the alias in front of the scheme', () => {
    const given = manifest(server('github'), server('2fast'), server('-'));
    expect(wire(given, 'github', 'repo://a/b')).toBe('github+repo://a/b');
    expect(wire(given, '2fast', 'file:///x')).toBe('x-2fast+file:///x');
    expect(wire(given, '-', 'file:///x')).toBe('x--+file:///x');
    expect(wire(given, 'github', 'file:///{path}')).toBe('github+file:///{path}');
  });

  it('keeps two aliases apart that would get the same prefix', () => {
    const given = manifest(server('1'), server('x-1'), server('x-x-1'));
    expect(wire(given, 'x-1', 'a:b')).toBe('x-1+a:b');
    expect(wire(given, '1', 'a:b')).toBe('x-x-x-1+a:b');
    expect(back(given, 'x-1+a:b')).toEqual(['x-1', 'a:b']);
    expect(back(given, 'x-x-x-1+a:b')).toEqual(['1', 'a:b']);
  });

  it('leaves a URI as it is where a server stands alone', () => {
    const given = manifest(server('a'), server('b'));
    const names = uriNames(given, { kind: 'alias', alias: 'a' });
    expect(names.renamerOf('a')).toBeUndefined();
    expect(names.find('b+file:///x')).toMatchObject({ server: { alias: 'a' }, uri: 'b+file:///x' });
  });

  it('knows nobody by a prefix that is no alias, or none at all', () => {
    const given = manifest(server('a'), server('gone', 'revoked'));
    for (const uri of [
      'file:///x',
      'b+file:///x',
      'A+file:///x',
      '+file:///x',
      'gone+file:///x',
      '',
      'a',
      'a%2Bfile:///x',
    ])
      expect(back(given, uri)).toBeUndefined();
    expect(uriNames(given, { kind: 'alias', alias: 'gone' }).find('x:y')).toBeUndefined();
  });

  it('does not let a server point at another by writing its prefix', () => {
    const given = manifest(server('evil'), server('bank'));
    expect(back(given, wire(given, 'evil', 'bank+account://1') ?? '')).toEqual(['evil', 'bank+account://1']);
  });

  it('keeps prefixes when the person switches a tool set off', () => {
    const others = [server('1'), server('x-1')];
    const given: Manifest = { schema: 1, servers: others.slice(0, 1), named: others };
    expect(wire(given, '1', 'a:b')).toBe('x-x-1+a:b');
    expect(back(given, 'x-1+a:b')).toBeUndefined();
  });

  it('reads back every URI of every server, whatever both are', () => {
    const alias = fc.stringMatching(/^[a-z0-9-]{1,24}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(alias, { minLength: 1, maxLength: 8 }),
        fc.string({ unit: 'binary' }),
        (aliases, uri) => {
          const given = manifest(...aliases.map((each) => server(each)));
          for (const each of aliases) {
            const written = wire(given, each, uri) ?? '';
            expect(written).toMatch(/^[a-z][a-z0-9-]*\+/);
            expect(back(given, written)).toEqual([each, uri]);
          }
        },
      ),
    );
  });
});
