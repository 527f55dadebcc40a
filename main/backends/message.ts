/** Deepest nesting of one message. Everything that walks one by recursion (JSON.stringify, canonical bytes, comparisons) is safe far beyond it. */
export const MESSAGE_DEPTH = 512;
/** Most objects and lists in one message: each takes far more memory than its two characters. */
const MESSAGE_PARTS = 2_000_000;

const MB = 1024 * 1024;
/** Largest answer that holds what a tool or a resource gives, in bytes; what of it a caller may see, the policy's guard decides. */
export const MESSAGE_BYTES = 64 * MB;
/** Largest message that belongs to no request of ours, in bytes. */
export const OTHER_BYTES = 16 * MB;
/** Largest list of one kind, one page or all of them, in bytes. */
export const LIST_BYTES = 8 * MB;
/** What a server says of itself is kept as long as its session. */
const HANDSHAKE_BYTES = MB;

const ANSWER_BYTES: ReadonlyMap<unknown, number> = new Map([
  ['tools/call', MESSAGE_BYTES],
  ['resources/read', MESSAGE_BYTES],
  // Both carry what the task's own request would have been answered with: the first in 2025, the second in 2026.
  ['tasks/result', MESSAGE_BYTES],
  ['tasks/get', MESSAGE_BYTES],
  ['tools/list', LIST_BYTES],
  ['prompts/list', LIST_BYTES],
  ['resources/list', LIST_BYTES],
  ['resources/templates/list', LIST_BYTES],
  ['initialize', HANDSHAKE_BYTES],
  ['server/discover', HANDSHAKE_BYTES],
]);

/** Largest answer to a request of this method, in bytes. */
export function answerBytes(method: unknown): number {
  return ANSWER_BYTES.get(method) ?? OTHER_BYTES;
}

/** A message that is not read, so that memory and stack stay bounded. `message` is a sentence's end: "it sent …". */
export class MessageRefused extends RangeError {
  static tooLarge(bytes: number): MessageRefused {
    return new MessageRefused(`it sent a message larger than ${size(bytes)}`);
  }
}

/** 262144 → "256 KB". */
export function size(bytes: number): string {
  if (bytes >= MB) return `${bytes / MB} MB`;
  return bytes >= 1024 ? `${bytes / 1024} KB` : `${bytes} bytes`;
}

/** JSON.parse within the bounds above. Throws MessageRefused, or SyntaxError. */
export function parseMessage(text: string): unknown {
  if (hasManyParts(text)) refuseShape(text);
  return JSON.parse(text);
}

/** Nearly every message ends here, at the speed of a native search. */
function hasManyParts(text: string): boolean {
  let parts = 0;
  for (const open of '[{') {
    for (let at = text.indexOf(open); at !== -1; at = text.indexOf(open, at + 1)) {
      parts += 1;
      if (parts > MESSAGE_DEPTH) return true;
    }
  }
  return false;
}

const [QUOTE, BACKSLASH, LIST, LIST_END, OBJECT, OBJECT_END] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

function refuseShape(text: string): void {
  let depth = 0;
  let parts = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = endOfString(text, at);
    else if (character === LIST || character === OBJECT) {
      depth += 1;
      parts += 1;
      if (depth > MESSAGE_DEPTH)
        throw new MessageRefused(`it sent a message nested deeper than ${MESSAGE_DEPTH} levels`);
      if (parts > MESSAGE_PARTS)
        throw new MessageRefused(`it sent a message of more than ${MESSAGE_PARTS} objects and lists`);
    } else if (character === LIST_END || character === OBJECT_END) depth -= 1;
  }
}

/** Where the string that begins at `from` ends: at the next quote with an even number of backslashes before it. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
