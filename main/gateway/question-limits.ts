import type { AuditEvent, AuditWriter } from '../audit/record.ts';
import { sha256Hex } from '../policy/canonical.ts';
import type { Clock, Log } from '../ports.ts';
import { RowBudget } from './row-budget.ts';

type InputRow = Extract<AuditEvent, { readonly kind: 'call.input' }>;
type MoreRows = InputRow & { readonly more: number };

/** Questions of a server that may be put in one call; and a minute, where they belong to none. */
const questionsPerCall = 100;
/** Calls whose questions are counted, the newest. */
const callLimit = 10_000;
/** Questions that came to nothing, of one server, that get a row of their own a minute. */
const failedPerMinute = 20;

/** Nothing a server asks may fill the record, or keep an app busy for ever. */
export class QuestionLimits {
  readonly #asked = new Map<string, number>();
  readonly #failed: RowBudget<MoreRows>;
  readonly #outsideCalls: RowBudget<true>;

  constructor({ clock, log, audit }: { readonly clock: Clock; readonly log: Log; readonly audit: AuditWriter }) {
    // What is too much gets its row as a question that failed.
    this.#outsideCalls = new RowBudget(clock, () => {});
    this.#failed = new RowBudget(clock, (row) => {
      try {
        audit.append(row);
      } catch (error) {
        // Nothing was handed out: nothing depends on this row.
        log.error('question-count-not-recorded', { alias: row.alias, more: row.more, error: String(error) });
      }
    });
  }

  /** Whether one more question may be put to the app. */
  mayPut(alias: string, callId: string | undefined): boolean {
    if (callId === undefined) return this.#outsideCalls.take(alias, questionsPerCall, () => true);
    const asked = this.#asked.get(callId) ?? 0;
    if (asked >= questionsPerCall) return false;
    this.#asked.set(callId, asked + 1);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > callLimit && oldest !== undefined) this.#asked.delete(oldest);
    return true;
  }

  /** Whether a question that came to nothing gets this row; one that does not is counted. */
  hasRow(alias: string, row: InputRow): boolean {
    return this.#failed.take(`${alias}\0${row.answer}`, failedPerMinute, (before) => ({
      kind: 'call.input',
      alias,
      method: row.method,
      answer: row.answer,
      digest: before === undefined ? row.digest : sha256Hex(`${before.digest}${row.digest}`),
      more: (before?.more ?? 0) + 1,
    }));
  }

  flush(all = false): void {
    this.#failed.flush(all);
    this.#outsideCalls.flush(all);
  }
}
