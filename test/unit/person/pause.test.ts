import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPause } from '../../../main/person/pause.ts';
import type { Log, Preferences } from '../../../main/ports.ts';

const minute = 60_000;
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

function memory(values: Record<string, unknown> = {}): Preferences & { readonly values: Record<string, unknown> } {
  return {
    values,
    get: (key) => values[key],
    set: (key, value) => {
      values[key] = value;
    },
  };
}

const clock = { at: 0, now: () => clock.at };
beforeEach(() => {
  vi.useFakeTimers();
  clock.at = Date.UTC(2026, 5, 1);
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => {
  clock.at += ms;
  vi.advanceTimersByTime(ms);
};

describe('when the person pauses for a while', () => {
  it('says until when, refuses in words, and ends by itself, once', () => {
    const pause = createPause({ clock, preferences: memory(), log: quiet });
    const heard: boolean[] = [];
    pause.onChange(({ paused }) => heard.push(paused));
    pause.start(15);
    expect(pause.until()).toBe(clock.at + 15 * minute);
    expect(pause.message()).toContain('You paused Gatehouse');
    pass(15 * minute - 1);
    expect(pause.message()).toBeDefined();
    pass(1);
    expect([pause.until(), pause.message()]).toEqual([undefined, undefined]);
    pause.resume();
    expect(heard).toEqual([true, false]);
  });

  it('goes by the clock where the laptop slept and its timer is late', () => {
    const pause = createPause({ clock, preferences: memory(), log: quiet });
    pause.start(15);
    clock.at += 60 * minute;
    expect(pause.message()).toBeUndefined();
  });

  it('goes by the timer where the clock was set back', () => {
    const pause = createPause({ clock, preferences: memory(), log: quiet });
    pause.start(15);
    clock.at -= 365 * 24 * 60 * minute;
    vi.advanceTimersByTime(15 * minute);
    expect(pause.message()).toBeUndefined();
  });

  it('a later pause replaces an earlier one, and its timer', () => {
    const pause = createPause({ clock, preferences: memory(), log: quiet });
    pause.start(1);
    pause.start(null);
    pass(24 * 60 * minute);
    expect(pause.until()).toBeNull();
    pause.resume();
    expect(pause.until()).toBeUndefined();
  });
});

describe('when Gatehouse starts again', () => {
  const leftWith = (kept: unknown) =>
    createPause({ clock, preferences: memory({ pausedUntil: kept }), log: quiet }).until();

  it('stays paused as it was left', () => {
    const preferences = memory();
    createPause({ clock, preferences, log: quiet }).start(null);
    expect(createPause({ clock, preferences, log: quiet }).until()).toBeNull();
    const later = createPause({ clock, preferences, log: quiet });
    later.start(30);
    later.close();
    pass(10 * minute);
    expect(createPause({ clock, preferences, log: quiet }).until()).toBe(clock.at + 20 * minute);
    pass(20 * minute);
    expect(createPause({ clock, preferences, log: quiet }).until()).toBeUndefined();
  });

  it('is not paused where nobody paused, or somebody resumed', () => {
    expect([leftWith(undefined), leftWith(false), leftWith(clock.at), leftWith(0)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([['soon'], [{}], [[]], [true], [Number.NaN], [null]])('takes %j for "until I resume"', (kept) => {
    expect(leftWith(kept)).toBeNull();
  });

  it('is paused for a day at most by a moment far away, however wrong the clock was', () => {
    expect(leftWith(8.64e15)).toBe(clock.at + 24 * 60 * minute);
    const pause = createPause({ clock, preferences: memory({ pausedUntil: 8.64e15 }), log: quiet });
    pass(minute);
    expect(pause.message()).toBeDefined();
  });
});

describe('when the pause cannot be kept on disk', () => {
  it('holds all the same, and says so in the log', () => {
    const events: string[] = [];
    const full: Preferences = {
      get: () => undefined,
      set: () => {
        throw new Error('ENOSPC');
      },
    };
    const pause = createPause({ clock, preferences: full, log: { ...quiet, error: (event) => events.push(event) } });
    pause.start(null);
    expect(pause.message()).toBeDefined();
    pause.resume();
    expect(pause.message()).toBeUndefined();
    expect(events).toEqual(['pause-not-kept', 'pause-not-kept']);
  });
});
