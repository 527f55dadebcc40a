import type { JsonObject } from '../policy/json.ts';
import type { PinVerdict } from '../policy/manifest.ts';
import { clip, nestsDeeperThan } from './wire.ts';

/** Levels and JSON characters of a shown definition that is compared field by field, recorded and put before a person. */
export const shownDepthLimit = 64;
const shownLengthLimit = 256 * 1024;

/**
 * The verdicts with nothing in them of what is too deep or too large to be taken apart: fixed words stand in its place.
 * What equals its pin is approved whatever its size, so only what is held back anyway is looked at.
 */
export function boundVerdicts(verdicts: ReadonlyMap<string, PinVerdict>): ReadonlyMap<string, PinVerdict> {
  const bound = new Map<string, PinVerdict>();
  for (const [tool, verdict] of verdicts) {
    const unfit = 'shown' in verdict ? whyNotTakenApart(verdict.shown) : undefined;
    if (unfit === undefined) bound.set(tool, verdict);
    else if (verdict.state === 'unpinned') bound.set(clip(tool, 200), { ...verdict, shown: nameOnly(tool) });
    else if (verdict.state === 'changed') {
      const changes = [{ path: '', before: 'as your organisation approved it', after: unfit }];
      bound.set(tool, { ...verdict, shown: nameOnly(tool), changes });
    }
  }
  return bound;
}

function nameOnly(tool: string): JsonObject {
  return { name: clip(tool, 200) };
}

function whyNotTakenApart(shown: JsonObject): string | undefined {
  // Depth first: writing text recurses.
  if (nestsDeeperThan(shown, shownDepthLimit)) return `nested deeper than ${shownDepthLimit} levels, so not shown`;
  if (JSON.stringify(shown).length > shownLengthLimit) return 'larger than 256 KB, so not shown';
  return undefined;
}
