import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, MetadataKind, type Root, type Targets } from '@tufjs/models';
import { Updater } from 'tuf-js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { digestOfTargets } from '../policy/canonical.ts';
import { readRoot } from './enrolment.ts';
import { describeFailure, type Refusal } from './refusal.ts';
import type { RepositorySource } from './source.ts';
import type { Enrolment, VerifiedTargets } from './trust.ts';
import { BASE, ROLES, readRoleText, TARGETS, TufFetcher } from './tuf-fetcher.ts';

/** Metadata that was verified at some time, kept so that nothing older is ever accepted. */
export interface SeenMetadata {
  /** Root versions after the enrolment's own, oldest first. */
  readonly roots: readonly string[];
  /** Last verified text of timestamp, snapshot, targets and the delegated roles. */
  readonly roles: Readonly<Record<string, string>>;
}

export const NOTHING_SEEN: SeenMetadata = { roots: [], roles: {} };

/** The later of two memories, by their timestamp's version; the second where the first cannot be read. */
export function newerSeen(one: SeenMetadata, other: SeenMetadata): SeenMetadata {
  return timestampVersion(one) >= timestampVersion(other) ? one : other;
}

function timestampVersion(seen: SeenMetadata): number {
  try {
    return Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(seen.roles.timestamp ?? 'null')).signed.version;
  } catch {
    // Nothing there, or nothing readable: older than anything.
    return 0;
  }
}

export interface Verification {
  readonly enrolment: Enrolment;
  readonly source: RepositorySource;
  readonly seen: SeenMetadata;
  /** Now, in milliseconds since the epoch. */
  readonly at: number;
  /** "ignored" for what was accepted before and is judged by its expiry and grace afterwards. */
  readonly expiry: 'enforced' | 'ignored';
  /** Existing folder for the TUF client's working files; what is put there is removed again. */
  readonly workIn: string;
  /** Where the files come from, as the person knows it. */
  readonly where: string;
}

export type Verdict = {
  /** To be kept even when the verdict is a refusal: it is what rollback protection rests on. */
  readonly seen: SeenMetadata;
} & (
  | { readonly ok: true; readonly value: VerifiedTargets; readonly files: ReadonlyMap<string, string> }
  | ({ readonly ok: false } & Refusal)
);

// Clocks of laptops are off by hours in practice; an attacker gains nothing from a day.
const CLOCK_TOLERANCE_MS = 24 * 3_600_000;
/** No organisation can have signed anything before this program existed. */
const FIRST_BUILD = Date.UTC(2026, 0, 1);

const LIMITS = {
  maxRootRotations: 64,
  maxDelegations: 8,
  rootMaxLength: 512_000,
  timestampMaxLength: 64_000,
  snapshotMaxLength: 512_000,
  targetsMaxLength: 1_000_000,
};

