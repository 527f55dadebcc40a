import { type Effort, effortOf } from './pattern-effort.ts';

/**
 * Patterns of pinned schemas, matched in time that grows with the text and not with its square or worse. A pattern
 * comes from whoever wrote the server and the text from an AI app; with the platform's backtracking matcher the two
 * together could stop Gatehouse for hours ("^(a+)+$"). Simple patterns still go to the platform.
 */
export interface Pattern {
  test(text: string): boolean;
  /** ajv tells patterns apart by this. */
  toString(): string;
}

const maxInstructions = 5_000;
/** Of all matches of one check together: about a tenth of a second in which nothing else happens. */
const maxSteps = 5_000_000;
const lookaroundText = 256;

/** Thrown by a match for which no steps are left. */
export class TooManySteps extends RangeError {
  constructor() {
    super(`matching took more than ${maxSteps} steps`);
    this.name = 'TooManySteps';
  }
}

let shared: { left: number } | undefined;

/** Runs one check, whose matches share one budget of steps. A match outside of any has a whole budget of its own. */
export function withinSteps<T>(check: () => T): T {
  const outer = shared;
  shared = { left: maxSteps };
  try {
    return check();
  } finally {
    shared = outer;
  }
}

function spend(budget: { left: number }, steps: number): void {
  budget.left -= steps;
  if (!(budget.left >= 0)) throw new TooManySteps();
}

/** The platform's and plain memory's steps are this much quicker than the machine's. */
const quick = 16;

/** Throws a SyntaxError where the pattern is wrong, or cannot be matched within bounds. Flags: "u" or "". */
export function compilePattern(source: string, flags: string): Pattern {
  const native = compileNative(source, flags);
  if (isSimple(source)) return counted(native, (length) => length / quick);
  const program = compileProgram(source, native.unicode);
  if (program === undefined) return bounded(native);
  return { test: (text) => run(program, text, native.unicode), toString: () => native.toString() };
}

function counted(native: RegExp, stepsFor: (length: number) => number): Pattern {
  return {
    test: (text) => {
      spend(shared ?? { left: maxSteps }, stepsFor(text.length));
      return native.test(text);
    },
    toString: () => native.toString(),
  };
}

/** Looking ahead cannot be done in linear time; what of it cannot double with each character gets short texts only. */
function bounded(native: RegExp): Pattern {
  const outside = withoutClasses(native.source);
  if (/\)(?:[*+]|\{\d+,)/.test(outside) || /\\(?:[1-9]|k<)/.test(native.source)) {
    throw new SyntaxError(
      `the pattern ${native.source} may take for ever: it looks ahead or back, and repeats a group`,
    );
  }
  const effort = effortOf(outside);
  return counted(native, (length) => {
    if (length > lookaroundText) throw new RangeError(`the text is longer than ${lookaroundText} characters`);
    const tries = (part: Omit<Effort, 'around'>) => (length + 1) ** part.degree * part.ways;
    return tries(effort) * effort.around.reduce((sum, part) => sum + tries(part), 1);
  });
}

function withoutClasses(source: string): string {
  return source.replace(/\\./gsu, 'x').replace(/\[[^\]]*\]/g, 'x');
}

/** Unicode mode as the specification says (JSON Schema 2020-12, core 6.4); many published schemas compile only without. */
function compileNative(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch {
    // Throws again when the pattern is wrong in both modes; the schema is then refused.
    return new RegExp(source, flags.replace('u', ''));
  }
}

/** Anchored, no groups, no choices, at most one part of variable length: nothing to backtrack into. */
function isSimple(source: string): boolean {
  const outside = withoutClasses(source);
  return /^\^[^()|]*$/.test(outside) && (outside.match(/[*+?]|\{\d+,\d*\}/g) ?? []).length <= 1;
}

type Test = (codePoint: number) => boolean;
type Assertion = 'start' | 'end' | 'word' | 'not-word';
type Node =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly options: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number };

/** A step of the machine (Thompson 1968; as R. Cox, "Regular Expression Matching: the Virtual Machine Approach"). */
type Instruction =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'split'; readonly first: number; second: number }
  | { readonly kind: 'jump'; to: number }
  | { readonly kind: 'match' };

