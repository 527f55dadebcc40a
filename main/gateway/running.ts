import { FewMap, FewSet } from '../policy/few.ts';
import type { StopReason } from './stop.ts';

/** A request under way, from the side of what watches over all of them. */
export interface RunningRequest {
  readonly appId: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  stop(reason: StopReason): void;
  /** A sign of life to whoever waits for the answer. */
  pulse(): void;
  /** Turns the answer into a stream that can be resumed, where this caller knows how. */
  prime(): void;
}

/** Silence that callers' HTTP libraries certainly bear. */
const quietMs = 10_000;
/** An answer that takes longer than this is worth resuming. */
const primeMs = 400;

/** Every request under way, so that closing can wait for them and an app that lost its key is stopped. */
export class RunningRequests {
  readonly #requests = new FewSet<RunningRequest>();
  readonly #perApp = new FewMap<string, number>();
  readonly #waiting = new Set<() => void>();
  /** Requests not yet looked at for priming, oldest first. */
  readonly #unprimed = new FewSet<RunningRequest>();
  #priming: NodeJS.Timeout | undefined;

  start(request: RunningRequest): void {
    this.#requests.add(request);
    this.#perApp.set(request.appId, this.countOf(request.appId) + 1);
    this.#unprimed.add(request);
    // One timer for all of them: one each would cost more than most requests do.
    this.#priming ??= setTimeout(this.#prime, primeMs).unref();
  }

  finish(request: RunningRequest): void {
    if (!this.#requests.delete(request)) return;
    this.#unprimed.delete(request);
    const left = this.countOf(request.appId) - 1;
    if (left > 0) this.#perApp.set(request.appId, left);
    else this.#perApp.delete(request.appId);
    if (this.#requests.size === 0) for (const wake of [...this.#waiting]) wake();
  }

  /** Requests of one app under way. */
  countOf(appId: string): number {
    return this.#perApp.get(appId) ?? 0;
  }

  stopWhere(stops: (appId: string) => boolean, reason: StopReason): void {
    for (const request of this.#requests.values()) if (stops(request.appId)) request.stop(reason);
  }

  pulse(): void {
    const now = Date.now();
    for (const request of this.#requests.values()) if (now - request.since >= quietMs) request.pulse();
  }

  /** Resolves when nothing runs any more, or after `ms`. */
  async drained(ms: number): Promise<void> {
    if (this.#requests.size === 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  readonly #prime = (): void => {
    this.#priming = undefined;
    const now = Date.now();
    for (const request of this.#unprimed.values()) {
      const wait = request.since + primeMs - now;
      if (wait > 0) {
        this.#priming = setTimeout(this.#prime, wait).unref();
        return;
      }
      this.#unprimed.delete(request);
      request.prime();
    }
  };
}
