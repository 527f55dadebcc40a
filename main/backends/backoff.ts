const FIRST_MS = 500;
const MOST_MS = 30_000;
const HEALTHY_MS = 60_000;

/** When a backend that failed may be started again: 0.5 s doubling to 30 s, with jitter; forgotten after 60 s of health. Times are the caller's. */
export class Backoff {
  #failures = 0;
  #startedAt: number | undefined;
  #retryAt = 0;

  /** `chance` is in [0, 1). */
  failed(now: number, chance: number): void {
    if (this.#startedAt !== undefined && now - this.#startedAt >= HEALTHY_MS) this.#failures = 0;
    this.#startedAt = undefined;
    this.#failures += 1;
    const most = Math.min(FIRST_MS * 2 ** (this.#failures - 1), MOST_MS);
    this.#retryAt = now + Math.round(most * (0.75 + chance / 4));
  }

  started(now: number): void {
    this.#startedAt ??= now;
  }

  /** The next time a start may be tried, while that is in the future. */
  retryAt(now: number): number | undefined {
    return this.#retryAt > now ? this.#retryAt : undefined;
  }

  get hasFailed(): boolean {
    return this.#failures > 0;
  }
}
