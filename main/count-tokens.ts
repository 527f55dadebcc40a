import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';

/** Characters counted at a stretch: merging one endless word takes time by the square of its length. */
const pieceLength = 4_000;
/** How far back from there a word's border is looked for, so that cutting changes no count. */
const borderWithin = 500;

/**
 * Tokens of each text by OpenAI's o200k_base, exact but for words longer than 4000 characters. Loading its tables takes 75 MB: only the worker
 * thread does, and gives them back when it ends.
 */
export function countTokensOf(texts: readonly string[]): readonly number[] {
  return texts.map((text) => {
    let tokens = 0;
    // Text is data here, also where it looks like one of a model's own marks.
    for (const piece of piecesOf(text)) tokens += countTokens(piece, { disallowedSpecial: new Set() });
    return tokens;
  });
}

function* piecesOf(text: string): Generator<string> {
  let from = 0;
  while (text.length - from > pieceLength) {
    const most = from + pieceLength;
    // A token may begin with a space and never holds one further on.
    const border = text.lastIndexOf(' ', most);
    const to = border > most - borderWithin ? border : most;
    yield text.slice(from, to);
    from = to;
  }
  yield text.slice(from);
}
