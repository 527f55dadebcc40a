import type { Preferences } from '../ports.ts';

const KEY = 'toolSetsOff';

/** The person's own switches: approved tool sets they do not want offered. They can only take away. */
export interface Switches {
  isOff(alias: string): boolean;
  off(): readonly string[];
  set(alias: string, enabled: boolean): void;
  onChange(listener: () => void): () => void;
}

export function createSwitches(preferences: Preferences): Switches {
  const stored = preferences.get(KEY);
  let off: ReadonlySet<string> = new Set(
    Array.isArray(stored) ? stored.filter((alias: unknown) => typeof alias === 'string') : [],
  );
  const listeners = new Set<() => void>();
  return {
    isOff: (alias) => off.has(alias),
    off: () => [...off].sort(),
    set(alias, enabled) {
      const next = new Set(off);
      if (enabled) next.delete(alias);
      else next.add(alias);
      // Disk first: a switch that could not be kept is not thrown either, and the person hears of it.
      preferences.set(KEY, [...next].sort());
      off = next;
      for (const listener of listeners) listener();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
