const maxLength = 64;

/** A name a person gives an AI app: 1–64 characters after trimming, nothing invisible or reordering in it. */
export function parseAppName(
  given: string,
): { readonly ok: true; readonly value: string } | { readonly ok: false; readonly message: string } {
  const name = given.normalize('NFC').trim();
  const length = [...name].length;
  const wrong: string[] = [];
  if (length === 0) wrong.push('it is empty');
  if (length > maxLength) wrong.push(`it has ${length} characters, and ${maxLength} is the most`);
  // Categories C (control, format, surrogate, private, unassigned), Zl and Zp: nothing of them can be seen or trusted.
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(name)) wrong.push('it holds characters that cannot be seen');
  if (wrong.length === 0) return { ok: true, value: name };
  return {
    ok: false,
    message: `This name cannot be used: ${wrong.join('; ')}. Type the name of the app, such as "Cursor".`,
  };
}

/** Two names with the same key look the same to a person: case, width and spacing aside. */
export function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}
