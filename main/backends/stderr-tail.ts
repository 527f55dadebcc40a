const LINES = 200;
const LINE_LENGTH = 2_000;

/** The last 200 lines a backend wrote to stderr, safe to show: no control or invisible formatting characters, 2,000 characters each. */
export class StderrTail {
  #lines: string[] = [];
  #open = '';
  /** The line being read is already longer than what is kept of it. */
  #skipping = false;

  push(text: string): void {
    const pieces = text.split('\n');
    pieces.forEach((piece, index) => {
      if (index > 0) this.#finish();
      if (this.#skipping) return;
      this.#open += piece.slice(0, LINE_LENGTH * 2);
      this.#skipping = this.#open.length > LINE_LENGTH * 2;
    });
  }

  lines(): readonly string[] {
    const open = clean(this.#open);
    return open === '' ? [...this.#lines] : [...this.#lines, open].slice(-LINES);
  }

  last(): string | undefined {
    return this.lines().at(-1);
  }

  /** Ends an unfinished line: the process that wrote it is gone. */
  end(): void {
    this.#finish();
  }

  #finish(): void {
    const line = clean(this.#open);
    this.#open = '';
    this.#skipping = false;
    if (line === '') return;
    this.#lines.push(line);
    if (this.#lines.length > LINES) this.#lines.shift();
  }
}

/** Colour sequences go as a whole; any other control, direction or zero-width character on its own. */
function clean(text: string): string {
  return text
    .replace(/\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/\t/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '')
    .trimEnd()
    .slice(0, LINE_LENGTH);
}
