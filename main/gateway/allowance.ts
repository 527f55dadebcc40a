/** Small messages one app may send at once, and how many more each second. Far above what a conversation needs. */
const burst = 2_000;
const perSecond = 100;

interface Bucket {
  left: number;
  at: number;
}

/** A token bucket per app, for messages that are over as soon as they are read: no other limit meets them. */
export class Allowances {
  readonly #buckets = new Map<string, Bucket>();

  /** False when this app has sent more than it may. `now` in milliseconds. */
  take(appId: string, now = performance.now()): boolean {
    const bucket = this.#buckets.get(appId);
    if (bucket === undefined) {
      this.#buckets.set(appId, { left: burst - 1, at: now });
      return true;
    }
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  forget(appId: string): void {
    this.#buckets.delete(appId);
  }
}
