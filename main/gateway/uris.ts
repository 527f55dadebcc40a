import type { Manifest, ManifestServer } from '../policy/manifest.ts';
import type { Endpoint } from './admit.ts';

/** How URIs of servers are written on one endpoint, and read back. */
export interface UriNames {
  /** The URI of a server as callers of this endpoint see it. Undefined where URIs are left as they are. */
  renamerOf(alias: string): RenameUri | undefined;
  /** Whose URI a caller means, and the server's own spelling of it; undefined when it is nobody's. */
  find(wireUri: string): { readonly server: ManifestServer; readonly uri: string } | undefined;
}

export type RenameUri = (uri: string) => string;

interface Prefixes {
  readonly byAlias: ReadonlyMap<string, string>;
  readonly servers: ReadonlyMap<string, ManifestServer>;
}

const known = new WeakMap<Manifest, Prefixes>();
const merged = new WeakMap<Manifest, UriNames>();

/**
 * On endpoints that merge servers a URI is `<prefix>+<the server's own URI>`: its scheme (RFC 3986 §3.1) then says whose it is, `+` being
 * the one character of a scheme that no prefix has. Reading back takes what stands before the first `+` and looks it up: what a server puts
 * into its own URIs, another's prefix too, cannot make them another server's. On the endpoint of one server nothing is changed.
 */
export function uriNames(manifest: Manifest, endpoint: Endpoint): UriNames {
  if (endpoint.kind === 'alias') {
    const server = manifest.servers.find((each) => each.alias === endpoint.alias && each.state !== 'revoked');
    return {
      renamerOf: () => undefined,
      find: (uri) => (server === undefined ? undefined : { server, uri }),
    };
  }
  const made = merged.get(manifest) ?? mergedNames(manifest);
  merged.set(manifest, made);
  return made;
}

function mergedNames(manifest: Manifest): UriNames {
  const { byAlias, servers } = prefixesOf(manifest);
  const renamers = new Map<string, RenameUri>();
  for (const [alias, prefix] of byAlias) renamers.set(alias, (uri) => `${prefix}+${uri}`);
  return {
    renamerOf: (alias) => renamers.get(alias),
    find(wireUri) {
      const plus = wireUri.indexOf('+');
      const server = plus < 0 ? undefined : servers.get(wireUri.slice(0, plus));
      return server === undefined ? undefined : { server, uri: wireUri.slice(plus + 1) };
    },
  };
}

function prefixesOf(manifest: Manifest): Prefixes {
  const made = known.get(manifest);
  if (made !== undefined) return made;
  const byAlias = new Map<string, string>();
  const all = manifest.named ?? manifest.servers;
  // A scheme begins with a letter. Aliases that do are taken as they are, before any other is given an "x-" in front.
  for (const { alias } of all) if (/^[a-z]/.test(alias)) byAlias.set(alias, alias);
  const taken = new Set(byAlias.values());
  for (const { alias } of all) {
    if (byAlias.has(alias)) continue;
    let prefix = `x-${alias}`;
    while (taken.has(prefix)) prefix = `x-${prefix}`;
    taken.add(prefix);
    byAlias.set(alias, prefix);
  }
  const servers = new Map<string, ManifestServer>();
  for (const server of manifest.servers) {
    const prefix = byAlias.get(server.alias);
    if (prefix !== undefined && server.state !== 'revoked') servers.set(prefix, server);
  }
  const prefixes = { byAlias, servers };
  known.set(manifest, prefixes);
  return prefixes;
}
