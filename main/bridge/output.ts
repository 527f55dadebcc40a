import type { Writable } from 'node:stream';

/** Beyond this many unread bytes the app is waited for: nothing more is taken from Gatehouse meanwhile. */
const backlogLimit = 4 << 20;

/** The app's end of the line: one JSON-RPC message a line on stdout, and nothing else ever (MCP transports, stdio). */
export class Output {
  readonly #stream: Writable;
  readonly #waiting = new Set<() => void>();
  #gone = false;

  constructor(stream: Writable, onGone: () => void) {
    this.#stream = stream;
    const end = () => {
      if (this.#gone) return;
      this.#gone = true;
      this.#wake();
      onGone();
    };
    stream.on('error', end);
    stream.on('close', end);
    stream.on('drain', () => this.#wake());
  }

  /** Resolves when more may be written. `text` is JSON: a line break in it stands between its parts, never within text. */
  async write(text: string): Promise<void> {
    if (this.#gone) return;
    this.#stream.write(`${text.replaceAll(/[\r\n]+/g, ' ')}\n`);
    while (!this.#gone && this.#stream.writableLength > backlogLimit) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resolves once everything written has left this process, at most after `ms`. */
  flush(ms: number): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stream.write('', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
