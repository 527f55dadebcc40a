import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameJson } from '../../../main/backends/same-json.ts';
import type { Json } from '../../../main/policy/json.ts';

const read = (text: string) => JSON.parse(text) as Json;

describe('when two values read from JSON are compared', () => {
  it('finds any value the same as itself read again', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(sameJson(read(text), read(text))).toBe(true);
      }),
    );
  });

  it('tells apart what is written differently', () => {
    const same = (a: Json, b: Json) => JSON.stringify(a) === JSON.stringify(b);
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.json({ maxDepth: 3 }), (one, two) => {
        const [a, b] = [read(one), read(two)];
        if (!same(a, b)) expect(sameJson(a, b)).toBe(false);
      }),
    );
  });

  it.each([
    ['1e999', 'null'],
    ['0', '-0'],
    ['[]', '{}'],
    ['[1]', '{"0":1}'],
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['{"a":1}', '{"a":1,"b":null}'],
    ['{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'],
    ['{"__proto__":{}}', '{}'],
    ['"1"', '1'],
  ])('tells %s from %s', (one, two) => {
    expect(sameJson(read(one), read(two))).toBe(false);
    expect(sameJson(read(two), read(one))).toBe(false);
  });

  it('takes any depth', () => {
    const deep = (inner: string) => read(`${'['.repeat(5_000)}${inner}${']'.repeat(5_000)}`);
    expect(sameJson(deep('1'), deep('1'))).toBe(true);
    expect(sameJson(deep('1'), deep('2'))).toBe(false);
  });
});
