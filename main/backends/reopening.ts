import type { Clock } from '../ports.ts';
import type { BackendSession, ClientSide } from './backends.ts';

/** Times in a row; with the longest wait about half an hour. */
const TRIES = 40;
const WAIT_MS = { first: 500, most: 60_000 };
/** A session that was up this long is no longer one that is lost again and again. */
const HEALTHY_MS = 300_000;
/** A little more than the backoff names, which refuses up to its last millisecond. */
const MARGIN_MS = 20;

export interface ReopeningOptions {
  readonly clock: Clock;
  /** Milliseconds until a start may be tried. */
  readonly waitMs: () => number;
  readonly open: (key: string, client: ClientSide) => Promise<BackendSession>;
}

interface Lost {
  readonly tries: number;
  readonly at: number;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * Sessions that were lost while updates were awaited: nobody calls them, so nobody else would open them again, and what was
 * watched would be silent for ever. The client watches anew when it hears of the session (`onOpen`). The first time at once, then ever
 * later: a server may lose its sessions as fast as they are opened.
 */
export class Reopening {
  readonly #options: ReopeningOptions;
  readonly #lost = new Map<string, Lost>();

  constructor(options: ReopeningOptions) {
    this.#options = options;
  }

  schedule(key: string, client: ClientSide): void {
    const { clock, waitMs, open } = this.#options;
    const before = this.#lost.get(key);
    clearTimeout(before?.timer);
    const now = clock.now();
    const tries = before && now - before.at < HEALTHY_MS ? before.tries + 1 : 0;
    if (tries >= TRIES) {
      this.#lost.set(key, { tries, at: now, timer: undefined });
      return;
    }
    const later = tries === 0 ? 0 : Math.min(WAIT_MS.first * 2 ** tries, WAIT_MS.most);
    const wait = Math.max(later, waitMs() + MARGIN_MS);
    const timer = setTimeout(() => {
      if (this.#lost.get(key)?.timer !== timer) return;
      open(key, client).catch(() => {
        // Said and counted where every failed start is.
        if (this.#lost.get(key)?.timer === timer) this.schedule(key, client);
      });
    }, wait);
    timer.unref();
    this.#lost.set(key, { tries, at: now + wait, timer });
  }

  /** It is up, by whoever's doing. */
  opened(key: string): void {
    const lost = this.#lost.get(key);
    if (!lost) return;
    clearTimeout(lost.timer);
    this.#lost.set(key, { ...lost, timer: undefined });
  }

  /** Nobody wants it any more. */
  forget(key: string): void {
    clearTimeout(this.#lost.get(key)?.timer);
    this.#lost.delete(key);
  }

  forgetAll(): void {
    for (const key of [...this.#lost.keys()]) this.forget(key);
  }
}
