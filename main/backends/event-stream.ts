import { LineCutter } from './lines.ts';
import { MESSAGE_BYTES, MessageRefused } from './message.ts';

export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/**
 * Server-sent events (HTML Living Standard §9.2.6) with a bound on one event, which the parsers at hand lack. A lone CR as line end,
 * which no MCP server writes, is not recognised. Throws MessageRefused when an event grows beyond the bound.
 */
export class EventStreamParser {
  readonly #cutter: LineCutter;
  readonly #maxBytes: () => number;
  readonly #onEvent: (event: StreamEvent) => void;
  #type = '';
  #data: string[] = [];
  #size = 0;
  #first = true;
  #idPending: string | undefined;
  /** Of the last complete event that had an id; sent as Last-Event-ID when the stream is resumed. */
  lastEventId: string | undefined;
  /** Milliseconds the server asks us to wait before a resume. */
  retryMs: number | undefined;

  /** A function where the bound depends on what is awaited just then. */
  constructor(onEvent: (event: StreamEvent) => void, maxBytes: number | (() => number) = MESSAGE_BYTES) {
    this.#cutter = new LineCutter(maxBytes);
    this.#maxBytes = typeof maxBytes === 'number' ? () => maxBytes : maxBytes;
    this.#onEvent = onEvent;
  }

  push(chunk: Buffer): void {
    this.#cutter.push(chunk, (line) => {
      // A byte order mark may stand before the very first line.
      const text = this.#first ? line.toString('utf8').replace(/^\uFEFF/, '') : line.toString('utf8');
      this.#first = false;
      this.#line(text);
    });
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (field === 'data') {
      this.#size += value.length;
      const maxBytes = this.#maxBytes();
      if (this.#size > maxBytes) throw MessageRefused.tooLarge(maxBytes);
      this.#data.push(value);
    } else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#idPending = value;
    else if (field === 'retry' && /^\d{1,6}$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    const event = { type: this.#type === '' ? 'message' : this.#type, data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#type = '';
    this.#data = [];
    this.#size = 0;
    if (this.#idPending !== undefined) this.lastEventId = this.#idPending;
    if (hasData && event.data !== '') this.#onEvent(event);
  }
}
