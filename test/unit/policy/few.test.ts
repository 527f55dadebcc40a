import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FewMap, FewSet } from '../../../main/policy/few.ts';

const key = fc.oneof(fc.constantFrom<string | number>(1, '1', 0, '', '__proto__', 'a'), fc.integer({ min: 0, max: 5 }));
const step = fc.record({ do: fc.constantFrom('set', 'delete', 'get'), key, value: fc.nat() });

describe('a map of few', () => {
  it('is what a Map is, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const few = new FewMap<string | number, number>();
        const map = new Map<string | number, number>();
        for (const { do: what, key: k, value } of steps) {
          if (what === 'set') {
            few.set(k, value);
            map.set(k, value);
          } else if (what === 'delete') expect(few.delete(k)).toBe(map.delete(k));
          expect(few.get(k)).toBe(map.get(k));
          expect(few.has(k)).toBe(map.has(k));
          expect(few.size).toBe(map.size);
          expect(few.keys()).toEqual([...map.keys()]);
          expect(few.values()).toEqual([...map.values()]);
        }
      }),
    );
  });
});

describe('a set of few', () => {
  it('is what a Set is, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const few = new FewSet<string | number>();
        const set = new Set<string | number>();
        for (const { do: what, key: k } of steps) {
          if (what === 'set') {
            few.add(k);
            set.add(k);
          } else if (what === 'delete') expect(few.delete(k)).toBe(set.delete(k));
          expect(few.has(k)).toBe(set.has(k));
          expect(few.size).toBe(set.size);
          expect(few.first()).toBe([...set][0]);
          expect(few.values()).toEqual([...set]);
        }
      }),
    );
  });
});
