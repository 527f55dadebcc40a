import serialize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalize,
  digestOfTargets,
  NotCanonical,
  sha256Hex,
  sha256OfJson,
} from '../../../main/policy/canonical.ts';
import type { Json } from '../../../main/policy/json.ts';

const character = fc.constantFrom(...'abz09_ "\\/', '\n', '\u0000', '\u007f', 'é', '\u2028', '\ufb33', '\u{1f600}');
const json = () => fc.jsonValue({ stringUnit: character, maxDepth: 3 }) as fc.Arbitrary<Json>;

/** The same value with every object's names in another order. */
function reorder(value: Json): Json {
  if (Array.isArray(value)) return value.map(reorder);
  if (typeof value !== 'object' || value === null) return value;
  const entries: [string, Json][] = Object.entries(value).map(([k, v]) => [k, reorder(v)]);
  return Object.fromEntries(entries.reverse());
}

describe('when a value is made canonical', () => {
  it('gives the text of RFC 8785 section 3.2.3', () => {
    const value = {
      '\u20ac': 'Euro',
      '\r': 1,
      '\ufb33': 2,
      '1': 'One',
      '\u0080': 3,
      '\u{1f600}': 4,
      ö: 5,
      __proto__x: -0,
    };
    expect(canonicalize(value)).toBe(
      '{"\\r":1,"1":"One","__proto__x":0,"\u0080":3,"ö":5,"€":"Euro","\u{1f600}":4,"\ufb33":2}',
    );
    expect(canonicalize([Number('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27])).toBe(
      '[333333333.3333333,1e+30,4.5,0.002,1e-27]',
    );
  });

  it('gives what the reference implementation gives', () => {
    const any = fc.oneof(
      fc.jsonValue({ stringUnit: 'grapheme' }),
      fc.jsonValue({ stringUnit: character, maxDepth: 6 }),
    );
    fc.assert(fc.property(any, (value) => canonicalize(value as Json) === serialize(value)));
  });

  it('does not care about the order of names', () => {
    fc.assert(fc.property(json(), (value) => canonicalize(reorder(value)) === canonicalize(value)));
  });

  it('gives another digest for another value', () => {
    fc.assert(
      fc.property(json(), json(), (a, b) => {
        const same = JSON.stringify(JSON.parse(canonicalize(a))) === JSON.stringify(JSON.parse(canonicalize(b)));
        return (sha256OfJson(a) === sha256OfJson(b)) === same;
      }),
    );
  });

  it('notices one changed leaf anywhere', () => {
    fc.assert(
      fc.property(
        json(),
        fc.string(),
        (value, key) =>
          sha256OfJson({ a: [value, { [key]: true }] }) !== sha256OfJson({ a: [value, { [key]: false }] }),
      ),
    );
  });

  it('keeps a member called __proto__', () => {
    expect(canonicalize(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}');
    expect(sha256OfJson(JSON.parse('{"__proto__":1}'))).not.toBe(sha256OfJson({}));
  });
});

describe('when a value is not JSON', () => {
  const cases: [string, unknown, string][] = [
    ['undefined', { a: undefined }, '/a'],
    ['NaN', [Number.NaN], '/0'],
    ['Infinity', { a: { b: Number.POSITIVE_INFINITY } }, '/a/b'],
    ['a function', { f: () => 1 }, '/f'],
    ['a symbol', [Symbol('x')], '/0'],
    ['a bigint', [1n], '/0'],
    ['a date', { d: new Date(0) }, '/d'],
    ['a map', { m: new Map() }, '/m'],
    ['a lone surrogate', { 'a/b': '\ud800' }, '/a~1b'],
    ['a lone surrogate in a name', { '\udc00': 1 }, ''],
    ['a hole in a list', new Array(1), '/0'],
  ];
  it.each(cases)('refuses %s and says where', (_, value, path) => {
    expect(() => canonicalize(value as Json)).toThrow(NotCanonical);
    try {
      canonicalize(value as Json);
    } catch (error) {
      expect((error as NotCanonical).path).toBe(path);
    }
  });

  it('refuses a circle and bottomless nesting instead of overflowing', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => canonicalize(circle as Json)).toThrow(NotCanonical);
    expect(() => canonicalize(JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`))).toThrow(NotCanonical);
  });
});

describe('when a policy version is named', () => {
  it('gives each of the three files its place', () => {
    const files = { policyJson: 'a', policyCedar: 'b', manifestJson: 'c' };
    expect(digestOfTargets(files)).toBe(sha256Hex([sha256Hex('a'), sha256Hex('b'), sha256Hex('c')].join('\n')));
    expect(digestOfTargets({ ...files, policyJson: 'b', policyCedar: 'a' })).not.toBe(digestOfTargets(files));
  });
});
