import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../main/policy/strict-json.ts';

const problems = (text: string) => {
  const parsed = parseStrictJson(text, 'f.json');
  return parsed.ok ? [] : parsed.problems.map((p) => `${p.path} expected ${p.expected}, found ${p.found}`);
};

describe('when a signed JSON file is read', () => {
  it('reads what the platform reads', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = parseStrictJson(text, 'f.json');
        expect(parsed).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  it('refuses what the platform refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:0-1.eE+\\utrfalsn \n\u0001') }), (text) => {
        let platform = true;
        try {
          JSON.parse(text);
        } catch {
          // The platform's own refusal is what this compares with.
          platform = false;
        }
        if (!platform) expect(parseStrictJson(text, 'f.json').ok).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses a name given twice, however it is spelled, and says where both are', () => {
    expect(problems('{\n "a": 1,\n "b": {"c": 1, "c": 2},\n "\\u0061": 3\n}')).toEqual([
      'f.json:3:16 expected each name once, found "c" again (first on line 3)',
      'f.json:4:2 expected each name once, found "a" again (first on line 2)',
    ]);
    expect(problems('{"__proto__":1,"__proto__":2}')).toHaveLength(1);
  });

  it('allows one name in two objects', () => {
    expect(problems('[{"a":1},{"a":{"a":1}}]')).toEqual([]);
  });

  it.each([
    ['{"a":1,}', 'f.json:1:8 expected a name in double quotes, found "}"'],
    ['{\n  "a": tru\n}', 'f.json:2:8 expected a value, found "tru\\u{a}}"'],
    ['', 'f.json:1:1 expected a value, found the end of the file'],
    ['{"a":01}', 'f.json:1:7 expected "," or "}", found "1}"'],
    ['"x', 'f.json:1:1 expected a closing quote, found the end of the file'],
    ['\ufeff{}', 'f.json:1:1 expected JSON text, found a byte order mark'],
    ['{"a":1e999}', 'f.json:1:6 expected a number a computer can hold, found 1e999'],
    ['"\\ud800"', 'f.json:1:1 expected well-formed Unicode, found a lone surrogate'],
    ['{} {}', 'f.json:1:4 expected the end of the file, found "{}"'],
  ])('says what is wrong with %j', (text, problem) => {
    expect(problems(text)).toEqual([problem]);
  });

  it('refuses bottomless nesting and survives a very long text', () => {
    expect(problems('['.repeat(100_000))[0]).toContain('at most 200 levels');
    expect(problems(JSON.stringify('é\\"'.repeat(500_000)))).toEqual([]);
  });
});
