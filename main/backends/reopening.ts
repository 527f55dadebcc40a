import type { BackendSession, ClientSide } from './backends.ts';

/** With the longest backoff about a quarter of an hour. */
const TRIES = 40;

export interface ReopeningOptions {
  /** Milliseconds until a start may be tried. */
  readonly waitMs: () => number;
  readonly open: (key: string, client: ClientSide) => Promise<BackendSession>;
}

interface Scheduled {
  readonly timer: NodeJS.Timeout;
}

/**
 * Sessions that were lost while updates were awaited: nobody calls them, so nobody else would open them again, and what was
 * watched would be silent for ever. The client watches anew when it hears of the session (`onOpen`).
 */
export class Reopening {
  readonly #options: ReopeningOptions;
  readonly #scheduled = new Map<string, Scheduled>();

  constructor(options: ReopeningOptions) {
    this.#options = options;
  }

  schedule(key: string, client: ClientSide, tries = 0): void {
    this.callOff(key);
    if (tries >= TRIES) return;
    // A little after the time the backoff names, which it refuses up to the last millisecond.
    const timer = setTimeout(() => {
      if (this.#scheduled.get(key) !== own) return;
      this.#options.open(key, client).catch(() => {
        // Said and counted where every failed start is.
        if (this.#scheduled.get(key) === own) this.schedule(key, client, tries + 1);
      });
    }, this.#options.waitMs() + 20);
    timer.unref();
    const own: Scheduled = { timer };
    this.#scheduled.set(key, own);
  }

  /** It is open, or nobody wants it any more. */
  callOff(key: string): void {
    clearTimeout(this.#scheduled.get(key)?.timer);
    this.#scheduled.delete(key);
  }

  callOffAll(): void {
    for (const key of [...this.#scheduled.keys()]) this.callOff(key);
  }
}
