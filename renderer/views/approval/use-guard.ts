import { useLayoutEffect, useRef, useState } from 'react';

/** A question that has just appeared takes no answer for this long: the reader was typing or clicking elsewhere. */
export const guardMs = 700;

export interface Guard {
  /** False while presses are ignored; for the look of the buttons only. */
  readonly armed: boolean;
  /** Asked when a button fires: true only for a press that began after the guard ended. */
  readonly mayAnswer: () => boolean;
}

/**
 * Guards what it is mounted with from presses meant for something else. Starts again when a hidden window becomes
 * visible and, for keys, when the window is given the focus. A press held since before the guard ended never counts,
 * nor do its repeats. `onArm` runs as the guard ends: an ignored press may have moved the focus off Deny.
 */
export function useGuard(onArm: () => void): Guard {
  const [armed, setArmed] = useState(false);
  const may = useRef<() => boolean>(() => false);
  const arm = useRef(onArm);
  arm.current = onArm;

  useLayoutEffect(() => {
    let keysFrom = 0;
    let held = false;
    let open = false;
    let timer: ReturnType<typeof setTimeout>;
    const start = (): void => {
      open = false;
      setArmed(false);
      clearTimeout(timer);
      timer = setTimeout(() => {
        arm.current();
        open = true;
        setArmed(true);
      }, guardMs);
    };
    start();
    may.current = () => open && !held;

    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.repeat) return;
      held = !open || performance.now() < keysFrom;
    };
    const onPointerDown = (): void => {
      held = !open;
    };
    const onVisible = (): void => {
      if (document.visibilityState === 'visible') start();
    };
    const onFocus = (): void => {
      keysFrom = performance.now() + guardMs;
    };
    // Enter repeats fire a click each: one held down since before must not answer when the guard ends.
    const onRepeat = (event: KeyboardEvent): void => {
      if (event.repeat && (event.key === 'Enter' || event.key === ' ')) event.preventDefault();
    };
    addEventListener('keydown', onKeyDown, true);
    addEventListener('keydown', onRepeat, true);
    addEventListener('pointerdown', onPointerDown, true);
    addEventListener('focus', onFocus);
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      clearTimeout(timer);
      removeEventListener('keydown', onKeyDown, true);
      removeEventListener('keydown', onRepeat, true);
      removeEventListener('pointerdown', onPointerDown, true);
      removeEventListener('focus', onFocus);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, []);

  const mayAnswer = useRef(() => may.current()).current;
  return { armed, mayAnswer };
}