/** Undefined where the pattern needs more than a machine with states. */
function compileProgram(source: string, unicode: boolean): readonly Instruction[] | undefined {
  const program: Instruction[] = [];
  const node = new Parser(source, unicode).parse();
  if (node === undefined) return undefined;
  emit(node, program);
  program.push({ kind: 'match' });
  return program;
}

function emit(node: Node, program: Instruction[]): void {
  if (program.length > maxInstructions)
    throw new SyntaxError('the pattern is too long once its repeats are written out');
  switch (node.kind) {
    case 'one':
    case 'assert':
      program.push(node);
      return;
    case 'all':
      for (const part of node.parts) emit(part, program);
      return;
    case 'any': {
      const ends: { kind: 'jump'; to: number }[] = [];
      node.options.forEach((option, i) => {
        const last = i === node.options.length - 1;
        const split = { kind: 'split' as const, first: program.length + 1, second: 0 };
        if (!last) program.push(split);
        emit(option, program);
        if (last) return;
        const end = { kind: 'jump' as const, to: 0 };
        program.push(end);
        ends.push(end);
        split.second = program.length;
      });
      for (const end of ends) end.to = program.length;
      return;
    }
    case 'repeat': {
      for (let i = 0; i < node.min; i++) emit(node.node, program);
      if (node.max === Number.POSITIVE_INFINITY) {
        const start = program.length;
        const split = { kind: 'split' as const, first: start + 1, second: 0 };
        program.push(split);
        emit(node.node, program);
        program.push({ kind: 'jump', to: start });
        split.second = program.length;
        return;
      }
      const splits: { kind: 'split'; first: number; second: number }[] = [];
      for (let i = node.min; i < node.max; i++) {
        const split = { kind: 'split' as const, first: program.length + 1, second: 0 };
        program.push(split);
        splits.push(split);
        emit(node.node, program);
      }
      for (const split of splits) split.second = program.length;
      return;
    }
    default:
      node satisfies never;
  }
}

/** Every state the machine can be in, one character after the other; the match may begin anywhere. */
function run(program: readonly Instruction[], text: string, unicode: boolean): boolean {
  const points: number[] = [];
  if (unicode) for (const c of text) points.push(c.codePointAt(0) ?? 0);
  else for (let i = 0; i < text.length; i++) points.push(text.charCodeAt(i));
  const budget = shared ?? { left: maxSteps };
  spend(budget, (points.length + program.length) / quick);

  // Each state is entered once per place and leads to at most two more.
  const stack = new Int32Array(3 * program.length + 2);
  const entered = new Int32Array(program.length).fill(-1);
  const next = new Int32Array(program.length);
  let waiting = 0;
  for (let at = 0; at <= points.length; at++) {
    const point = points[at];
    stack[0] = 0;
    stack.set(next.subarray(0, waiting), 1);
    let top = waiting + 1;
    waiting = 0;
    let steps = 0;
    while (top > 0) {
      const state = stack[--top] ?? 0;
      steps++;
      if (entered[state] === at) continue;
      entered[state] = at;
      const step = program[state];
      if (step === undefined) continue;
      if (step.kind === 'match') {
        spend(budget, steps);
        return true;
      }
      if (step.kind === 'jump') stack[top++] = step.to;
      else if (step.kind === 'split') {
        stack[top++] = step.second;
        stack[top++] = step.first;
      } else if (step.kind === 'assert') {
        if (holds(step.what, points, at)) stack[top++] = state + 1;
      } else if (point !== undefined && step.test(point)) next[waiting++] = state + 1;
    }
    spend(budget, steps);
  }
  return false;
}

function holds(what: Assertion, points: readonly number[], at: number): boolean {
  if (what === 'start') return at === 0;
  if (what === 'end') return at === points.length;
  const boundary = isWord(points[at - 1]) !== isWord(points[at]);
  return what === 'word' ? boundary : !boundary;
}

function isWord(point: number | undefined): boolean {
  return point !== undefined && point < 128 && /\w/.test(String.fromCharCode(point));
}

class NotRegular extends Error {}

/** Reads a pattern the platform has already accepted. */
class Parser {
  private at = 0;
  private readonly source: string;
  private readonly unicode: boolean;

