import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesTemplate } from '../../../main/policy/uri-template.ts';

describe('when an address is held against a template', () => {
  it.each([
    ['file:///docs/{name}', 'file:///docs/a.txt'],
    ['file:///docs/{name}', 'file:///docs/a%2Fb'],
    ['file:///docs/{name}', 'file:///docs/'],
    ['file:///{+path}', 'file:///a/b/c?d'],
    ['db://{table}/rows{/id*}', 'db://users/rows/1/2'],
    ['db://{table}/rows{?limit,after}', 'db://users/rows?limit=3&after=9'],
    ['db://{table}/rows{?limit,after}', 'db://users/rows'],
    ['x://a{.ext}', 'x://a.tar.gz'],
    ['x://a{;p}', 'x://a;p=1'],
    ['x://a{#frag}', 'x://a#b/c?d'],
    ['x://a?fixed=1{&more}', 'x://a?fixed=1&more=2'],
    ['x://{a}{b}{c}', 'x://yyy'],
    ['x://{a:3}-{b}', 'x://abc-d-e'],
    ['x://{user-id}/me', 'x://7/me'],
    ['x://no/expression', 'x://no/expression'],
    ['x://a b/{c}', 'x://a%20b/c'],
    ['x://日/{c}', 'x://%E6%97%A5/c'],
  ])('finds that %s can be %s', (template, uri) => {
    expect(matchesTemplate(template, uri)).toBe(true);
  });

  it.each([
    ['file:///docs/{name}', 'file:///docs/a/b'],
    ['file:///docs/{name}', 'file:///etc/passwd'],
    ['file:///docs/{name}', 'file:///docs/a?b'],
    ['file:///docs/{name}', 'xfile:///docs/a'],
    ['file:///docs/{name}.md', 'file:///docs/a.mdx'],
    ['file:///docs/{name}.md', 'file:///docs/a.m'],
    ['db://{table}/rows{/id*}', 'db://users/rows?x'],
    ['x://no/expression', 'x://no/expression/more'],
    ['x://no/expression', 'x://no/expressio'],
    ['x://a.b/{c}', 'x://aXb/c'],
    ['x://{', 'x://{'],
    ['x://}', 'x://}'],
    ['x://{}', 'x://'],
    ['x://{{a}}', 'x://{b}'],
    ['x://{=a}', 'x://b'],
    ['x://{|a}', 'x://b'],
    ['x://{a b}', 'x://c'],
    ['', 'x://a'],
  ])('finds that %s cannot be %s', (template, uri) => {
    expect(matchesTemplate(template, uri)).toBe(false);
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
        const template = `x://${parts.map((p) => p.template).join('')}`;
        expect(matchesTemplate(template, `x://${parts.map((p) => p.text).join('')}`)).toBe(true);
      }),
    );
  });

  it('takes bounded time for the worst it can be given', () => {
    const template = `x://${'{a}'.repeat(600)}!`;
    const started = performance.now();
    expect(matchesTemplate(template, `x://${'a'.repeat(8_000)}`)).toBe(false);
    expect(matchesTemplate('x://{+a}', `x://${'a'.repeat(10_000_000)}`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
