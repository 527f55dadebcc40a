import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assetHeaders, assetPath } from '../../../main/desktop/assets.ts';

describe('when a window asks for a file', () => {
  it('gives the page and what it is made of', () => {
    expect(assetPath('app://gatehouse/')).toBe('/index.html');
    expect(assetPath('app://gatehouse/index.html#/approval')).toBe('/index.html');
    expect(assetPath('app://gatehouse/assets/index-Bx_1.js?v=2')).toBe('/assets/index-Bx_1.js');
  });

  it.each([
    'app://gatehouse/..%2fmain%2findex.js',
    'app://gatehouse/%252e%252e/main.js',
    'app://gatehouse/assets%5c..%5c..%5cmain.js',
    'app://gatehouse//etc/passwd',
    'app://gatehouse/c:/windows/win.ini',
    'app://gatehouse/index.html%00.js',
    'app://gatehouse/.git/config',
    'app://gatehouse/assets/',
    'app://gatehouse/%ff',
    'app://other/index.html',
    'app://gatehouse:80/index.html',
    'app://a@gatehouse/index.html',
    'file:///etc/passwd',
    'https://gatehouse/index.html',
    'not an address',
    '',
  ])('gives nothing for %s', (address) => {
    expect(assetPath(address)).toBeUndefined();
  });

  it.each(['app://gatehouse/../main/index.js', 'app://gatehouse/a/%2e%2e/%2e%2e/main/index.js'])(
    'keeps %s below its folder',
    (address) => {
      expect(assetPath(address)).toBe('/main/index.js');
    },
  );

  it('never names a path that climbs, whatever is asked', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (tail) => {
        const path = assetPath(`app://gatehouse/${tail}`);
        if (path === undefined) return;
        expect(path.split('/').slice(1)).not.toContain('..');
        expect(path).toMatch(/^\/[\w@-][\w./@-]*$/);
      }),
    );
  });

  it('forbids everything but its own files, in headers a browser obeys', () => {
    const headers = assetHeaders('text/html; charset=utf-8');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).toContain("connect-src 'none'");
    expect(headers['content-security-policy']).not.toMatch(/unsafe|https?:|\*/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });
});
