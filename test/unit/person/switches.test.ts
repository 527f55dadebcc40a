import { describe, expect, it } from 'vitest';
import { createSwitches } from '../../../main/person/switches.ts';
import type { Preferences } from '../../../main/ports.ts';

function memory(values: Record<string, unknown> = {}): Preferences & { readonly values: Record<string, unknown> } {
  return {
    values,
    get: (key) => values[key],
    set: (key, value) => {
      values[key] = value;
    },
  };
}

describe('when the stored switches are garbage', () => {
  it.each([[undefined], [null], ['all'], [7], [{ files: true }], [[[], {}, 7, null]]])(
    '%j switches nothing off',
    (stored) => {
      expect(createSwitches(memory({ toolSetsOff: stored })).off()).toEqual([]);
    },
  );

  it('keeps what can be read', () => {
    const switches = createSwitches(memory({ toolSetsOff: ['files', 7, '__proto__'] }));
    expect(switches.off()).toEqual(['__proto__', 'files']);
    expect([switches.isOff('files'), switches.isOff('constructor')]).toEqual([true, false]);
  });
});

describe('when a switch is thrown', () => {
  it('is kept for the next start, told once, and undone again', () => {
    const preferences = memory();
    const switches = createSwitches(preferences);
    let told = 0;
    const stop = switches.onChange(() => told++);
    switches.set('files', false);
    switches.set('files', false);
    expect(createSwitches(preferences).isOff('files')).toBe(true);
    switches.set('files', true);
    stop();
    switches.set('files', false);
    expect(told).toBe(3);
    expect(preferences.values.toolSetsOff).toEqual(['files']);
  });

  it('is not thrown at all where it cannot be kept', () => {
    const full: Preferences = {
      get: () => ['files'],
      set: () => {
        throw new Error('ENOSPC');
      },
    };
    const switches = createSwitches(full);
    expect(() => switches.set('files', true)).toThrow('ENOSPC');
    expect(() => switches.set('mail', false)).toThrow('ENOSPC');
    expect(switches.off()).toEqual(['files']);
  });
});
