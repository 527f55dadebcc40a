import type { Clock, Log, Preferences } from '../ports.ts';

const KEY = 'pausedUntil';
/** The longest a pause with an end lasts, as the contract's own bound: a clock that was wrong must not stretch it. */
const LONGEST_MS = 24 * 3_600_000;

/**
 * "Pause all": every call is refused at once, until a moment or until the person resumes. A pause outlives a restart: whoever
 * stopped every tool did not agree to an update, a crash or a reboot starting them again.
 */
export interface Pause {
  /** Minutes, or null for "until I resume". */
  start(minutes: number | null): void;
  resume(): void;
  /** Milliseconds since the epoch, null while paused without an end, undefined when not paused. */
  until(): number | null | undefined;
  /** What a refused call is told, or undefined when not paused. */
  message(): string | undefined;
  onChange(listener: (state: { paused: boolean }) => void): () => void;
  close(): void;
}

export interface PauseOptions {
  readonly clock: Clock;
  readonly preferences: Preferences;
  readonly log: Log;
}

export function createPause({ clock, preferences, log }: PauseOptions): Pause {
  let until: number | null | undefined;
  let timer: NodeJS.Timeout | undefined;
  const listeners = new Set<(state: { paused: boolean }) => void>();

  const hold = (value: number | null | undefined) => {
    clearTimeout(timer);
    until = value;
    if (typeof value === 'number') timer = setTimeout(() => set(undefined), Math.max(0, value - clock.now()));
  };
  const set = (value: number | null | undefined) => {
    hold(value);
    try {
      // `false` says "not paused": preferences cannot hold undefined.
      preferences.set(KEY, value === undefined ? false : value);
    } catch (error) {
      // In force all the same. What is lost is that a restart knows of it.
      log.error('pause-not-kept', { message: error instanceof Error ? error.message : String(error) });
    }
    for (const listener of listeners) listener({ paused: value !== undefined });
  };
  // A laptop that slept may come back before its timer fires: the clock decides.
  const now = () => (typeof until === 'number' && until <= clock.now() ? undefined : until);

  hold(readKept(preferences.get(KEY), clock.now()));
  return {
    start: (minutes) => set(minutes === null ? null : clock.now() + minutes * 60_000),
    resume: () => {
      if (until !== undefined) set(undefined);
    },
    until: now,
    message: () =>
      now() === undefined ? undefined : 'You paused Gatehouse, so no tool runs. Choose Resume in its menu to go on.',
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => clearTimeout(timer),
  };
}

/** What an earlier run left. A value that is none of ours is a pause until the person resumes: that is one click, and safe. */
function readKept(kept: unknown, now: number): number | null | undefined {
  if (kept === undefined || kept === false) return undefined;
  if (typeof kept !== 'number' || !Number.isFinite(kept)) return null;
  return kept <= now ? undefined : Math.min(kept, now + LONGEST_MS);
}
