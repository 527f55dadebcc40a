const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts bytes into lines (LF or CRLF). A line beyond the bound is not kept: it is told of once, and skipped to its end. This room shares no
 * code with the rooms behind the endpoint: what it loads, every AI app's own copy of it loads.
 */
export class Lines {
  readonly #maxBytes: number;
  readonly #onTooLong: () => void;
  #parts: Buffer[] = [];
  #size = 0;
  #skipping = false;

  constructor(maxBytes: number, onTooLong: () => void) {
    this.#maxBytes = maxBytes;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, end));
      from = end + 1;
      if (this.#skipping) this.#skipping = false;
      else lines.push(this.#take());
    }
    this.#hold(chunk.subarray(from));
    return lines;
  }

  #hold(part: Buffer): void {
    if (part.length === 0 || this.#skipping) return;
    this.#size += part.length;
    this.#parts.push(part);
    if (this.#size <= this.#maxBytes) return;
    this.#parts = [];
    this.#size = 0;
    this.#skipping = true;
    this.#onTooLong();
  }

  #take(): string {
    const [first] = this.#parts;
    const line = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return (line.at(-1) === CR ? line.subarray(0, -1) : line).toString('utf8');
  }
}
