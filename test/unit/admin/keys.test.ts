import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateKey, readKeys, refusePassphrase, writeKeys } from '../../../main/admin/keys.ts';

const PASSPHRASE = 'correct horse battery';
const made = { policy: generateKey('policy'), servers: generateKey('servers') };
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'));
  const written = writeKeys(folder, { policy: made.policy.secret, servers: made.servers.secret }, PASSPHRASE);
  expect(written.ok).toBe(true);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (role: string) => join(folder, `${role}.key`);

describe('when keys are kept', () => {
  it('opens them with the passphrase, and they sign as before', () => {
    const keys = readKeys(folder, ['policy', 'servers'], PASSPHRASE);
    if (!keys.ok) throw new Error(keys.problems.join());
    const data = Buffer.from('data');
    expect(keys.value.policy?.keyId).toBe(made.policy.key.keyId);
    expect(keys.value.policy?.sign(data)).toEqual(made.policy.key.sign(data));
    expect(keys.value.servers?.sign(data)).toEqual(made.servers.key.sign(data));
  });

  it('writes nothing of the secret in the clear, with a nonce for each', () => {
    const secret = made.policy.secret.export({ type: 'pkcs8', format: 'der' }).subarray(-32).toString('hex');
    expect(readFileSync(file('policy'), 'utf8')).not.toContain(secret);
    const nonce = (role: string) => JSON.parse(readFileSync(file(role), 'utf8')).aes256gcm.iv;
    expect(nonce('policy')).not.toBe(nonce('servers'));
  });

  it.skipIf(process.platform === 'win32')('lets only their owner read them', () => {
    expect(statSync(file('policy')).mode & 0o777).toBe(0o600);
  });

  it('treats one passphrase typed on two systems as the same', () => {
    const other = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'));
    try {
      writeKeys(other, { policy: made.policy.secret }, 'Zürich is a city');
      expect(readKeys(other, ['policy'], 'Zu\u0308rich is a city').ok).toBe(true);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });
});

describe('when a key cannot be opened', () => {
  it('says so for a wrong passphrase in one sentence', () => {
    expect(readKeys(folder, ['policy'], 'incorrect horse')).toMatchObject({
      ok: false,
      code: 'wrong-passphrase',
      problems: [expect.stringContaining('policy.key')],
    });
  });

  it('says so for a missing one', () => {
    expect(readKeys(folder, ['root'], PASSPHRASE)).toMatchObject({ ok: false, code: 'missing-key' });
  });

  it.each([
    ['not JSON', () => 'x'],
    ['cut', (text: string) => text.slice(0, 80)],
    ['an extra field', (text: string) => text.replace('{', '{"extra":1,')],
    ['another role', (text: string) => text.replace('"policy"', '"servers"')],
    ['a cost that would eat the memory', (text: string) => text.replace('131072', '1073741824')],
  ])('names the file as damaged: %s', (_, spoil) => {
    const before = readFileSync(file('policy'), 'utf8');
    try {
      chmodSync(file('policy'), 0o600);
      writeFileSync(file('policy'), spoil(before));
      expect(readKeys(folder, ['policy'], PASSPHRASE)).toMatchObject({ ok: false, code: 'damaged-key' });
    } finally {
      writeFileSync(file('policy'), before);
    }
  });

  it('notices a public key that was exchanged', () => {
    const before = readFileSync(file('policy'), 'utf8');
    try {
      const json = JSON.parse(before);
      writeFileSync(file('policy'), JSON.stringify({ ...json, public: made.servers.key.publicKey.keyval.public }));
      expect(readKeys(folder, ['policy'], PASSPHRASE)).toMatchObject({ ok: false, code: 'wrong-passphrase' });
    } finally {
      writeFileSync(file('policy'), before);
    }
  });
});

describe('when a passphrase is chosen', () => {
  it('refuses a short one and accepts a longer one', () => {
    expect(refusePassphrase('short')).toMatch(/at least 10/);
    expect(refusePassphrase('long enough')).toBeUndefined();
  });
});
