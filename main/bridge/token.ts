import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

export type Token = { readonly ok: true; readonly token: string } | { readonly ok: false; readonly message: string };

/** A bearer token (RFC 6750 §2.1). */
const shape = /^[A-Za-z0-9._~+/=-]{1,512}$/;
const mostBytes = 4096;

export function tokenFromText(text: string, where: string): Token {
  const token = text.trim();
  if (shape.test(token)) return { ok: true, token };
  return {
    ok: false,
    message: `${where} holds no key: expected the text "gth_…" that Gatehouse showed when the app was added, and nothing else.`,
  };
}

/**
 * Reads a key from a file that nobody but this account may read or write: whoever has the key acts as this person. What is checked is the open
 * file, so that it cannot be exchanged in between. Windows keeps such permissions elsewhere; there a person's own folders are private already.
 */
export function tokenFromFile(path: string, uid = process.getuid?.()): Token {
  const refuse = (why: string): Token => ({ ok: false, message: `The key file ${path} cannot be used: ${why}.` });
  let file: number;
  try {
    // Not blocking: a pipe of that name would be waited for.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  try {
    const { mode, uid: owner, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return refuse('it is not a file');
    if (uid !== undefined) {
      if (owner !== uid && owner !== 0) return refuse('it belongs to another account');
      if ((mode & 0o077) !== 0) {
        const found = (mode & 0o777).toString(8).padStart(4, '0');
        return refuse(
          `other accounts on this computer may read or change it (mode ${found}). Make it yours alone: chmod 600 ${path}`,
        );
      }
    }
    if (size > mostBytes) return refuse(`it has ${size} bytes, and a key has fewer than 100`);
    const bytes = Buffer.alloc(mostBytes);
    return tokenFromText(bytes.toString('utf8', 0, readSync(file, bytes)), `The key file ${path}`);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  } finally {
    closeSync(file);
  }
}
