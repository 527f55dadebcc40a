import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const LINUX_FILE = '/etc/gatehouse/org.json';
const ROOT = 0;
const MAX_BYTES = 4_000_000;
/** Write for the group and for others. */
const WRITABLE = 0o022;

export type ManagedEnrolment =
  | { readonly ok: true; readonly text: string }
  /** One sentence. The app must not start: which organisation rules this computer is not certain. */
  | { readonly ok: false; readonly message: string };

/**
 * The enrolment an administrator put on this computer, as org.json text; undefined where there is none. Linux only so far. It binds only
 * because nobody else can change it: file and folder must belong to `owner` (root) and be writable for it alone.
 */
export function readManagedEnrolment(
  platform: NodeJS.Platform,
  file = LINUX_FILE,
  owner = ROOT,
): ManagedEnrolment | undefined {
  if (platform !== 'linux') return undefined;
  let handle: number | undefined;
  try {
    const folder = dirname(file);
    const folderFacts = statSync(folder, { throwIfNoEntry: false });
    if (!folderFacts) return undefined;
    // Whoever may write in the folder can take the file away, or put another one of root's in its place.
    const open = whoElse(folderFacts, owner);
    if (open !== undefined) return refuse(folder, open);
    handle = openIfThere(file);
    if (handle === undefined) return undefined;
    // Of the open file: the name may stand for another one by now.
    const facts = fstatSync(handle);
    if (!facts.isFile()) return refuse(file, 'it is not a file');
    const writable = whoElse(facts, owner);
    if (writable !== undefined) return refuse(file, writable);
    if (facts.size > MAX_BYTES) return refuse(file, `it has ${facts.size} bytes, at most ${MAX_BYTES} are expected`);
    const text = readFileSync(handle, 'utf8');
    return text.trim() === '' ? refuse(file, 'it is empty') : { ok: true, text };
  } catch (error) {
    return refuse(file, `it cannot be read (${error instanceof Error ? error.message : String(error)})`);
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** Nothing of that name; a link that leads nowhere is something, and opening it fails with its reason. */
function openIfThere(file: string): number | undefined {
  if (!lstatSync(file, { throwIfNoEntry: false })) return undefined;
  // Without waiting for a writer, if a pipe stands there.
  return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
}

function whoElse(facts: { readonly uid: number; readonly mode: number }, owner: number): string | undefined {
  if (facts.uid !== owner)
    return `it belongs to the account ${facts.uid} instead of ${owner === ROOT ? 'root' : owner}`;
  if ((facts.mode & WRITABLE) !== 0) return 'accounts other than its owner may write to it';
  return undefined;
}

function refuse(path: string, found: string): ManagedEnrolment {
  return {
    ok: false,
    message: `Gatehouse does not start, because the enrolment of this computer cannot be trusted: ${path} was expected to belong to root and to be writable for root alone, but ${found}. Ask your IT team.`,
  };
}
