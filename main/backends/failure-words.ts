import { BackendFailure } from './failure.ts';
import { WireFailure } from './wire.ts';

/** Says in a person's words how one server failed. */
export class FailureWords {
  readonly #alias: string;
  readonly #lastWords: () => string | undefined;

  /** `lastWords`: what the server wrote last, if anything. */
  constructor(alias: string, lastWords: () => string | undefined) {
    this.#alias = alias;
    this.#lastWords = lastWords;
  }

  cancelled(): BackendFailure {
    return new BackendFailure('cancelled', this.#alias, `The request to the server "${this.#alias}" was cancelled.`);
  }

  late(timeoutMs: number): BackendFailure {
    const seconds = Math.round(timeoutMs / 100) / 10;
    const text = `The server "${this.#alias}" did not answer within ${seconds} seconds.`;
    return new BackendFailure('timeout', this.#alias, text);
  }

  /** `what` is a sentence's end: "it …". */
  failed(code: 'unavailable' | 'protocol', what: string, cause?: unknown): BackendFailure {
    const words = this.#lastWords();
    const last = words === undefined ? '' : ` Its last message: "${words}".`;
    return new BackendFailure(code, this.#alias, `The server "${this.#alias}" failed: ${what}.${last}`, { cause });
  }

  explain(error: unknown): BackendFailure {
    if (error instanceof WireFailure) return this.failed(error.code, error.message, error);
    return this.failed('unavailable', error instanceof Error ? error.message : String(error), error);
  }
}
