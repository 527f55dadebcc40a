import type { AuditWriter } from '../audit/record.ts';
import type { Clock, Log } from '../ports.ts';

const windowMs = 60_000;

interface Window {
  readonly since: number;
  more: number;
  readonly message: string;
}

/** Records requests that were not let in: the first of each kind at once, the rest of a minute as one row with a count. */
export class Rejections {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #audit: AuditWriter;
  readonly #windows = new Map<string, Window>();

  constructor(parts: { readonly clock: Clock; readonly log: Log; readonly audit: AuditWriter }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#audit = parts.audit;
  }

  record(code: string, message: string): void {
    const now = this.#clock.now();
    const window = this.#windows.get(code);
    if (window !== undefined && now - window.since < windowMs) {
      window.more++;
      return;
    }
    this.#flush(code);
    this.#windows.set(code, { since: now, more: 0, message });
    this.#append(code, message);
  }

  /** Called now and then, and at the end: writes the counts of windows that are over. */
  flush(all = false): void {
    const now = this.#clock.now();
    for (const [code, window] of [...this.#windows]) {
      if (all || now - window.since >= windowMs) this.#flush(code);
    }
  }

  #flush(code: string): void {
    const window = this.#windows.get(code);
    this.#windows.delete(code);
    if (window !== undefined && window.more > 0) {
      this.#append(code, `${window.message} (${window.more} more within a minute)`);
    }
  }

  #append(code: string, message: string): void {
    try {
      this.#audit.append({ kind: 'app.rejected', code, message });
    } catch (error) {
      // The request stays rejected: nothing depends on this row.
      this.#log.error('rejection-not-recorded', { code, error: String(error) });
    }
  }
}
