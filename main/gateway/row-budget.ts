import type { Clock } from '../ports.ts';

const windowMs = 60_000;

interface Window<Counted> {
  readonly since: number;
  recorded: number;
  counted: Counted | undefined;
}

/** How many things of one kind get a row of their own a minute; the others are counted, and the count is one row. */
export class RowBudget<Counted> {
  readonly #clock: Clock;
  readonly #write: (counted: Counted) => void;
  readonly #windows = new Map<string, Window<Counted>>();

  /** `write` takes what was counted within one minute. */
  constructor(clock: Clock, write: (counted: Counted) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Whether this one gets a row of its own; one that does not is added to what was counted. */
  take(key: string, perWindow: number, add: (counted: Counted | undefined) => Counted): boolean {
    const now = this.#clock.now();
    let window = this.#windows.get(key);
    if (window === undefined || isOver(window, now)) {
      this.#flush(key);
      window = { since: now, recorded: 0, counted: undefined };
      this.#windows.set(key, window);
    }
    if (window.recorded >= perWindow) {
      window.counted = add(window.counted);
      return false;
    }
    window.recorded++;
    return true;
  }

  /** Called now and then, and at the end: writes the counts of windows that are over. */
  flush(all = false): void {
    const now = this.#clock.now();
    for (const [key, window] of [...this.#windows]) if (all || isOver(window, now)) this.#flush(key);
  }

  #flush(key: string): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    if (window?.counted !== undefined) this.#write(window.counted);
  }
}

/** A clock set back ends a window too: nothing is to wait for a time long past. */
function isOver({ since }: { readonly since: number }, now: number): boolean {
  return now < since || now - since >= windowMs;
}
