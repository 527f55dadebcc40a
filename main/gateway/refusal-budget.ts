import type { AuditWriter } from '../audit/record.ts';
import type { Clock, Log } from '../ports.ts';

const windowMs = 60_000;

interface Window {
  readonly since: number;
  readonly app: string;
  readonly code: string;
  recorded: number;
  more: number;
}

/** How many refusals of one kind and one app get a row of their own a minute; the others are one row with a count. */
export class RefusalBudget {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #audit: AuditWriter;
  readonly #windows = new Map<string, Window>();

  constructor(parts: { readonly clock: Clock; readonly log: Log; readonly audit: AuditWriter }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#audit = parts.audit;
  }

  /** Whether this refusal gets a row of its own; one that does not is counted. */
  take(app: { readonly id: string; readonly name: string }, code: string, perWindow: number): boolean {
    const now = this.#clock.now();
    const key = `${app.id}\0${code}`;
    let window = this.#windows.get(key);
    if (window === undefined || isOver(window, now)) {
      this.#flush(key);
      window = { since: now, app: app.name, code, recorded: 0, more: 0 };
      this.#windows.set(key, window);
    }
    if (window.recorded >= perWindow) {
      window.more++;
      return false;
    }
    window.recorded++;
    return true;
  }

  /** Called now and then, and at the end: writes the counts of windows that are over. */
  flush(all = false): void {
    const now = this.#clock.now();
    for (const [key, window] of [...this.#windows]) if (all || isOver(window, now)) this.#flush(key);
  }

  #flush(key: string): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    if (window === undefined || window.more === 0) return;
    const { app, code, more } = window;
    const message = `${app}: ${more} more calls refused within a minute, for the same reason as those before.`;
    try {
      this.#audit.append({ kind: 'app.rejected', code, message });
    } catch (error) {
      // The calls stay refused: nothing depends on this row.
      this.#log.error('refusal-count-not-recorded', { code, more, error: String(error) });
    }
  }
}

/** A clock set back ends a window too: nothing is to wait for a time long past. */
function isOver({ since }: Window, now: number): boolean {
  return now < since || now - since >= windowMs;
}
