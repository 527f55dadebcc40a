import { FewSet } from '../policy/few.ts';
import { answerBytes, MESSAGE_BYTES, OTHER_BYTES } from './message.ts';

const MOST = 1_000;

/**
 * Requests whose answer may be large and has not come, those that were given up too: it may be on its way. An ordinary message is much smaller, and
 * which of them a line is, shows only at its end.
 */
export class OwedAnswers {
  readonly #ids = new FewSet<number>();

  sent(id: number, method: string): void {
    if (answerBytes(method) <= OTHER_BYTES) return;
    this.#ids.add(id);
    const oldest = this.#ids.first();
    if (this.#ids.size > MOST && oldest !== undefined) this.#ids.delete(oldest);
  }

  came(id: number): void {
    this.#ids.delete(id);
  }

  /** Largest message that may come now. */
  get mostBytes(): number {
    return this.#ids.size > 0 ? MESSAGE_BYTES : OTHER_BYTES;
  }
}
