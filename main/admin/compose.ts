import { createHash } from 'node:crypto';
import type { Metadata, Targets } from '@tufjs/models';
import type { Keys, SigningKey } from './keys.ts';
import {
  DAY_MS,
  makeDelegations,
  makePolicyTargets,
  makeRoot,
  makeServersTargets,
  makeSnapshot,
  makeTimestamp,
  type RoleKeys,
  signed,
} from './metadata.ts';
import type { Sources } from './organisation.ts';
import type { Published, PublishedState } from './repository.ts';

/** Days. The timestamp outlives a Christmas closure; what it leads to lives longer, so that publishing again renews it in time. */
export const DEFAULT_TIMESTAMP_DAYS = 30;
const ROLE_DAYS = 90;
const ROOT_DAYS = 365;
/** The root is signed again this long before it ends, so that a laptop that is rarely online still sees the next one. */
const ROOT_RENEWAL_DAYS = 180;

export interface Release {
  /** New and re-used files by repository path; what is already published is among them unchanged. */
  readonly files: ReadonlyMap<string, string>;
  readonly rootText: string;
  readonly version: number;
  /** Earliest end of anything in it, ms since the epoch. */
  readonly expires: number;
  /** Which roles were signed anew, for IT to read. */
  readonly signed: readonly string[];
}

/** Builds the next signed state. Parts that did not change and live long enough keep their version. Pure but for the keys' signatures. */
export function composeRelease(input: {
  readonly sources: Sources;
  readonly previous: PublishedState | undefined;
  readonly keys: Keys;
  readonly roleKeys: RoleKeys;
  readonly now: number;
  readonly timestampDays: number;
}): Release {
  const { sources, previous, roleKeys, now } = input;
  const until = now + input.timestampDays * DAY_MS;
  const fresh: string[] = [];
  const key = (role: keyof Keys): SigningKey => {
    const found = input.keys[role];
    if (!found) throw new Error(`the key of the role ${role} was not opened`);
    fresh.push(role);
    return found;
  };
  const life = (last: number | undefined, days = Math.max(ROLE_DAYS, input.timestampDays)) => ({
    version: (last ?? 0) + 1,
    expires: now + days * DAY_MS,
  });

  const role = (
    name: 'targets' | 'policy' | 'servers',
    make: typeof makePolicyTargets,
  ): { version: number; text: string; expires: number } => {
    const last = previous?.[name];
    const next = make(sources, life(last?.metadata.signed.version));
    if (
      last &&
      says(last, next) &&
      Date.parse(last.metadata.signed.expires) >= until &&
      signedBy(last, roleKeys[name].keyId)
    )
      return outline(last);
    return { version: next.signed.version, text: signed(next, key(name)), expires: Date.parse(next.signed.expires) };
  };
  const root = (() => {
    const last = previous?.root;
    const ends = last ? Date.parse(last.metadata.signed.expires) : 0;
    if (last && (ends - now >= ROOT_RENEWAL_DAYS * DAY_MS || !input.keys.root)) return outline(last);
    const next = makeRoot(roleKeys, life(last?.metadata.signed.version, ROOT_DAYS));
    return { version: next.signed.version, text: signed(next, key('root')), expires: Date.parse(next.signed.expires) };
  })();
  const targets = role('targets', (_, span) => makeDelegations(roleKeys, span));
  const policy = role('policy', makePolicyTargets);
  const servers = role('servers', makeServersTargets);
  const snapshot = (() => {
    const last = previous?.snapshot;
    const next = makeSnapshot({ targets, policy, servers }, life(last?.metadata.signed.version));
    const same =
      last && JSON.stringify(last.metadata.signed.toJSON().meta) === JSON.stringify(next.signed.toJSON().meta);
    if (last && same && Date.parse(last.metadata.signed.expires) >= until) return outline(last);
    return {
      version: next.signed.version,
      text: signed(next, key('snapshot')),
      expires: Date.parse(next.signed.expires),
    };
  })();
  const timestamp = makeTimestamp(
    snapshot,
    now,
    life(previous?.timestamp.metadata.signed.version, input.timestampDays),
  );
  const timestampText = signed(timestamp, key('timestamp'));

  const files = new Map<string, string>([
    ...targetFiles(sources),
    [`metadata/${root.version}.root.json`, root.text],
    [`metadata/${targets.version}.targets.json`, targets.text],
    [`metadata/${policy.version}.policy.json`, policy.text],
    [`metadata/${servers.version}.servers.json`, servers.text],
    [`metadata/${snapshot.version}.snapshot.json`, snapshot.text],
    ['metadata/timestamp.json', timestampText],
  ]);
  const ends = [root, targets, policy, servers, snapshot].map((part) => part.expires);
  return {
    files,
    rootText: root.text,
    version: snapshot.version,
    expires: Math.min(...ends, Date.parse(timestamp.signed.expires)),
    signed: fresh,
  };
}

function outline(last: Published<never> | Published<Targets> | PublishedState['root'] | PublishedState['snapshot']): {
  version: number;
  text: string;
  expires: number;
} {
  const { version, expires } = last.metadata.signed;
  return { version, text: last.text, expires: Date.parse(expires) };
}

/** Whether the published role lists the same files and delegations. */
function says(last: Published<Targets>, next: Metadata<Targets>): boolean {
  const content = (metadata: Metadata<Targets>) => {
    const { targets, delegations } = metadata.signed.toJSON();
    return JSON.stringify([targets, delegations]);
  };
  return content(last.metadata) === content(next);
}

const signedBy = (last: Published<Targets>, keyId: string) => keyId in last.metadata.signatures;

function targetFiles(sources: Sources): [string, string][] {
  const files = {
    'policy.json': sources.policyJson,
    'policy.cedar': sources.policyCedar,
    'manifest.json': sources.manifestJson,
  };
  return Object.entries(files).map(([name, text]) => [
    `targets/${createHash('sha256').update(text).digest('hex')}.${name}`,
    text,
  ]);
}