  constructor(source: string, unicode: boolean) {
    this.source = source;
    this.unicode = unicode;
  }

  /** Undefined for what looks ahead, looks behind or refers back. */
  parse(): Node | undefined {
    try {
      const node = this.choice(0);
      return this.at < this.source.length ? undefined : node;
    } catch (error) {
      if (error instanceof NotRegular) return undefined;
      throw error;
    }
  }

  private choice(depth: number): Node {
    if (depth > 50) throw new SyntaxError('the pattern nests too deeply');
    const options = [this.sequence(depth)];
    while (this.take(/\|/y) !== undefined) options.push(this.sequence(depth));
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: 'any', options };
  }

  private sequence(depth: number): Node {
    const parts: Node[] = [];
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      parts.push(this.quantified(this.atom(depth)));
    }
    return { kind: 'all', parts };
  }

  private quantified(node: Node): Node {
    const quantifier = this.take(/(?:[*+?]|\{\d+(?:,\d*)?\})\??/y);
    if (quantifier === undefined) return node;
    const bounds = /^\{(\d+)(,?)(\d*)\}/.exec(quantifier);
    if (bounds === null) {
      const first = quantifier[0];
      return { kind: 'repeat', node, min: first === '+' ? 1 : 0, max: first === '?' ? 1 : Number.POSITIVE_INFINITY };
    }
    const min = Number(bounds[1]);
    const max = bounds[2] === '' ? min : bounds[3] === '' ? Number.POSITIVE_INFINITY : Number(bounds[3]);
    if (min > maxInstructions || (max > maxInstructions && max !== Number.POSITIVE_INFINITY)) {
      throw new SyntaxError(`the pattern repeats a part more than ${maxInstructions} times`);
    }
    return { kind: 'repeat', node, min, max };
  }

  private atom(depth: number): Node {
    if (this.take(/\^/y) !== undefined) return { kind: 'assert', what: 'start' };
    if (this.take(/\$/y) !== undefined) return { kind: 'assert', what: 'end' };
    if (this.take(/\\b/y) !== undefined) return { kind: 'assert', what: 'word' };
    if (this.take(/\\B/y) !== undefined) return { kind: 'assert', what: 'not-word' };
    if (this.take(/\((?:\?:|\?<(?![=!])[^>]+>|(?!\?))/y) !== undefined) {
      const node = this.choice(depth + 1);
      if (this.take(/\)/y) === undefined) throw new NotRegular();
      return node;
    }
    const start = this.at;
    const set = this.take(/\[(?:[^\]\\]|\\[\s\S])*\]|\./y) ?? this.escape();
    if (set !== undefined) return { kind: 'one', test: this.oneOf(set) };
    if (/[()*+?]/.test(this.source[start] ?? ')')) throw new NotRegular();
    const literal = (this.unicode ? this.source.codePointAt(start) : this.source.charCodeAt(start)) ?? 0;
    this.at += literal > 0xffff ? 2 : 1;
    return { kind: 'one', test: (point) => point === literal };
  }

  /** The text of an escape that stands for one character or a class of them. */
  private escape(): string | undefined {
    if (this.source[this.at] !== '\\') return undefined;
    const wide = this.unicode
      ? this.take(/\\u\{[0-9a-f]+\}|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\p\{[^}]*\}/iy)
      : undefined;
    const token = wide ?? this.take(/\\(?:u[0-9a-f]{4}|x[0-9a-f]{2}|c[a-z]|0(?!\d)|[^\dkupxc])/iy);
    if (token === undefined) throw new NotRegular();
    return token;
  }

  /** The platform decides about one character at a time, so classes mean exactly what they mean there. */
  private oneOf(set: string): Test {
    const pattern = new RegExp(`^(?:${set})$`, this.unicode ? 'u' : '');
    const known = new Map<number, boolean>();
    return (point) => {
      const earlier = known.get(point);
      if (earlier !== undefined) return earlier;
      const matches = pattern.test(this.unicode ? String.fromCodePoint(point) : String.fromCharCode(point));
      if (known.size < 4096) known.set(point, matches);
      return matches;
    };
  }

  private take(token: RegExp): string | undefined {
    token.lastIndex = this.at;
    const found = token.exec(this.source)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }
}
