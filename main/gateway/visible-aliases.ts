import { type PolicySnapshot, userOf } from '../policy/decide.ts';
import { seesServer } from './visible.ts';

/** Decisions may depend on the time of day: how long what was found is good. */
const maxAgeMs = 30_000;

interface Known {
  readonly at: number;
  readonly aliases: ReadonlySet<string>;
}

const known = new WeakMap<PolicySnapshot, Map<string, Known>>();

/**
 * The servers of which an app may see something, each on its own endpoint. Found for all of them at once, so that a name that
 * must not be known takes no longer to refuse than one that does not exist.
 */
export function visibleAliases(
  snapshot: PolicySnapshot,
  account: string,
  app: string,
  at: number,
): ReadonlySet<string> {
  const ofPolicy = known.get(snapshot) ?? new Map<string, Known>();
  known.set(snapshot, ofPolicy);
  const before = ofPolicy.get(app);
  if (before !== undefined && Math.abs(at - before.at) < maxAgeMs) return before.aliases;
  const user = userOf(snapshot, account);
  const aliases = new Set<string>();
  for (const { alias } of snapshot.manifest.servers) {
    if (seesServer({ snapshot, user, app, endpoint: { kind: 'alias', alias } }, alias, at)) aliases.add(alias);
  }
  ofPolicy.set(app, { at, aliases });
  return aliases;
}
