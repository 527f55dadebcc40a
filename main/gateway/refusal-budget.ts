import type { AuditWriter } from '../audit/record.ts';
import type { Clock, Log } from '../ports.ts';
import { RowBudget } from './row-budget.ts';

interface Refused {
  readonly app: string;
  readonly code: string;
  readonly more: number;
}

/** How many refusals of one kind and one app get a row of their own a minute; the others are one row with a count. */
export class RefusalBudget {
  readonly #rows: RowBudget<Refused>;

  constructor({ clock, log, audit }: { readonly clock: Clock; readonly log: Log; readonly audit: AuditWriter }) {
    this.#rows = new RowBudget(clock, ({ app, code, more }) => {
      const message = `${app}: ${more} more calls refused within a minute, for the same reason as those before.`;
      try {
        audit.append({ kind: 'app.rejected', code, message });
      } catch (error) {
        // The calls stay refused: nothing depends on this row.
        log.error('refusal-count-not-recorded', { code, more, error: String(error) });
      }
    });
  }

  /** Whether this refusal gets a row of its own; one that does not is counted. */
  take(app: { readonly id: string; readonly name: string }, code: string, perWindow: number): boolean {
    const add = (before: Refused | undefined) => ({ app: app.name, code, more: (before?.more ?? 0) + 1 });
    return this.#rows.take(`${app.id}\0${code}`, perWindow, add);
  }

  /** Called now and then, and at the end: writes the counts of windows that are over. */
  flush(all = false): void {
    this.#rows.flush(all);
  }
}
