import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, TooManySteps, withinSteps } from '../../../main/policy/pattern.ts';

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
      maxLength: 18,
    });
    fc.assert(
      fc.property(patterns(1), text, (source, value) => {
        // V8 looks for \B inside a surrogate pair, where Unicode mode has no place (ECMA-262, AdvanceStringIndex).
        fc.pre(!(source.includes('\\B') && value.includes('😀')));
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

  it.each<[string, string, number]>([
    ['long texts', '(?:a?){20}a{20}b', 20_000],
    ['short texts', '^(a+)+$', 16],
    ['texts looked ahead in', '^(?=.*a.*a.*b).*$', 30],
    ['choices looked ahead of', `^(?=a)${'(a|a)'.repeat(15)}b`, 30],
    ['repeated choices looked ahead of', '^(?=a)(a|a){15}b', 30],
  ])('gives all %s of one check together so many steps and no more', (_, source, length) => {
    const pattern = compilePattern(source, 'u');
    const text = `${'a'.repeat(length - 1)}!`;
    let matched = 0;
    const matchForEver = () => {
      for (; matched < 200_000; matched++) pattern.test(text);
    };
    expect(() => withinSteps(matchForEver)).toThrow(TooManySteps);
    expect(matched).toBeGreaterThan(1);
    // The next check begins anew.
    expect(withinSteps(() => pattern.test(text))).toBe(false);
  });

  it('has steps enough for lists of ordinary length', () => {
    const address = compilePattern('^[\\w.+-]+@(?:[\\w-]+\\.)+[a-z]{2,}$', 'u');
    const password = compilePattern('^(?=.*[a-z])(?=.*[A-Z])(?=.*\\d)(?=.*[@$!%*?&])[A-Za-z\\d@$!%*?&]{8,}$', 'u');
    withinSteps(() => {
      for (let i = 0; i < 500; i++) expect(address.test(`somebody.${i}@department.acme.example`)).toBe(true);
      for (let i = 0; i < 50; i++) expect(password.test(`Correct!Horse9Battery${i}`)).toBe(true);
    });
  });
});
