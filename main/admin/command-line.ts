/** Splits a command as a person would write it into program and arguments. Quotes group; nothing is expanded; no shell is involved. */
export function splitCommand(
  text: string,
): { readonly ok: true; readonly argv: readonly string[] } | { readonly ok: false; readonly message: string } {
  const argv: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quote) {
      if (character === quote) quote = undefined;
      else if (quote === '"' && character === '\\' && /["\\]/.test(text.charAt(i + 1)))
        word = (word ?? '') + text.charAt(++i);
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) argv.push(word);
      word = undefined;
    } else {
      // A backslash outside quotes is kept as it is: paths on Windows are full of them.
      word = (word ?? '') + character;
    }
  }
  if (quote) return { ok: false, message: `the quote ${quote} is never closed in ${text}` };
  if (word !== undefined) argv.push(word);
  return argv.length > 0 && argv[0] !== '' ? { ok: true, argv } : { ok: false, message: 'the command is empty' };
}
