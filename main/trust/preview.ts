import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isJsonObject } from '../policy/json.ts';
import { parseEnrolment } from './trust.ts';

const MAX_BYTES = 200_000;
const TIMEOUT_MS = 15_000;

/** Whose enrolment a text is, before anything is trusted. */
export type EnrolmentPreview =
  | {
      readonly ok: true;
      readonly name: string;
      readonly repository: string;
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
    return { ok: false, code: 'unreadable', message: error instanceof Error ? error.message : String(error) };
  }
  const parsed = parseEnrolment(text);
  if (!parsed.ok) return { ok: false, code: 'invalid-enrolment', message: parsed.message };
  const { name, repository } = parsed.value;
  return { ok: true, name, repository, fingerprints: rootKeyIds(parsed.value.root), orgJson: text };
}

async function readSource(source: string): Promise<string> {
  const address = source.startsWith('gatehouse://enrol') ? (new URL(source).searchParams.get('url') ?? '') : source;
  if (/^https?:/i.test(address)) return download(new URL(address));
  const path = address.startsWith('file:') ? fileURLToPath(address) : address;
  const { size } = await stat(path).catch(() => {
    throw new Error(`There is no file at ${path}. Choose the enrolment file (org.json) your organisation gave you.`);
  });
  if (size > MAX_BYTES)
    throw new Error(
      `${path} is ${size} bytes; an enrolment file is smaller than ${MAX_BYTES}. Choose the org.json your organisation gave you.`,
    );
  return readFile(path, 'utf8');
}

async function download(url: URL): Promise<string> {
  const loopback = url.hostname === '127.0.0.1' || url.hostname === 'localhost' || url.hostname === '[::1]';
  if (url.protocol !== 'https:' && !loopback)
    throw new Error(`${url.href} is not a safe address: expected one that starts with https://.`);
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}. Check the link with your IT team.`);
  const text = await response.text();
  if (text.length > MAX_BYTES)
    throw new Error(`${url.href} sent more than ${MAX_BYTES} characters, so it is not an enrolment file.`);
  return text;
}

/** Key ids of the root role: what a person compares with what their IT team told them (TUF specification, section 4.3). */
function rootKeyIds(root: unknown): string[] {
  const signed = isJsonObject(root) ? root.signed : undefined;
  const roles = isJsonObject(signed) ? signed.roles : undefined;
  const role = isJsonObject(roles) ? roles.root : undefined;
  const ids = isJsonObject(role) ? role.keyids : undefined;
  return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
}
