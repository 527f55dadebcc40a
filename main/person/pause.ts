import type { Clock } from '../ports.ts';

/** "Pause all": every call is refused at once, until a moment or until the person resumes. */
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

export function createPause({ clock }: { clock: Clock }): Pause {
  let until: number | null | undefined;
  let timer: NodeJS.Timeout | undefined;
  const listeners = new Set<(state: { paused: boolean }) => void>();

  const set = (value: number | null | undefined) => {
    clearTimeout(timer);
    until = value;
    if (typeof value === 'number') timer = setTimeout(() => set(undefined), Math.max(0, value - clock.now()));
    for (const listener of listeners) listener({ paused: value !== undefined });
  };
  // A laptop that slept may come back before its timer fires: the clock decides.
  const now = () => (typeof until === 'number' && until <= clock.now() ? undefined : until);

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
