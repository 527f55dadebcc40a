import type { Answer } from './sse.ts';
import type { StopReason } from './stop.ts';

/** A call under way: how to stop it, and whom to send a sign of life. */
export interface RunningCall {
  readonly appId: string;
  readonly stop: AbortController;
  readonly answer: Answer | undefined;
  readonly since: number;
}

/** Silence that callers' HTTP libraries certainly bear. */
const quietMs = 10_000;

/** Every call under way, so that closing can wait for them and an app that lost its key is stopped. */
export class RunningCalls {
  readonly #calls = new Set<RunningCall>();
  readonly #waiting = new Set<() => void>();

  start(appId: string, answer: Answer | undefined): RunningCall {
    const call: RunningCall = { appId, stop: new AbortController(), answer, since: Date.now() };
    this.#calls.add(call);
    return call;
  }

  finish(call: RunningCall): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    for (const wake of [...this.#waiting]) wake();
  }

  stopWhere(stops: (appId: string) => boolean, reason: StopReason): void {
    for (const call of [...this.#calls]) if (stops(call.appId)) call.stop.abort(reason);
  }

  pulse(): void {
    const now = Date.now();
    for (const call of this.#calls) if (now - call.since >= quietMs) call.answer?.pulse();
  }

  /** Resolves when nothing runs any more, or after `ms`. */
  async drained(ms: number): Promise<void> {
    if (this.#calls.size === 0) return;
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
}
