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
  const off = new Set(Array.isArray(stored) ? stored.filter((alias) => typeof alias === 'string') : []);
  const listeners = new Set<() => void>();
  return {
    isOff: (alias) => off.has(alias),
    off: () => [...off].sort(),
    set(alias, enabled) {
      if (enabled) off.delete(alias);
      else off.add(alias);
      preferences.set(KEY, [...off].sort());
      for (const listener of listeners) listener();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
