import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scryptSync,
  sign,
} from 'node:crypto';
import { join } from 'node:path';
import { Signature } from '@tufjs/models';
import { z } from 'zod';
import { sha256OfJson } from '../policy/canonical.ts';
import { readText, writeText } from './organisation.ts';
import { type AdminResult, refuse } from './result.ts';

export const KEY_ROLES = ['root', 'targets', 'policy', 'servers', 'snapshot', 'timestamp'] as const;
export type KeyRole = (typeof KEY_ROLES)[number];

/** A public key as TUF writes it (specification 4.2). */
export interface PublicKey {
  readonly keytype: 'ed25519';
  readonly scheme: 'ed25519';
  readonly keyval: { readonly public: string };
}

export interface SigningKey {
  readonly role: KeyRole;
  readonly keyId: string;
  readonly publicKey: PublicKey;
  sign(data: Uint8Array): Signature;
}

export type Keys = Readonly<Partial<Record<KeyRole, SigningKey>>>;

/**
 * Why not PKCS#8's own encryption: OpenSSL's default there is PBKDF2 with 2048 rounds and unauthenticated CBC. scrypt
 * (RFC 7914; memory-hard, 128 MiB here) with AES-256-GCM makes guessing dear and any change to the file detectable.
 */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1 } as const;
const MAX_SCRYPT_BYTES = 512 * 1024 * 1024;
const SHORTEST_PASSPHRASE = 10;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `${bytes} bytes in hex`);

const KeyFile = z.strictObject({
  schema: z.literal(1),
  role: z.enum(KEY_ROLES),
  public: hex(32),
  scrypt: z.strictObject({
    N: z
      .int()
      .min(2 ** 14)
      .max(2 ** 20),
    r: z.int().min(8).max(16),
    p: z.int().min(1).max(4),
    salt: hex(16),
  }),
  aes256gcm: z.strictObject({ iv: hex(12), tag: hex(16), data: z.string().regex(/^[0-9a-f]+$/) }),
});
type KeyFile = z.infer<typeof KeyFile>;

/** Makes one Ed25519 key. Nothing is written. */
export function generateKey(role: KeyRole): { readonly key: SigningKey; readonly secret: KeyObject } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { key: toSigningKey(role, privateKey), secret: privateKey };
}

/** A sentence when a new passphrase is too easy to guess. */
export function refusePassphrase(passphrase: string): string | undefined {
  return passphrase.length < SHORTEST_PASSPHRASE
    ? `The passphrase has ${passphrase.length} characters; expected at least ${SHORTEST_PASSPHRASE}, because it is all that protects the keys in a copy of this folder.`
    : undefined;
}

/** Writes encrypted keys as keys/<role>.key. One derivation serves all that are written together; each has its own nonce. */
export function writeKeys(
  folder: string,
  secrets: Readonly<Partial<Record<KeyRole, KeyObject>>>,
  passphrase: string,
): AdminResult<void> {
  const salt = randomBytes(16);
  const wrapping = derive(passphrase, { ...SCRYPT, salt: salt.toString('hex') });
  for (const role of KEY_ROLES) {
    const secret = secrets[role];
    if (!secret) continue;
    const iv = randomBytes(12);
    const about = { schema: 1 as const, role, public: publicHex(secret) };
    const cipher = createCipheriv('aes-256-gcm', wrapping, iv);
    cipher.setAAD(Buffer.from(JSON.stringify(about)));
    const data = Buffer.concat([cipher.update(secret.export({ type: 'pkcs8', format: 'der' })), cipher.final()]);
    const file: KeyFile = {
      ...about,
      scrypt: { ...SCRYPT, salt: salt.toString('hex') },
      aes256gcm: { iv: iv.toString('hex'), tag: cipher.getAuthTag().toString('hex'), data: data.toString('hex') },
    };
    const written = writeText(keyPath(folder, role), `${JSON.stringify(file, null, 2)}\n`, 0o600);
    if (!written.ok) return written;
  }
  return { ok: true, value: undefined };
}

/** Opens the keys of these roles. Every missing or unopenable one is named. */
export function readKeys(folder: string, roles: readonly KeyRole[], passphrase: string): AdminResult<Keys> {
  const derived = new Map<string, Buffer>();
  const keys: Partial<Record<KeyRole, SigningKey>> = {};
  for (const role of roles) {
    const path = keyPath(folder, role);
    const text = readText(path);
    if (!text.ok)
      return refuse(
        'missing-key',
        `The key of the role ${role} is missing: ${path} cannot be read. Put it back, or run this where the key is kept.`,
      );
    const file = parseKeyFile(text.value);
    if (!file || file.role !== role) {
      return refuse(
        'damaged-key',
        `${path} is not the key file of the role ${role} that was written there. Restore it from a copy.`,
      );
    }
    const id = JSON.stringify(file.scrypt);
    const wrapping = derived.get(id) ?? derive(passphrase, file.scrypt);
    derived.set(id, wrapping);
    const secret = openKey(file, wrapping);
    if (!secret) {
      return refuse(
        'wrong-passphrase',
        `The passphrase does not open ${path}, or the file was changed. Check GATEHOUSE_PASSPHRASE or type it again.`,
      );
    }
    keys[role] = toSigningKey(role, secret);
  }
  return { ok: true, value: keys };
}

const keyPath = (folder: string, role: KeyRole) => join(folder, `${role}.key`);

function parseKeyFile(text: string): KeyFile | undefined {
  try {
    return KeyFile.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: reported as damaged by the caller, like any other wrong shape.
    return undefined;
  }
}

function openKey(file: KeyFile, wrapping: Buffer): KeyObject | undefined {
  try {
    const { schema, role, public: publicKey } = file;
    const decipher = createDecipheriv('aes-256-gcm', wrapping, Buffer.from(file.aes256gcm.iv, 'hex'));
    decipher.setAAD(Buffer.from(JSON.stringify({ schema, role, public: publicKey })));
    decipher.setAuthTag(Buffer.from(file.aes256gcm.tag, 'hex'));
    const der = Buffer.concat([decipher.update(Buffer.from(file.aes256gcm.data, 'hex')), decipher.final()]);
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    // The tag does not fit: a wrong passphrase and a changed file look the same, and are told as such.
    return undefined;
  }
}

function derive(passphrase: string, { N, r, p, salt }: KeyFile['scrypt']): Buffer {
  // NFKC, so that one passphrase typed on two systems is the same bytes.
  return scryptSync(passphrase.normalize('NFKC'), Buffer.from(salt, 'hex'), 32, { N, r, p, maxmem: MAX_SCRYPT_BYTES });
}

function toSigningKey(role: KeyRole, secret: KeyObject): SigningKey {
  const publicKey: PublicKey = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: publicHex(secret) } };
  const keyId = sha256OfJson({ ...publicKey, keyval: { ...publicKey.keyval } });
  return {
    role,
    keyId,
    publicKey,
    sign: (data) => new Signature({ keyID: keyId, sig: sign(null, data, secret).toString('hex') }),
  };
}

/** The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key itself (RFC 8410). */
function publicHex(secret: KeyObject): string {
  return createPublicKey(secret).export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
}
