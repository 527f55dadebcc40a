import type { AuditEvent } from './record.ts';

/**
 * Calls that began and have not ended. A call.end row belongs to the oldest open begin row with its call id, or to none
 * (`begin_seq` null) when there is no such begin or it already ended.
 */
export class OpenCalls {
  readonly #seqs = new Map<string, number>();

  constructor(open: Iterable<{ readonly seq: number; readonly callId: string }>) {
    for (const { seq, callId } of open) if (!this.#seqs.has(callId)) this.#seqs.set(callId, seq);
  }

  /** Begin rows of open calls, oldest first. */
  seqs(): readonly number[] {
    return [...this.#seqs.values()];
  }

  /** The begin row an event about to be written belongs to. */
  beginSeqFor(event: AuditEvent): number | null {
    return event.kind === 'call.end' ? (this.#seqs.get(event.callId) ?? null) : null;
  }

  /** Notes an event once its row is committed. */
  note(event: AuditEvent, seq: number): void {
    if (event.kind === 'call.begin' && !this.#seqs.has(event.callId)) this.#seqs.set(event.callId, seq);
    if (event.kind === 'call.end') this.#seqs.delete(event.callId);
  }
}
