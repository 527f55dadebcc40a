import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/**
 * `requestState` travels through the caller and is attacker-controlled (2026-07-28, "Multi Round-Trip Requests", server requirements 4 and 5):
 * what comes back is worth something only if this process sealed it, for this very request.
 */

/** AES-256-GCM, with nonces of the length it is made for (NIST SP 800-38D §8.2.2). */
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** What one process seals with. */
export interface Sealing {
  /** How state that was sealed with it begins. No server could have foreseen it: any other state is a server's own. */
  readonly marker: string;
  readonly key: Buffer;
}

export function newSealing(): Sealing {
  return { marker: `gatehouse.${randomBytes(8).toString('base64url')}.`, key: randomBytes(32) };
}

/** `context` is not in the text, but must be the same to open it. */
export function sealState({ marker, key }: Sealing, payload: string, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(payload, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${marker}${sealed.toString('base64url')}`;
}

/** What was sealed with this key and context; undefined for anything else, however close. */
export function openState({ marker, key }: Sealing, state: string, context: string): string | undefined {
  if (!state.startsWith(marker)) return undefined;
  const text = state.slice(marker.length);
  const sealed = Buffer.from(text, 'base64url');
  // Base64 has several spellings of the same bytes; one is ours.
  if (sealed.toString('base64url') !== text || sealed.length < nonceBytes + tagBytes) return undefined;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-tagBytes));
  try {
    return decipher.update(sealed.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    // Not authentic: whatever it says is not ours.
    return undefined;
  }
}
