import { Lines } from './lines.ts';

/** Server-sent events (HTML Living Standard §9.2.6), data only: every MCP message is of type "message". */
export class Events {
  readonly #lines: Lines;
  #data: string[] = [];
  #size = 0;
  readonly #maxBytes: number;
  #pendingId: string | undefined;
  /** Of the last complete event that had one: where a stream is taken up again (Streamable HTTP, "Resumability and Redelivery"). */
  lastId: string | undefined;
  /** Milliseconds the server asks to wait before that. */
  retryMs: number | undefined;
  /** An event was larger than is taken: nothing more of this stream is. */
  tooLarge = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#lines = new Lines(maxBytes, () => {
      this.tooLarge = true;
    });
  }

  push(chunk: Buffer): readonly string[] {
    const found: string[] = [];
    for (const line of this.#lines.push(chunk)) {
      if (line !== '') this.#take(line);
      else {
        if (this.#pendingId !== undefined) this.lastId = this.#pendingId;
        const data = this.#data.join('\n');
        // An event may carry an id alone.
        if (data !== '') found.push(data);
        this.#data = [];
        this.#size = 0;
      }
    }
    return found;
  }

  #take(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (field === 'data') {
      this.#size += value.length;
      if (this.#size > this.#maxBytes) this.tooLarge = true;
      else this.#data.push(value);
    } else if (field === 'id' && !value.includes('\0')) this.#pendingId = value;
    else if (field === 'retry' && /^\d{1,6}$/.test(value)) this.retryMs = Number(value);
  }
}
