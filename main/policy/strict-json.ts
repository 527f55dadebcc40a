import type { Json, Problem } from './json.ts';
import { isWellFormed, quote } from './problems.ts';

/** Signed documents nest a few levels; a pinned schema rarely more than twenty. */
const maxDepth = 200;

type Parsed =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly problems: readonly Problem[] };

class SyntaxProblem extends Error {
  readonly at: number;
  readonly expected: string;
  readonly found: string;
  readonly advice: string | undefined;
  constructor(at: number, expected: string, found: string, advice?: string) {
    super(expected);
    this.at = at;
    this.expected = expected;
    this.found = found;
    this.advice = advice;
  }
}

/**
 * Parses RFC 8259 text as I-JSON (RFC 7493): a name given twice is an error and not "the last one wins", because two
 * readers of one signed file must never see two documents. Problems say file:line:column.
 */
export function parseStrictJson(text: string, file: string): Parsed {
  const repeated: SyntaxProblem[] = [];
  try {
    new Scanner(text, repeated).document();
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    return { ok: false, problems: [...repeated, error].map((p) => locate(p, text, file)) };
  }
  if (repeated.length > 0) return { ok: false, problems: repeated.map((p) => locate(p, text, file)) };
  // The scanner accepted every character, so the platform's own parser does too; it keeps "__proto__" as a plain name.
  return { ok: true, value: JSON.parse(text) };
}

/** 1-based line and column of an offset in UTF-16 units. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}

function locate(problem: SyntaxProblem, text: string, file: string): Problem {
  const { line, column } = lineAndColumn(text, problem.at);
  const { expected, found, advice } = problem;
  return { path: `${file}:${line}:${column}`, expected, found, ...(advice === undefined ? {} : { advice }) };
}

/** Checks the grammar and collects repeated names. Builds nothing. */
class Scanner {
  private at = 0;
  private readonly text: string;
  private readonly repeated: SyntaxProblem[];

  constructor(text: string, repeated: SyntaxProblem[]) {
    this.text = text;
    this.repeated = repeated;
  }

  document(): void {
    if (this.text.startsWith('\uFEFF')) {
      throw new SyntaxProblem(0, 'JSON text', 'a byte order mark', 'Save the file as UTF-8 without a byte order mark.');
    }
    this.space();
    this.value(0);
    this.space();
    if (this.at < this.text.length) throw this.unexpected('the end of the file');
  }

  private value(depth: number): void {
    if (depth > maxDepth) throw new SyntaxProblem(this.at, `at most ${maxDepth} levels`, 'a deeper one');
    const c = this.text[this.at];
    if (c === '{') this.object(depth);
    else if (c === '[') this.list(depth);
    else if (c === '"') this.string();
    else if (!this.take(/true|false|null/y)) this.number();
  }

  private object(depth: number): void {
    const seen = new Map<string, number>();
    this.at++;
    this.space();
    if (this.eat('}')) return;
    do {
      this.space();
      const at = this.at;
      if (this.text[at] !== '"') throw this.unexpected('a name in double quotes');
      const name = this.string();
      const first = seen.get(name);
      if (first !== undefined) {
        const { line } = lineAndColumn(this.text, first);
        this.repeated.push(
          new SyntaxProblem(
            at,
            'each name once',
            `${quote(name)} again (first on line ${line})`,
            'Keep one of the two and remove the other.',
          ),
        );
      } else {
        seen.set(name, at);
      }
      this.space();
      if (!this.eat(':')) throw this.unexpected('":"');
      this.space();
      this.value(depth + 1);
      this.space();
    } while (this.eat(','));
    if (!this.eat('}')) throw this.unexpected('"," or "}"');
  }

  private list(depth: number): void {
    this.at++;
    this.space();
    if (this.eat(']')) return;
    do {
      this.space();
      this.value(depth + 1);
      this.space();
    } while (this.eat(','));
    if (!this.eat(']')) throw this.unexpected('"," or "]"');
  }

  private string(): string {
    const start = this.at;
    this.at++;
    // From one notable character to the next: one pattern over the whole text would exhaust the matcher's stack.
    for (;;) {
      const rest = /["\\\p{Cc}]/gu;
      rest.lastIndex = this.at;
      const stop = rest.exec(this.text);
      if (stop === null) throw new SyntaxProblem(start, 'a closing quote', 'the end of the file');
      this.at = stop.index;
      if (stop[0] === '"') break;
      if (stop[0] === '\\') {
        if (this.take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y) === undefined) {
          throw new SyntaxProblem(this.at, 'an escape JSON knows', this.here(), 'Write a backslash as "\\\\".');
        }
      } else if (stop[0] < ' ') {
        throw new SyntaxProblem(this.at, 'text on one line', this.here(), 'Write a line break as "\\n".');
      } else {
        this.at++;
      }
    }
    this.at++;
    const token = this.text.slice(start, this.at);
    const value: string = JSON.parse(token);
    if (!isWellFormed(value)) throw new SyntaxProblem(start, 'well-formed Unicode', 'a lone surrogate');
    return value;
  }

  private number(): void {
    const start = this.at;
    const token = this.take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y);
    if (token === undefined) throw this.unexpected('a value');
    if (!Number.isFinite(Number(token))) throw new SyntaxProblem(start, 'a number a computer can hold', token);
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const token = pattern.exec(this.text)?.[0];
    if (token !== undefined) this.at += token.length;
    return token;
  }

  private eat(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    this.take(/[ \t\n\r]*/y);
  }

  private here(): string {
    if (this.at >= this.text.length) return 'the end of the file';
    return quote([...this.text.slice(this.at, this.at + 24)].slice(0, 12).join(''));
  }

  private unexpected(expected: string): SyntaxProblem {
    const found = this.here();
    const advice =
      found.startsWith('"}') || found.startsWith('"]')
        ? 'Remove the comma before it.'
        : found.startsWith('"//') || found.startsWith('"/*')
          ? 'JSON has no comments; remove it.'
          : undefined;
    return new SyntaxProblem(this.at, expected, found, advice);
  }
}
