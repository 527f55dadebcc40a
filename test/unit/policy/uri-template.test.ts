import { UriTemplate } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTemplate } from '../../../main/policy/uri-template.ts';

const matches = (template: string, uri: string) => compileTemplate(template)(uri);

describe('when a URI is held against a template', () => {
  it.each([
    ['file:///docs/{name}', 'file:///docs/readme.md'],
    ['file:///docs/{name}', 'file:///docs/'],
    ['file:///{+path}', 'file:///a/b/c?d#e'],
    ['x://{a}/{b}', 'x://1/2'],
    ['x://{a,b}', 'x://1,2'],
    ['x://{host}{/path*}', 'x://h/a/b/c'],
    ['x://{host}{/path*}', 'x://h'],
    ['x://{host}{/one}', 'x://h/a'],
    ['x://list{.format}', 'x://list.json'],
    ['x://q{?a,b}', 'x://q?a=1&b=2'],
    ['x://q{?a,b}', 'x://q?b=2'],
    ['x://q{?a,b}', 'x://q'],
    ['x://q?fixed=1{&a}', 'x://q?fixed=1&a=2'],
    ['x://q{?filter*}', 'x://q?any=1&thing=2'],
    ['x://q{;a,b}', 'x://q;a=1;b'],
    ['x://q{#part}', 'x://q#here'],
    ['x://ünï/{a}', 'x://ünï/ö'],
    ['x://{a:3}', 'x://abc'],
    ['plain://text', 'plain://text'],
    ['file:///docs/{name}', 'file:///docs/a%2Fb'],
    ['file:///{name}', 'file:///a%2fb'],
    ['http://example.com{?x}', 'http://example.com?x=1'],
    ['Repo://{owner}/{name}', 'Repo://a/b'],
    ['docs://über', 'docs://über'],
    ['docs://über', 'docs://%C3%BCber'],
    ['x://a b/{c}', 'x://a%20b/c'],
    ['db://{table}/rows{/id*}', 'db://users/rows/1/2'],
    ['x://a{.ext}', 'x://a.tar.gz'],
    ['x://{a:3}-{b}', 'x://abc-d-e'],
    ['x://{user-id}/me', 'x://7/me'],
  ])('%s takes %s', (template, uri) => expect(matches(template, uri)).toBe(true));

  it.each([
    ['file:///docs/{name}', 'file:///docs/a/b'],
    ['file:///docs/{name}', 'file:///docs/a?b'],
    ['file:///docs/{name}', 'file:///docs/a#b'],
    ['file:///docs/{name}', 'file:///docs/a\\b'],
    ['file:///docs/{name}', 'file:///other/a'],
    ['file:///docs/{name}', ' file:///docs/a'],
    ['x://q?a={a}', 'x://q?a=1&admin=true'],
    ['x://{host}{/one}', 'x://h/a/b'],
    ['x://q{?a,b}', 'x://q?c=1'],
    ['x://q{?a,b}', 'x://q?b=1&a=2'],
    ['x://q{?a}', 'x://q?a'],
    ['plain://text', 'plain://text2'],
    ['x://{', 'x://{'],
    ['x://}', 'x://}'],
    ['x://{}', 'x://'],
    ['x://{a b}', 'x://1'],
    ['x://{=a}', 'x://1'],
    ['x://{a,}', 'x://1'],
    ['x://{{a}}', 'x://{b}'],
    ['x://{|a}', 'x://b'],
    ['x://a.b/{c}', 'x://aXb/c'],
    ['file:///docs/{name}.md', 'file:///docs/a.mdx'],
    ['', 'x://a'],
  ])('%s does not take %s', (template, uri) => expect(matches(template, uri)).toBe(false));

  it.each([
    'file:///docs/..',
    'file:///docs/.',
    'file:///docs/../etc/passwd',
    'file:///docs/a/../../etc/passwd',
    'file:///docs/%2e%2e/etc',
    'file:///docs/.%2E/etc',
    'file:///docs/..%2Fetc',
    'file:///docs/..%5cetc',
    'file:///docs/%252e%252e%252fetc',
    'file:///docs/..\\etc',
    'file:///docs/..?x',
    'file:///docs/.\t./etc',
    'file:///docs/.\u200b./etc',
    'file:///docs/a?path=../etc',
    'notes:..',
  ])('does not leave its folder: %s', (uri) => {
    expect(matches('file:///docs/{+path}', uri)).toBe(false);
    expect(matches('file:///docs/{name}', uri)).toBe(false);
  });

  it('takes dots that are no segment', () => {
    expect(matches('file:///docs/{+path}', 'file:///docs/a..b/...')).toBe(true);
  });

  it('takes whatever values the SDK of servers expands it with', () => {
    const value = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((text) => !/\p{Surrogate}/u.test(text) && !/[./\\%]/.test(text));
    const templates = ['x://{a}/{b}', 'x://h{/a}{?b}', 'x://h{.a}{#b}', 'x://{a}-{+b}', 'x://h?z=1{&a,b}'];
    fc.assert(
      fc.property(fc.constantFrom(...templates), value, value, (template, a, b) => {
        expect(matches(template, new UriTemplate(template).expand({ a, b }))).toBe(true);
      }),
    );
  });

  it('knows every expansion of simple and reserved expressions', () => {
    const literal = fc.stringMatching(/^[a-z/?=.-]{0,6}$/);
    const value = fc.stringMatching(/^[a-z0-9._~-]{0,6}$/);
    const path = fc.stringMatching(/^[a-z/?&=#.]{0,8}$/);
    const part = fc.oneof(
      literal.map((text) => ({ template: text, text })),
      value.map((text) => ({ template: '{v}', text })),
      path.map((text) => ({ template: '{+v}', text })),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const uri = `x://${parts.map(({ text }) => text).join('')}`;
        fc.pre(!uri.split(/[/?#&;:=]/).some((each) => each === '.' || each === '..'));
        expect(matches(`x://${parts.map(({ template }) => template).join('')}`, uri)).toBe(true);
      }),
    );
  });

  it('answers at once, however the template and the URI are made', () => {
    const template = `x://${'{+a}{/b*}{?c*}'.repeat(100)}!`;
    const uri = `x://${'/a?b=c&'.repeat(1_000)}`;
    const started = performance.now();
    expect(matches(template, uri)).toBe(false);
    expect(matches(template, `${uri}!${'/'.repeat(2_000)}`)).toBe(false);
    expect(matches('{+a}', 'x'.repeat(8_193))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (template, uri) => {
        matches(template, uri);
        matches(`{${template}}`, uri);
      }),
    );
  });
});
