/** Finds what a reader cannot see. Pure: text in, pieces out; the pieces' texts joined are the text, byte for byte. */

export type HiddenKind =
  | 'invisible'
  | 'direction'
  | 'control'
  | 'tags'
  | 'bytes'
  | 'space'
  | 'gap'
  | 'stack'
  | 'unknown'
  | 'mixed';

export type Hidden = {
  readonly kind: HiddenKind;
  readonly text: string;
  /** The code points in order. */
  readonly codes: readonly number[];
  /** What hidden tag characters or variation selectors spell, where they spell something. */
  readonly spelled?: string;
};

export type Piece = { readonly kind: 'text'; readonly text: string } | Hidden;

/** The three flags Unicode recommends; any other tag sequence is a way to hide words. */
const flags = ['gbeng', 'gbsct', 'gbwls'].map((name) => `\u{1F3F4}${tagged(name)}\u{E007F}`).join('|');

// In this order at each place: an ordinary emoji; four or more empty lines, or 25 or more spaces, which push text out
// of sight; one character without a glyph of its own or that steers how others are drawn (UTS #36, UAX #9); a word.
const notable = new RegExp(
  [
    flags,
    '[0-9#*]\\uFE0F\\u20E3',
    '\\p{Extended_Pictographic}[\\uFE0E\\uFE0F\\p{Emoji_Modifier}]?(?:\\u200D\\p{Extended_Pictographic}[\\uFE0F\\p{Emoji_Modifier}]?)*',
    '(?<lines>(?:\\r?\\n[ \\t]*){5,})',
    '(?<spaces>[ \\t]{25,})',
    '\\r\\n|[\\n\\t]',
    '(?<hidden>[\\p{C}\\p{Default_Ignorable_Code_Point}\\p{Zl}\\p{Zp}\\u2800]|[^\\P{Zs} ])',
    '(?<word>(?:(?!\\p{Default_Ignorable_Code_Point})[\\p{L}\\p{M}\\p{N}_])+)',
  ].join('|'),
  'gu',
);

export function splitVisible(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let shown = 0;
  // Neighbours of one kind become one mark: a thousand hidden characters are one sentence, not a thousand chips.
  let run: { readonly kind: HiddenKind; readonly from: number; readonly codes: number[] } | undefined;
  const endRun = (): void => {
    if (run) pieces.push(spell({ kind: run.kind, text: text.slice(run.from, shown), codes: run.codes }));
    run = undefined;
  };
  for (const found of text.matchAll(notable)) {
    const kind = kindOf(found);
    if (!kind) continue;
    if (run?.kind !== kind || found.index > shown) {
      endRun();
      if (found.index > shown) pieces.push({ kind: 'text', text: text.slice(shown, found.index) });
      run = { kind, from: found.index, codes: [] };
    }
    for (const char of found[0]) run.codes.push(char.codePointAt(0) ?? 0);
    shown = found.index + found[0].length;
  }
  endRun();
  if (shown < text.length) pieces.push({ kind: 'text', text: text.slice(shown) });
  return pieces;
}

/**
 * What the texts anywhere inside a value hide from their reader: characters that cannot be seen or that push others out
 * of sight, and words of two alphabets. An unusual space is common in honest text and does not count.
 */
export function hides(value: unknown): ReadonlySet<'hidden' | 'mixed'> {
  const found = new Set<'hidden' | 'mixed'>();
  // A list of what is left instead of recursion: a value nested by thousands must not end the search.
  const left: unknown[] = [value];
  while (left.length > 0) {
    const part = left.pop();
    if (typeof part === 'string') {
      for (const { kind } of splitVisible(part)) {
        if (kind !== 'text' && kind !== 'space') found.add(kind === 'mixed' ? 'mixed' : 'hidden');
      }
    } else if (typeof part === 'object' && part !== null) {
      for (const entry of Object.entries(part)) left.push(...entry);
    }
  }
  return found;
}

/** "U+200B": how Unicode writes a code point. */
export function codeName(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function kindOf(found: RegExpExecArray): HiddenKind | undefined {
  const { lines, spaces, hidden, word } = found.groups ?? {};
  if (hidden !== undefined) return hiddenKind(hidden);
  if (word !== undefined) return suspectWord(word);
  return lines !== undefined || spaces !== undefined ? 'gap' : undefined;
}

function hiddenKind(text: string): HiddenKind {
  const code = text.codePointAt(0) ?? 0;
  if (code >= 0xe0000 && code <= 0xe007f) return 'tags';
  if (variationByte(code) !== undefined) return 'bytes';
  if (/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(text)) return 'direction';
  if (/[\p{Cc}\u2028\u2029]/u.test(text)) return 'control';
  if (/[\p{Zs}\u2800]/u.test(text)) return 'space';
  if (/[\p{Co}\p{Cn}\p{Cs}]/u.test(text)) return 'unknown';
  return 'invisible';
}

/** Marks piled up over a letter can cover other lines; Latin mixed with its look-alikes can imitate a name (UTS #39). */
function suspectWord(word: string): HiddenKind | undefined {
  if (/\p{M}{6,}/u.test(word)) return 'stack';
  const mixed =
    /\p{Script=Latin}/u.test(word) &&
    /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u.test(word);
  return mixed ? 'mixed' : undefined;
}

function spell(piece: Hidden): Hidden {
  if (piece.kind === 'tags') {
    const letters = piece.codes.filter((code) => code >= 0xe0020 && code < 0xe007f);
    const spelled = letters.map((code) => String.fromCharCode(code - 0xe0000)).join('');
    return spelled ? { ...piece, spelled } : piece;
  }
  if (piece.kind === 'bytes' && piece.codes.length > 2) {
    const spelled = new TextDecoder('utf-8').decode(Uint8Array.from(piece.codes, (code) => variationByte(code) ?? 0));
    return /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+$/u.test(spelled) && !spelled.includes('\ufffd')
      ? { ...piece, spelled }
      : piece;
  }
  return piece;
}

/** Variation selectors 1–256, as the bytes 0–255 that smuggled text uses them for. */
function variationByte(code: number): number | undefined {
  if (code >= 0xfe00 && code <= 0xfe0f) return code - 0xfe00;
  if (code >= 0xe0100 && code <= 0xe01ef) return code - 0xe0100 + 16;
  return undefined;
}

function tagged(name: string): string {
  return Array.from(name, (char) => String.fromCodePoint(0xe0000 + char.charCodeAt(0))).join('');
}
