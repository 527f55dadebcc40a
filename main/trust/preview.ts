import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseEnrolment, rootKeyIds } from './enrolment.ts';

const MAX_BYTES = 200_000;
const TIMEOUT_MS = 15_000;

/** Whose enrolment a text is, before anything is trusted. */
export type EnrolmentPreview =
  | {
      readonly ok: true;
      readonly name: string;
      readonly repository: string;
      /** Key ids of the root role: what a person compares with what their IT team told them (TUF specification, section 4.3). */
      readonly fingerprints: string[];
      readonly orgJson: string;
    }
  | { readonly ok: false; readonly code: 'unreadable' | 'invalid-enrolment'; readonly message: string };

/** Reads org.json text, a path or an https address of one, and says whose it is. Nothing is trusted by this. */
export async function previewEnrolment(source: string): Promise<EnrolmentPreview> {
  const trimmed = source.trim();
  let text: string;
  try {
    text = trimmed.startsWith('{') ? trimmed : await readSource(trimmed);
  } catch (error) {
    return { ok: false, code: 'unreadable', message: messageOf(error) };
  }
  const parsed = parseEnrolment(text);
  if (!parsed.ok) return { ok: false, code: 'invalid-enrolment', message: parsed.message };
  const { name, repository } = parsed.value;
  return { ok: true, name, repository, fingerprints: [...rootKeyIds(parsed.value)], orgJson: text };
}

async function readSource(source: string): Promise<string> {
  if (/^gatehouse:/i.test(source)) {
    const link = URL.canParse(source) ? new URL(source).searchParams : undefined;
    const address = link?.get('source') ?? link?.get('url') ?? '';
    // Anyone may have written the link: it names a web address, never a file of this computer or a share on another.
    if (!/^https?:/i.test(address))
      throw new Error(`${source} names no web address: expected a link with source=https://… in it. Ask your IT team.`);
    return download(address);
  }
  if (/^https?:/i.test(source)) return download(source);
  return readEnrolmentFile(/^file:/i.test(source) ? pathOf(source) : source);
}

function pathOf(address: string): string {
  try {
    return fileURLToPath(address);
  } catch (error) {
    throw new Error(`${address} is not the address of a file on this computer: ${messageOf(error)}.`);
  }
}

/** Bounded whatever the file claims to be: a device or a pipe has no size and no end. */
async function readEnrolmentFile(path: string): Promise<string> {
  const advice = 'Choose the enrolment file (org.json) your organisation gave you.';
  // Opening a pipe would wait for its other end: O_NONBLOCK does not.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new Error(
      absent ? `There is no file at ${path}. ${advice}` : `${path} cannot be read: ${messageOf(error)}. ${advice}`,
    );
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a file. ${advice}`);
    if (stat.size > MAX_BYTES)
      throw new Error(`${path} is ${stat.size} bytes; an enrolment file is at most ${MAX_BYTES}. ${advice}`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function download(address: string): Promise<string> {
  if (!URL.canParse(address)) throw new Error(`${address} is not a web address. Check the link with your IT team.`);
  const url = new URL(address);
  const loopback = url.hostname === '127.0.0.1' || url.hostname === 'localhost' || url.hostname === '[::1]';
  if (url.protocol !== 'https:' && !loopback)
    throw new Error(`${url.href} is not a safe address: expected one that starts with https://.`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { redirect: 'error', signal }).catch((error: unknown) => {
    const why = signal.aborted ? `it did not answer within ${TIMEOUT_MS / 1000} seconds` : causeOf(error);
    throw new Error(`${url.href} could not be read: ${why}. Check the link and your connection.`);
  });
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}. Check the link with your IT team.`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES)
      throw new Error(`${url.href} sent more than ${MAX_BYTES} bytes, so it is not an enrolment file.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
/** fetch says "fetch failed"; what happened is in its cause. */
const causeOf = (error: unknown) =>
  error instanceof Error && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error);
