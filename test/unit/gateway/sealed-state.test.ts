import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newSealing, openState, sealState } from '../../../main/gateway/sealed-state.ts';

const sealing = newSealing();

describe('when state is sealed', () => {
  it('opens again under the same key and context, and tells nobody what it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (payload, context) => {
        const state = sealState(sealing, payload, context);
        expect(openState(sealing, state, context)).toBe(payload);
        expect(state).toMatch(/^gatehouse\.[A-Za-z0-9_-]{11}\.[A-Za-z0-9_-]+$/);
        if (payload.length > 8) expect(state).not.toContain(payload);
      }),
    );
  });

  it('is never the same text twice', () => {
    expect(new Set(Array.from({ length: 1_000 }, () => sealState(sealing, 'p', 'c'))).size).toBe(1_000);
  });

  it('begins with what no server could foresee', () => {
    expect(new Set(Array.from({ length: 100 }, () => newSealing().marker)).size).toBe(100);
  });

  it('does not open with any bit flipped', () => {
    const state = sealState(sealing, 'payload', 'context');
    const bytes = Buffer.from(state.slice(sealing.marker.length), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(openState(sealing, `${sealing.marker}${flipped.toString('base64url')}`, 'context')).toBeUndefined();
    }
  });

  it('does not open with any character changed, added or left out', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n';
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40 }),
        fc.nat(),
        fc.constantFrom(...letters),
        fc.constantFrom('replace', 'insert', 'remove'),
        (payload, at, letter, how) => {
          const state = sealState(sealing, payload, 'c');
          const place = at % state.length;
          const rest = state.slice(how === 'insert' ? place : place + 1);
          const changed = state.slice(0, place) + (how === 'remove' ? '' : letter) + rest;
          fc.pre(changed !== state);
          expect(openState(sealing, changed, 'c')).toBeUndefined();
        },
      ),
    );
    const state = sealState(sealing, 'p', 'c');
    for (const suffix of ['=', '==', '-TAMPERED', 'A', ' ']) {
      expect(openState(sealing, state + suffix, 'c')).toBeUndefined();
    }
  });

  it('does not open under another context or key, nor from nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (payload, context, other) => {
        fc.pre(context !== other);
        expect(openState(sealing, sealState(sealing, payload, context), other)).toBeUndefined();
      }),
    );
    expect(openState(newSealing(), sealState(sealing, 'p', 'c'), 'c')).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(openState(sealing, text, '')).toBeUndefined();
        expect(openState(sealing, sealing.marker + text, '')).toBeUndefined();
      }),
    );
  });
});
