import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../../main/policy/pattern.ts';

const characters = [
  'a',
  'b',
  '.',
  '[ab]',
  '[^a]',
  '\\w',
  '\\d',
  '\\s',
  '\\u0061',
  '\\x62',
  '[\\]a]',
  '-',
  'é',
  '\\u{1f600}',
];
const assertions = ['\\b', '\\B', '^', '$'];
const quantifiers = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?'];

/** Small patterns over few characters, so that matches are frequent and the platform answers soon too. */
function patterns(depth: number): fc.Arbitrary<string> {
  const inner = depth === 0 ? fc.constantFrom('a', 'ab', 'b|1') : patterns(depth - 1);
  const part = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.constantFrom(...characters).chain((c) => fc.constantFrom(...quantifiers).map((q) => c + q)),
    },
    { weight: 1, arbitrary: fc.constantFrom(...assertions) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('(', '(?:'), inner, fc.constantFrom('', '?', '*', '{2}'))
        .map(([open, node, q]) => `${open}${node})${q}`),
    },
  );
  return fc
    .array(fc.array(part, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((options) => options.map((parts) => parts.join('')).join('|'));
}

describe('when a pattern of a schema is matched', () => {
  it('agrees with the platform', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '1', ' ', '-', 'é', '\n', '😀'),
      minLength: 17,
      maxLength: 18,
    });
    fc.assert(
      fc.property(patterns(1), text, (source, value) => {
        expect(compilePattern(source, 'u').test(value)).toBe(new RegExp(source, 'u').test(value));
      }),
      { numRuns: 500 },
    );
  });

  it('ends soon where backtracking would not', () => {
    const long = `${'a'.repeat(20_000)}!`;
    for (const source of ['^(a+)+$', '^(a|a)*$', '(a|aa)+$', '^(.*)*x$', '(?:a?){50}a{50}b', '\\s*a*a*a*a*b']) {
      expect(compilePattern(source, 'u').test(long), source).toBe(false);
    }
  });

  it('takes patterns that only compile without Unicode mode', () => {
    const p = compilePattern('^[\\w-\\.]+@([\\w-]+\\.)+[\\w-]{2,4}$', 'u');
    expect(p.test('someone.with.a.long.name@example.com')).toBe(true);
    expect(p.test('someone.with.a.long.name@example')).toBe(false);
  });

  it('keeps looking ahead to short texts, and refuses it together with repeated groups', () => {
    const password = compilePattern('^(?=.*[A-Z])(?=.*\\d).{8,}$', 'u');
    expect(password.test('correct horse Battery 9')).toBe(true);
    expect(password.test('correct horse battery 9')).toBe(false);
    expect(() => password.test('x'.repeat(300))).toThrow('longer than');
    expect(() => compilePattern('^(?=a)(a+)+$', 'u')).toThrow('may take for ever');
    expect(() => compilePattern('^(a+)\\1+$', 'u')).toThrow('may take for ever');
  });

  it('refuses patterns that are wrong or enormous', () => {
    expect(() => compilePattern('(', 'u')).toThrow(SyntaxError);
    expect(() => compilePattern('((a{1000}){1000}){1000}', 'u')).toThrow('too long');
    expect(() => compilePattern('((a{0}){99999}){99999}', 'u')).toThrow(SyntaxError);
  });

  it('tells its patterns apart by their text', () => {
    expect(String(compilePattern('(a)*', 'u'))).not.toBe(String(compilePattern('(b)*', 'u')));
  });
});
