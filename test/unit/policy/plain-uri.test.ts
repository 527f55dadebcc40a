import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPlainUri } from '../../../main/policy/plain-uri.ts';

const problem = (uri: string) => {
  try {
    checkPlainUri(uri);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

describe('when a rule looks at an address', () => {
  it.each([
    'file:///public/readme.md',
    'file:///C:/Users/a/b%20c.txt',
    'demo://resource/static/document/architecture.md',
    'test://static-text',
    'github://Owner/Repo/issues?state=open#L10',
    'memory:notes',
    'ui://widget/main.html',
    'urn:isbn:0451450523',
    'https://example.com/a%2Fb?q=%E6%97%A5',
    'postgres://db:5432/sales/schema',
    'data:text/plain,hi',
    'x://a/v1..2/...',
    'https://archive.example/web/http://a.example//b',
  ])('takes %s as it is', (uri) => {
    expect(problem(uri)).toBeUndefined();
  });

  it.each([
    ['file:///public/../etc/passwd', 'without "." and ".."'],
    ['file:///public/./x', 'without "." and ".."'],
    ['file:///public/..', 'without "." and ".."'],
    ['file:///public/..%2Fetc', 'without "." and ".."'],
    ['file:///public/a%5C..%5C..%5Cetc', 'without "." and ".."'],
    ['demo://h/a?path=../b', 'without "." and ".."'],
    ['notes:..', 'without "." and ".."'],
    ['file:///public/%2E%2E/etc', 'are not percent-encoded'],
    ['file:///public/%2e%2e/etc', 'in upper case'],
    ['file:///publi%63/x', 'are not percent-encoded'],
    ['file:///%65tc/passwd', 'are not percent-encoded'],
    ['file:///a%2fb', 'in upper case'],
    ['file:///a%', 'in upper case'],
    ['FILE:///public/x', 'scheme in lower case'],
    ['file:///public\\..\\etc', 'scheme in lower case'],
    ['file:///pub\tlic/x', 'scheme in lower case'],
    [' file:///public/x', 'scheme in lower case'],
    ['file:///public/x\n', 'scheme in lower case'],
    ['file:///a b', 'scheme in lower case'],
    ['file:///日本', 'scheme in lower case'],
    ['file:///a\u200bb', 'scheme in lower case'],
    ['readme.md', 'scheme in lower case'],
    ['', 'scheme in lower case'],
    ['file:/etc/passwd', 'written text "file:///etc/passwd"'],
    ['file://localhost/etc/passwd', 'written text "file:///etc/passwd"'],
    ['https://EXAMPLE.com/', 'written text "https://example.com/"'],
    ['https://example.com', 'written text "https://example.com/"'],
    ['https://example.com:443/', 'written text "https://example.com/"'],
    ['https:example.com/', 'written text "https://example.com/"'],
    ['file:////etc/passwd', 'one slash'],
    ['file:///public//../x', 'without "." and ".."'],
    ['file:///public//x', 'one slash'],
    ['file:///public/%2Fx', 'one slash'],
    ['http://0x7f.1/', 'written text "http://127.0.0.1/"'],
    ['http://[x/', 'expected an address'],
  ])('refuses %j, which can mean another place than it says', (uri, expected) => {
    expect(problem(uri)).toContain(expected);
    expect(problem(uri)).toMatch(/^argument \/uri: expected .*, found /);
  });

  it('takes no two texts for one address', () => {
    const piece = fc.constantFrom(
      'a',
      'A',
      '..',
      '.',
      '%2E',
      '%61',
      '%2F',
      '%5C',
      '/',
      '//',
      '?',
      '#',
      ':',
      '@',
      '%20',
      ' ',
      '\\',
    );
    const uri = fc
      .tuple(fc.constantFrom('file:///', 'https://h/', 'x://H/', 'FILE:///', 'x:'), fc.array(piece, { maxLength: 6 }))
      .map(([scheme, pieces]) => scheme + pieces.join(''));
    fc.assert(
      fc.property(uri, (text) => {
        if (problem(text) !== undefined) return;
        // What is read is what is written, by the rules of browsers and after what careless servers decode.
        expect(new URL(text).href).toBe(text);
        const decoded = decodeURIComponent(text).split(/[/\\?#]/);
        expect(decoded).not.toContain('..');
        expect(decoded).not.toContain('.');
      }),
      { numRuns: 2_000 },
    );
  });
});
