import type { Refusal } from './refusal.ts';
import type { VerifiedTargets } from './trust.ts';

export type ExpiryState =
  | { readonly state: 'fresh' }
  | { readonly state: 'grace'; readonly refusal: Refusal }
  | { readonly state: 'over'; readonly refusal: Refusal };

/** Timers stand still while a laptop sleeps, so expiry is looked at again this often at least. */
const LONGEST_WAIT_MS = 30_000;

/** Where a policy stands at `now`. Times in milliseconds. The instant of expiry itself is past it (TUF 5.3.10). */
export function judgeExpiry(targets: VerifiedTargets, now: number, graceMs: number): ExpiryState {
  if (now < targets.expires) return { state: 'fresh' };
  const end = targets.expires + graceMs;
  const expired = `The policy of ${targets.organisation} expired on ${minuteOf(targets.expires)} UTC`;
  const ask =
    "Connect to the network and refresh, or ask your IT team to publish again; if this computer's date is wrong, correct it.";
  return now < end
    ? {
        state: 'grace',
        refusal: { code: 'expired', message: `${expired} and stays in force until ${minuteOf(end)} UTC. ${ask}` },
      }
    : { state: 'over', refusal: { code: 'expired', message: `${expired}, so no tool may be used. ${ask}` } };
}

/** Milliseconds until the state may have changed. */
export function waitForExpiry(targets: VerifiedTargets, now: number, graceMs: number): number {
  const next = now < targets.expires ? targets.expires : targets.expires + graceMs;
  return Math.min(Math.max(next - now, 0) + 1, LONGEST_WAIT_MS);
}

const minuteOf = (time: number) => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
