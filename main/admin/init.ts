import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { starterCedar, starterDocument } from '../policy/starter.ts';
import type { Clock } from '../ports.ts';
import { keyFingerprints, parseEnrolment } from '../trust/enrolment.ts';
import { DEFAULT_TIMESTAMP_DAYS } from './compose.ts';
import { generateKey, KEY_ROLES, type Keys, refusePassphrase, writeKeys } from './keys.ts';
import { type OrganisationPaths, pathsOf, writeText } from './organisation.ts';
import { release } from './publish.ts';
import { type AdminResult, messageOf, type Progress, refuse, silent } from './result.ts';

export interface InitOptions {
  readonly dir: string;
  readonly name: string;
  /** Where laptops will find the repository. Default: the repository folder as a file: URL. */
  readonly url?: string;
  /** Whom staff ask. Default: "your IT team". */
  readonly contact?: string;
  readonly passphrase: string;
  readonly clock: Clock;
  readonly progress?: Progress;
}

export interface InitReport {
  readonly dir: string;
  readonly version: number;
  readonly expires: number;
  readonly orgJson: string;
  readonly orgJsonPath: string;
  /** What staff compare before they join. */
  readonly fingerprints: readonly string[];
}

/** Makes keys, a starter policy, an empty manifest and the first published version. The folder appears whole or not at all. */
export async function initOrganisation(options: InitOptions): Promise<AdminResult<InitReport>> {
  const progress = options.progress ?? silent;
  const final = pathsOf(options.dir);
  const name = options.name.trim();
  const contact = options.contact?.trim() || 'your IT team';
  const weak = refusePassphrase(options.passphrase);
  if (name === '' || name.length > 120)
    return refuse('invalid-name', `The organisation's name has ${name.length} characters; expected 1 to 120.`);
  if (weak) return refuse('weak-passphrase', weak);
  const occupied = refuseOccupied(final.dir);
  if (occupied) return refuse('folder-not-empty', occupied);
  const repository = options.url ?? pathToFileURL(final.repository).href;

  const staging = join(dirname(final.dir), `.${basename(final.dir)}.${randomBytes(4).toString('hex')}.making`);
  const paths = pathsOf(staging);
  try {
    for (const folder of [paths.dir, paths.keys, paths.repository]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    progress('Making keys');
    const keys = makeKeys(paths, options.passphrase);
    if (!keys.ok) return keys;
    const sources = writeStarter(paths, name, contact);
    if (!sources.ok) return sources;
    const first = await release({
      paths,
      enrolment: { name, repository },
      previous: undefined,
      keys: keys.value,
      days: DEFAULT_TIMESTAMP_DAYS,
      clock: options.clock,
      progress,
    });
    if (!first.ok) return first;
    const enrolment = parseEnrolment(first.value.orgJson);
    if (!enrolment.ok) return refuse('invalid-url', `The address ${repository} cannot be used. ${enrolment.message}`);
    if (existsSync(final.dir)) rmdirSync(final.dir);
    renameSync(staging, final.dir);
    const { version, expires, orgJson } = first.value;
    return {
      ok: true,
      value: {
        dir: final.dir,
        version,
        expires,
        orgJson,
        orgJsonPath: final.orgJson,
        fingerprints: keyFingerprints(enrolment.value),
      },
    };
  } catch (error) {
    return refuse(
      'unwritable',
      `The folder ${final.dir} could not be made (${messageOf(error)}). Choose one you can write to.`,
    );
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function refuseOccupied(dir: string): string | undefined {
  if (!existsSync(dir)) return undefined;
  try {
    const found = readdirSync(dir);
    return found.length === 0
      ? undefined
      : `${dir} is not empty (it holds ${found.slice(0, 3).join(', ')}${found.length > 3 ? ' …' : ''}). Name a new folder, so that no keys are overwritten.`;
  } catch (error) {
    return `${dir} is not a folder that can be used (${messageOf(error)}). Name a new one.`;
  }
}

function makeKeys(paths: OrganisationPaths, passphrase: string): AdminResult<Keys> {
  const made = KEY_ROLES.map((role) => ({ role, ...generateKey(role) }));
  const written = writeKeys(paths.keys, Object.fromEntries(made.map(({ role, secret }) => [role, secret])), passphrase);
  return written.ok ? { ok: true, value: Object.fromEntries(made.map(({ role, key }) => [role, key])) } : written;
}

function writeStarter(paths: OrganisationPaths, name: string, contact: string): AdminResult<void> {
  const document = starterDocument(name, contact);
  const files: [string, string][] = [
    [paths.policyJson, typeof document === 'string' ? document : `${JSON.stringify(document, null, 2)}\n`],
    [paths.policyCedar, starterCedar(name)],
    [paths.manifestJson, `${JSON.stringify({ schema: 1, servers: [] }, null, 2)}\n`],
  ];
  for (const [path, text] of files) {
    const written = writeText(path, text);
    if (!written.ok) return written;
  }
  return { ok: true, value: undefined };
}
