import { MessageRefused } from './message.ts';

const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a byte stream into lines (LF or CRLF) without copying a long line again for each chunk: chunks are joined once, when
 * the line is complete. Throws MessageRefused when one line grows beyond `maxBytes`.
 */
export class LineCutter {
  readonly #maxBytes: () => number;
  #parts: Buffer[] = [];
  #size = 0;

  /** A function where the bound depends on what is awaited just then. */
  constructor(maxBytes: number | (() => number)) {
    this.#maxBytes = typeof maxBytes === 'number' ? () => maxBytes : maxBytes;
  }

  push(chunk: Buffer, onLine: (line: Buffer) => void): void {
    let from = 0;
    for (let end = chunk.indexOf(LF, from); end !== -1; end = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, end));
      from = end + 1;
      onLine(this.#take());
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
  }

  /** What stands after the last line end, and forgets it. */
  rest(): Buffer {
    return this.#take();
  }

  #hold(part: Buffer): void {
    this.#size += part.length;
    const maxBytes = this.#maxBytes();
    if (this.#size > maxBytes) {
      this.#parts = [];
      this.#size = 0;
      throw MessageRefused.tooLarge(maxBytes);
    }
    this.#parts.push(part);
  }

  #take(): Buffer {
    const line = this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return line.at(-1) === CR ? line.subarray(0, -1) : line;
  }
}
