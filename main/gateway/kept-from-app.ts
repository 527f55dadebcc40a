import type { PinVerdict } from '../policy/manifest.ts';
import type { Comparison } from './sights.ts';

const known = new WeakMap<Comparison, WeakMap<Comparison, Comparison>>();

/**
 * What differs from the pins in a caller's own session, without what only is not there: servers keep things from apps that cannot do what
 * these need. It counts as missing where the house, which can do everything, misses it too; as long as the house has not looked, nothing does.
 */
export function withoutKept(own: Comparison, house: Comparison | undefined): Comparison {
  if (own.clean) return own;
  if (house === undefined) return differing(own, undefined);
  const perHouse = known.get(own) ?? new WeakMap<Comparison, Comparison>();
  known.set(own, perHouse);
  const made = perHouse.get(house) ?? differing(own, house);
  perHouse.set(house, made);
  return made;
}

function differing({ verdicts }: Comparison, house: Comparison | undefined): Comparison {
  const kept = new Map<string, PinVerdict>();
  for (const [name, verdict] of verdicts) {
    const seen = house?.verdicts.get(name);
    const isMissing = seen !== undefined && seen.state !== 'approved';
    if (verdict.state !== 'missing' || isMissing) kept.set(name, verdict);
  }
  return { verdicts: kept, clean: [...kept.values()].every(({ state }) => state === 'approved') };
}
