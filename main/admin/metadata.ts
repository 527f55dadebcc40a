import { createHash } from 'node:crypto';
import { Metadata, MetadataKind, type Root, type Snapshot, type Targets, type Timestamp } from '@tufjs/models';
import type { KeyRole, PublicKey, SigningKey } from './keys.ts';
import type { Sources } from './organisation.ts';

const SPEC_VERSION = '1.0.31';
export const DAY_MS = 86_400_000;

/** Which key may sign for which role. */
export type RoleKeys = Readonly<Record<KeyRole, { readonly keyId: string; readonly publicKey: PublicKey }>>;

type Json = Parameters<typeof Metadata.fromJSON>[1];

interface Life {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** root.json (TUF 4.3): one key for each role, consistent snapshots. */
export function makeRoot(keys: RoleKeys, life: Life): Metadata<Root> {
  const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const;
  return Metadata.fromJSON(
    MetadataKind.Root,
    unsigned('root', life, {
      consistent_snapshot: true,
      keys: keysJson(roles.map((role) => keys[role])),
      roles: Object.fromEntries(roles.map((role) => [role, { keyids: [keys[role].keyId], threshold: 1 }])),
    }),
  );
}

/** The top-level targets.json (TUF 4.5): no files of its own, two delegations with exact paths that end the search. */
export function makeDelegations(keys: RoleKeys, life: Life): Metadata<Targets> {
  const delegate = (name: 'policy' | 'servers', paths: readonly string[]) => ({
    name,
    keyids: [keys[name].keyId],
    threshold: 1,
    terminating: true,
    paths: [...paths],
  });
  return Metadata.fromJSON(
    MetadataKind.Targets,
    unsigned('targets', life, {
      targets: {},
      delegations: {
        keys: keysJson([keys.policy, keys.servers]),
        roles: [delegate('policy', ['policy.json', 'policy.cedar']), delegate('servers', ['manifest.json'])],
      },
    }),
  );
}

export function makePolicyTargets(sources: Sources, life: Life): Metadata<Targets> {
  return makeTargets({ 'policy.json': sources.policyJson, 'policy.cedar': sources.policyCedar }, life);
}

export function makeServersTargets(sources: Sources, life: Life): Metadata<Targets> {
  return makeTargets({ 'manifest.json': sources.manifestJson }, life);
}

function makeTargets(files: Readonly<Record<string, string>>, life: Life): Metadata<Targets> {
  const targets = Object.fromEntries(Object.entries(files).map(([path, text]) => [path, describeText(text)]));
  return Metadata.fromJSON(MetadataKind.Targets, unsigned('targets', life, { targets }));
}

export interface Listed {
  readonly version: number;
  readonly text: string;
}

/** snapshot.json (TUF 4.4). Length and digest of each role's file, so that no mixture of versions fits. */
export function makeSnapshot(
  listed: Readonly<Record<'targets' | 'policy' | 'servers', Listed>>,
  life: Life,
): Metadata<Snapshot> {
  const meta = Object.fromEntries(
    Object.entries(listed).map(([role, { version, text }]) => [`${role}.json`, { version, ...describeText(text) }]),
  );
  return Metadata.fromJSON(MetadataKind.Snapshot, unsigned('snapshot', life, { meta }));
}

/** timestamp.json (TUF 4.6). `issued` is an addition of ours: a laptop whose clock is far behind it can say so. */
export function makeTimestamp(snapshot: Listed, issued: number, life: Life): Metadata<Timestamp> {
  return Metadata.fromJSON(
    MetadataKind.Timestamp,
    unsigned('timestamp', life, {
      meta: { 'snapshot.json': { version: snapshot.version, ...describeText(snapshot.text) } },
      issued: dateOf(issued),
    }),
  );
}

/** Signs and writes out, in the form that is published. */
export function signed(
  metadata: Metadata<Root | Targets | Snapshot | Timestamp>,
  ...keys: readonly SigningKey[]
): string {
  for (const key of keys) metadata.sign((data) => key.sign(data));
  return `${JSON.stringify(metadata.toJSON(), null, 1)}\n`;
}

function unsigned(type: string, life: Life, fields: Readonly<Record<string, unknown>>): Json {
  const whole = {
    signatures: [],
    signed: {
      _type: type,
      spec_version: SPEC_VERSION,
      version: life.version,
      expires: dateOf(life.expires),
      ...fields,
    },
  };
  return JSON.parse(JSON.stringify(whole));
}

const keysJson = (keys: readonly { readonly keyId: string; readonly publicKey: PublicKey }[]) =>
  Object.fromEntries(keys.map(({ keyId, publicKey }) => [keyId, publicKey]));

function describeText(text: string): { length: number; hashes: { sha256: string } } {
  return { length: Buffer.byteLength(text), hashes: { sha256: createHash('sha256').update(text).digest('hex') } };
}

/** TUF dates have no fractions of a second (4.2.1). */
function dateOf(time: number): string {
  return new Date(Math.floor(time / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
