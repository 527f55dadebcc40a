import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readManagedEnrolment } from '../../../main/trust/managed.ts';

const me = process.getuid?.() ?? 0;
let folder: string;
let file: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'gatehouse-managed-')), 'gatehouse');
  file = join(folder, 'org.json');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const read = (owner = me) => readManagedEnrolment('linux', file, owner);

function place(text = '{"schema":1}', mode = 0o644): void {
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

function expectRefused(found: RegExp, owner = me): void {
  const result = read(owner);
  expect(result).toMatchObject({ ok: false, message: expect.stringMatching(found) });
  expect(result).toMatchObject({ message: expect.stringMatching(/^Gatehouse does not start.*Ask your IT team\.$/) });
}

describe.skipIf(process.platform !== 'linux')('when an administrator enrols the computer', () => {
  it('has none without the folder, or without the file', () => {
    expect(read()).toBeUndefined();
    mkdirSync(folder, { mode: 0o755 });
    expect(read()).toBeUndefined();
  });

  it('reads a file that only its owner may write', () => {
    place();
    expect(read()).toEqual({ ok: true, text: '{"schema":1}' });
    chmodSync(file, 0o400);
    expect(read()).toEqual({ ok: true, text: '{"schema":1}' });
  });

  it('follows a link of the owner to such a file', () => {
    mkdirSync(folder, { mode: 0o755 });
    const target = join(folder, '..', 'store.json');
    writeFileSync(target, '{"schema":1}', { mode: 0o644 });
    symlinkSync(target, file);
    expect(read()).toEqual({ ok: true, text: '{"schema":1}' });
    chmodSync(target, 0o666);
    expectRefused(/may write to it/);
  });

  it.each([0o664, 0o646, 0o666])('refuses to start with a file of mode %o', (mode) => {
    place('{"schema":1}', mode);
    expectRefused(/org\.json was expected .* accounts other than its owner may write to it/);
  });

  it.each([true, false])('refuses to start with a folder others may write to, the file there or not: %s', (there) => {
    if (there) place();
    else mkdirSync(folder);
    chmodSync(folder, 0o775);
    expectRefused(/gatehouse was expected .* may write to it/);
  });

  it('refuses to start with what belongs to somebody else', () => {
    place();
    expectRefused(/belongs to the account/, me + 1);
  });

  it('refuses to start with an empty file, a folder, a pipe, a flood, or a link that leads nowhere', () => {
    place(' \n');
    expectRefused(/it is empty/);
    writeFileSync(file, ' '.repeat(4_000_001));
    expectRefused(/4000001 bytes/);
    rmSync(file);
    mkdirSync(file, { mode: 0o755 });
    expectRefused(/not a file/);
    rmSync(file, { recursive: true });
    execFileSync('mkfifo', ['-m', '644', file]);
    expectRefused(/not a file/);
    rmSync(file);
    symlinkSync(join(folder, 'nowhere'), file);
    expectRefused(/cannot be read/);
  });

  it('refuses to start with a file this account may not read', ({ skip }) => {
    if (me === 0) skip();
    place('{"schema":1}', 0o200);
    expectRefused(/cannot be read/);
  });
});

describe('when the system is another one', () => {
  it.each(['darwin', 'win32'] as const)('reads nothing on %s yet', (platform) =>
    expect(readManagedEnrolment(platform, file, me)).toBeUndefined(),
  );
});
