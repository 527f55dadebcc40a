import type { Decision, PolicySnapshot } from '../policy/decide.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import { type Endpoint, endpointKey } from './admit.ts';
import type { AnnouncedKind } from './change-teller.ts';
import { decideOn, findResource, type ResourceSubject, type View } from './subjects.ts';
import { uriNames } from './uris.ts';

/** Decisions may depend on the time of day: how long one is good for telling who hears of a change. */
const maxAgeMs = 30_000;
/** Callers, servers and kinds of one policy that are remembered. */
const knownLimit = 10_000;

const all = ['tools', 'prompts', 'resources'] as const satisfies readonly AnnouncedKind[];

interface Known {
  readonly at: number;
  readonly sees: boolean;
}

const known = new WeakMap<PolicySnapshot, Map<string, Known>>();

/** Whether this caller can see anything of this kind of a server: only then does it hear that it changed. */
export function seesAny(view: View, alias: string, kind: AnnouncedKind, at: number): boolean {
  const ofPolicy = known.get(view.snapshot) ?? new Map<string, Known>();
  known.set(view.snapshot, ofPolicy);
  const key = `${kind}\0${alias}\0${view.user.id}\0${view.app}\0${endpointKey(view.endpoint)}`;
  const before = ofPolicy.get(key);
  if (before !== undefined && Math.abs(at - before.at) < maxAgeMs) return before.sees;
  const sees = looksFor(view, alias, kind, at);
  if (ofPolicy.size >= knownLimit) ofPolicy.clear();
  ofPolicy.set(key, { at, sees });
  return sees;
}

/** Whether an app can see anything at all of a server, on whichever of its endpoints. Decided now. */
export function seesOnAnyEndpoint(view: Omit<View, 'endpoint'>, alias: string, at: number): boolean {
  const profiles = view.snapshot.document.profiles.map(({ name }): Endpoint => ({ kind: 'profile', profile: name }));
  const endpoints: readonly Endpoint[] = [{ kind: 'all' }, { kind: 'alias', alias }, ...profiles];
  return endpoints.some((endpoint) => seesServer({ ...view, endpoint }, alias, at));
}

/** Whether this caller can see anything at all of a server. Decided now. */
export function seesServer(view: View, alias: string, at: number): boolean {
  return all.some((kind) => looksFor(view, alias, kind, at));
}

function looksFor(view: View, alias: string, kind: AnnouncedKind, at: number): boolean {
  const { endpoint, snapshot } = view;
  if (endpoint.kind === 'alias' && endpoint.alias !== alias) return false;
  const server = snapshot.manifest.servers.find((each) => each.alias === alias);
  if (server === undefined || server.state === 'revoked') return false;
  switch (kind) {
    case 'tools':
      return looksForNamed(view, server, 'tool', at);
    case 'prompts':
      return looksForNamed(view, server, 'prompt', at);
    case 'resources': {
      if (server.resources !== 'as-shown' && Object.keys(server.resourceTemplates).length === 0) return false;
      const any: ResourceSubject = { kind: 'resource', wireName: '', server, name: '' };
      return decideOn(view, any, at).effect !== 'deny';
    }
    default:
      return kind satisfies never;
  }
}

function looksForNamed(view: View, server: ManifestServer, kind: 'tool' | 'prompt', at: number): boolean {
  return Object.entries(kind === 'tool' ? server.tools : server.prompts).some(
    ([name, pin]) => decideOn(view, { kind, wireName: name, server, name, pin }, at).effect !== 'deny',
  );
}

/** What the policy says of this caller's hearing of a server's resource, by the server's own URI. */
export function effectOnWatch(view: View, alias: string, uri: string, at: number): Decision['effect'] {
  const { snapshot, endpoint } = view;
  const rename = uriNames(snapshot.manifest, endpoint).renamerOf(alias);
  const subject = findResource(snapshot, endpoint, rename === undefined ? uri : rename(uri));
  if (subject === undefined || subject.server.alias !== alias) return 'deny';
  if (decideOn(view, subject, at).effect === 'deny') return 'deny';
  return decideOn(view, subject, at, { uri }).effect;
}
