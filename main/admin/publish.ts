import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../ports.ts';
import { layeredSource, memorySource, openSource } from '../trust/source.ts';
import type { Enrolment } from '../trust/trust.ts';
import { NOTHING_SEEN, verifyRepository } from '../trust/verify.ts';
import { checkOrganisation } from './check.ts';
import { composeRelease, DEFAULT_TIMESTAMP_DAYS, type Release } from './compose.ts';
import { KEY_ROLES, type Keys, readKeys } from './keys.ts';
import { whilePublishing } from './lock.ts';
import type { RoleKeys } from './metadata.ts';
import { type OrganisationPaths, pathsOf, readEnrolment, readSources, writeText } from './organisation.ts';
import {
  type PublishedState,
  readPublished,
  readRepositoryFiles,
  type WriteFile,
  writeRepository,
} from './repository.ts';
import { type AdminResult, type Progress, refuse, silent } from './result.ts';

export interface PublishOptions {
  readonly dir: string;
  readonly passphrase: string;
  readonly clock: Clock;
  /** A further folder that receives the finished repository. */
  readonly out?: string;
  /** Days until staff without news of this organisation lose their tools. Default 30, 1–365. */
  readonly expiresDays?: number;
  readonly progress?: Progress;
  readonly write?: WriteFile;
}

export interface PublishReport {
  readonly version: number;
  readonly expires: number;
  readonly signed: readonly string[];
  readonly repository: string;
  readonly orgJson: string;
  readonly notes: readonly string[];
}

/** Signs and publishes what the folder says. Refuses what `policy check` refuses, and what a laptop would refuse. */
export async function publishOrganisation(options: PublishOptions): Promise<AdminResult<PublishReport>> {
  const paths = pathsOf(options.dir);
  const days = options.expiresDays ?? DEFAULT_TIMESTAMP_DAYS;
  if (!Number.isInteger(days) || days < 1 || days > 365) {
    return refuse('repository', `The expiry is ${days} days; expected a whole number from 1 to 365.`);
  }
  const enrolment = readEnrolment(paths);
  if (!enrolment.ok) return enrolment;
  return whilePublishing(paths.dir, () => publishLocked(options, enrolment.value, days));
}

async function publishLocked(
  options: PublishOptions,
  enrolment: Enrolment,
  days: number,
): Promise<AdminResult<PublishReport>> {
  const paths = pathsOf(options.dir);
  const progress = options.progress ?? silent;
  progress('Checking policy and manifest');
  const checked = await checkOrganisation(paths.dir);
  if (!checked.ok) return checked;
  const previous = readPublished(paths.repository);
  if (!previous.ok) return previous;
  progress('Opening the keys');
  // The root key may live offline; it is needed only when the root itself is renewed.
  const roles = KEY_ROLES.filter(
    (role) => role !== 'root' || !previous.value || existsSync(join(paths.keys, 'root.key')),
  );
  const keys = readKeys(paths.keys, roles, options.passphrase);
  if (!keys.ok) return keys;
  const published = await release({
    ...options,
    paths,
    enrolment,
    previous: previous.value,
    keys: keys.value,
    days,
    progress,
  });
  return published.ok ? { ok: true, value: { ...published.value, notes: checked.value.notes } } : published;
}

/** The part of publishing that `init` shares: compose, verify as a laptop would, write. */
export async function release(input: {
  readonly paths: OrganisationPaths;
  readonly enrolment: Enrolment | { readonly name: string; readonly repository: string };
  readonly previous: PublishedState | undefined;
  readonly keys: Keys;
  readonly days: number;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly out?: string;
  readonly write?: WriteFile;
}): Promise<AdminResult<Omit<PublishReport, 'notes'>>> {
  const { paths, keys, previous, progress } = input;
  const sources = readSources(paths);
  if (!sources.ok) return sources;
  const roleKeys = roleKeysOf(keys, previous);
  if (!roleKeys) return refuse('missing-key', `Not every role has a key in ${paths.keys}. Put the missing ones back.`);
  progress('Signing');
  const next = composeRelease({
    sources: sources.value,
    previous,
    keys,
    roleKeys,
    now: input.clock.now(),
    timestampDays: input.days,
  });
  const firstRoot: unknown = 'root' in input.enrolment ? input.enrolment.root : JSON.parse(next.rootText);
  const { name, repository } = input.enrolment;
  progress('Verifying as a laptop would');
  mkdirSync(paths.repository, { recursive: true });
  const problem = await verifyRelease(
    paths,
    { schema: 1, name, repository, root: firstRoot },
    next,
    previous,
    input.clock,
  );
  if (problem) return refuse('repository', `Nothing was published, because a laptop would refuse it: ${problem}`);
  progress('Writing the repository');
  const written = writeRepository(paths.repository, next.files, input.write);
  if (!written.ok) return written;
  const orgJson = `${JSON.stringify({ schema: 1, name, repository, root: JSON.parse(next.rootText) }, null, 2)}\n`;
  const handedOut = writeText(paths.orgJson, orgJson);
  if (!handedOut.ok) return handedOut;
  if (input.out !== undefined) {
    const all = readRepositoryFiles(paths.repository);
    const copied = all.ok ? writeRepository(input.out, all.value, input.write) : all;
    if (!copied.ok) return copied;
  }
  const { version, expires, signed } = next;
  return { ok: true, value: { version, expires, signed, repository: input.out ?? paths.repository, orgJson } };
}

async function verifyRelease(
  paths: OrganisationPaths,
  enrolment: Enrolment,
  next: Release,
  previous: PublishedState | undefined,
  clock: Clock,
): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-publish-'));
  try {
    const existing = openSource(pathToFileURL(paths.repository).href, {
      timeoutMs: 30_000,
      signal: new AbortController().signal,
    });
    const source = layeredSource(memorySource(next.files), existing);
    // A laptop that saw the last publish must accept this one.
    const roles = previous
      ? {
          timestamp: previous.timestamp.text,
          snapshot: previous.snapshot.text,
          targets: previous.targets.text,
          policy: previous.policy.text,
          servers: previous.servers.text,
        }
      : {};
    const seen = previous ? { roots: [], roles } : NOTHING_SEEN;
    const verdict = await verifyRepository({
      enrolment,
      source,
      seen,
      at: clock.now(),
      expiry: 'enforced',
      workIn: folder,
      where: paths.repository,
    });
    if (!verdict.ok) return verdict.message;
    return verdict.value.version === next.version
      ? undefined
      : `it would still see version ${verdict.value.version} instead of ${next.version}.`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The public half of every role's key. A root key kept offline is known from the published root. */
function roleKeysOf(keys: Keys, previous: PublishedState | undefined): RoleKeys | undefined {
  const { targets, policy, servers, snapshot, timestamp } = keys;
  const root = keys.root ?? publishedRootKey(previous);
  return root && targets && policy && servers && snapshot && timestamp
    ? { root, targets, policy, servers, snapshot, timestamp }
    : undefined;
}

function publishedRootKey(previous: PublishedState | undefined): RoleKeys['root'] | undefined {
  const root = previous?.root.metadata.signed;
  const keyId = root?.roles.root?.keyIDs[0];
  const hex = keyId === undefined ? undefined : root?.keys[keyId]?.keyVal.public;
  if (keyId === undefined || hex === undefined) return undefined;
  return { keyId, publicKey: { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } } };
}