/** The TUF client workflow (specification 1.0, section 5) over `source`, in a working folder of its own. Never throws. */
export async function verifyRepository(input: Verification): Promise<Verdict> {
  let folder: string;
  try {
    mkdirSync(input.workIn, { recursive: true, mode: 0o700 });
    folder = mkdtempSync(join(input.workIn, 'work-'));
  } catch (error) {
    return { ok: false, seen: input.seen, ...describeFailure(error, input.where) };
  }
  const fetcher = new TufFetcher(input.source, join(folder, 'download'));
  const roots = trustedRoots(input.enrolment, input.seen.roots);
  try {
    prepare(folder, input, roots);
    const updater = new Updater({
      metadataDir: folder,
      metadataBaseUrl: `${BASE}/metadata`,
      targetDir: folder,
      targetBaseUrl: `${BASE}/targets`,
      fetcher,
      config: LIMITS,
    });
    setReferenceTime(updater, input.expiry === 'enforced' ? input.at : 0);
    await updater.refresh();
    const texts: Record<string, string> = {};
    const files = new Map<string, string>();
    for (const target of TARGETS) {
      const info = await updater.getTargetInfo(target.path);
      if (!info) throw new Error(`no target ${target.path} in the repository`);
      requireOwnRole(folder, target, info.toJSON());
      texts[target.path] = readFileSync(await updater.downloadTarget(info, join(folder, 'target')), 'utf8');
      files.set(`targets/${info.hashes.sha256}.${target.path}`, texts[target.path] ?? '');
    }
    const seen = collectSeen(folder, roots, fetcher);
    const roles = readRoles(folder);
    if (!roles.root.signed.consistentSnapshot) throw new Error('the repository must use consistent snapshots');
    const clock = checkClock(input.at, roles.issued, input.where);
    if (clock) return { ok: false, seen: input.seen, ...clock };
    for (const [path, text] of metadataFiles(seen, roles)) files.set(path, text);
    return { ok: true, seen, files, value: toVerified(input.enrolment, texts, roles) };
  } catch (error) {
    return {
      ok: false,
      seen: seenSoFar(folder, roots, fetcher) ?? input.seen,
      ...describeFailure(fetcher.failure ?? error, input.where),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function prepare(folder: string, input: Verification, roots: readonly string[]): void {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write('root.json', roots.at(-1) ?? JSON.stringify(input.enrolment.root));
  for (const role of ROLES) {
    const text = input.seen.roles[role];
    if (text !== undefined) write(`${role}.json`, text);
  }
}

/** The part of the kept root chain that still leads from the enrolment's root (TUF 5.3.4 to 5.3.7). A break ends it; newer roots are fetched again. */
export function trustedRoots(enrolment: Enrolment, kept: readonly string[]): readonly string[] {
  const chain: string[] = [];
  let trusted = readRoot(enrolment);
  for (const text of kept) {
    try {
      const next: Metadata<Root> = Metadata.fromJSON(MetadataKind.Root, JSON.parse(text));
      // An enrolment newer than the first kept roots starts further along the same chain.
      if (next.signed.version <= trusted.signed.version) continue;
      if (next.signed.version !== trusted.signed.version + 1) break;
      trusted.verifyDelegate('root', next);
      next.verifyDelegate('root', next);
      chain.push(text);
      trusted = next;
    } catch {
      // Damaged on disk or of another organisation: whatever follows cannot be trusted, and is not.
      break;
    }
  }
  return chain;
}

/** tuf-js reads the system clock itself; verification here depends on the time it is given, so that grace and tests are exact. */
function setReferenceTime(updater: Updater, at: number): void {
  const store: unknown = Reflect.get(updater, 'trustedSet');
  if (!(store instanceof TrustedMetadataStore) || !(Reflect.get(store, 'referenceTime') instanceof Date)) {
    throw new Error('tuf-js no longer keeps its reference time where it is set');
  }
  Reflect.set(store, 'referenceTime', new Date(at));
}

/** The delegated role itself must list the target, with a SHA-256: neither the targets key nor the other delegation may stand in for it. */
function requireOwnRole(folder: string, target: (typeof TARGETS)[number], info: unknown): void {
  const own: Metadata<Targets> = Metadata.fromJSON(
    MetadataKind.Targets,
    JSON.parse(readRoleText(folder, target.role) ?? 'null'),
  );
  const listed = own.signed.targets[target.path];
  if (!listed || JSON.stringify(listed.toJSON()) !== JSON.stringify(info)) {
    throw new Error(`${target.path} was signed by 0/1 keys of the role ${target.role}`);
  }
  if (!/^[0-9a-f]{64}$/.test(listed.hashes.sha256 ?? '') || Object.keys(listed.hashes)[0] !== 'sha256') {
    throw new Error(`${target.path} has no SHA-256 in the metadata of ${target.role}`);
  }
}

function collectSeen(folder: string, roots: readonly string[], fetcher: TufFetcher): SeenMetadata {
  const roles: Record<string, string> = {};
  for (const role of ROLES) {
    const text = readRoleText(folder, role);
    if (text !== undefined) roles[role] = text;
  }
  // tuf-js keeps a root on disk only once it is verified, so its version bounds what counts of the downloads.
  const newest = readRoleText(folder, 'root');
  const fresh: string[] = [];
  for (const text of fetcher.roots) {
    fresh.push(text);
    if (text === newest) return { roots: [...roots, ...fresh], roles };
  }
  return { roots, roles };
}

function seenSoFar(folder: string, roots: readonly string[], fetcher: TufFetcher): SeenMetadata | undefined {
  try {
    return collectSeen(folder, roots, fetcher);
  } catch {
    // The working folder itself is gone or unreadable; the refusal being reported says so.
    return undefined;
  }
}

interface Roles {
  readonly root: Metadata<Root>;
  readonly versions: Readonly<Record<string, number>>;
  readonly expires: number;
  readonly issued: number;
  readonly signers: VerifiedTargets['signers'];
}

/** Reads back what the TUF client verified and kept. */
function readRoles(folder: string): Roles {
  const json = (role: string) => JSON.parse(readRoleText(folder, role) ?? 'null');
  const root = Metadata.fromJSON(MetadataKind.Root, json('root'));
  const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, json('timestamp'));
  const snapshot = Metadata.fromJSON(MetadataKind.Snapshot, json('snapshot'));
  const targets = Metadata.fromJSON(MetadataKind.Targets, json('targets'));
  const policy = Metadata.fromJSON(MetadataKind.Targets, json('policy'));
  const servers = Metadata.fromJSON(MetadataKind.Targets, json('servers'));
  const all = { timestamp, snapshot, targets, policy, servers };
  const versions = Object.fromEntries(Object.entries(all).map(([role, metadata]) => [role, metadata.signed.version]));
  const issued = Date.parse(String(timestamp.signed.unrecognizedFields.issued ?? ''));
  return {
    root,
    versions,
    expires: Math.min(...[root, ...Object.values(all)].map((metadata) => Date.parse(metadata.signed.expires))),
    issued: Number.isNaN(issued) ? FIRST_BUILD : issued,
    signers: { policy: signersOf(targets, 'policy', policy), servers: signersOf(targets, 'servers', servers) },
  };
}

/** The key ids of a delegation whose signature over `metadata` really verifies. */
function signersOf(delegator: Metadata<Targets>, role: string, metadata: Metadata<Targets>): readonly string[] {
  const delegations = delegator.signed.delegations;
  return (delegations?.roles?.[role]?.keyIDs ?? []).filter((id) => {
    try {
      delegations?.keys[id]?.verifySignature(metadata);
      return delegations?.keys[id] !== undefined;
    } catch {
      // A key of the role that did not sign: expected under a threshold.
      return false;
    }
  });
}

function metadataFiles(seen: SeenMetadata, roles: Roles): readonly (readonly [string, string])[] {
  const files: [string, string][] = seen.roots.map((text) => [
    `metadata/${Metadata.fromJSON(MetadataKind.Root, JSON.parse(text)).signed.version}.root.json`,
    text,
  ]);
  for (const role of ROLES) {
    const name = role === 'timestamp' ? 'timestamp.json' : `${roles.versions[role]}.${role}.json`;
    files.push([`metadata/${name}`, seen.roles[role] ?? '']);
  }
  return files;
}

function checkClock(at: number, issued: number, where: string): Refusal | undefined {
  const earliest = Math.max(issued, FIRST_BUILD);
  if (at >= earliest - CLOCK_TOLERANCE_MS) return undefined;
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  return {
    code: 'clock-wrong',
    message: `This computer's clock says ${day(at)}, but the policy at ${where} was signed on ${day(earliest)}. Set the date and time, then refresh.`,
  };
}

function toVerified(enrolment: Enrolment, texts: Readonly<Record<string, string>>, roles: Roles): VerifiedTargets {
  const files = {
    policyJson: texts['policy.json'] ?? '',
    policyCedar: texts['policy.cedar'] ?? '',
    manifestJson: texts['manifest.json'] ?? '',
  };
  return {
    organisation: enrolment.name,
    version: roles.versions.snapshot ?? 0,
    digest: digestOfTargets(files),
    ...files,
    expires: roles.expires,
    signers: roles.signers,
  };
}
