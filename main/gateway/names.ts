import { createHash } from 'node:crypto';
import type { PolicySnapshot } from '../policy/decide.ts';
import type { Manifest, ManifestServer, Pin } from '../policy/manifest.ts';
import type { Endpoint } from './admit.ts';

/** What has a name that a server chose and an organisation pinned. */
export type NamedKind = 'tool' | 'prompt';

/** A pinned tool or prompt and the name it has on the wire of one endpoint. */
export interface Named {
  readonly kind: NamedKind;
  readonly wireName: string;
  readonly server: ManifestServer;
  /** The server's own name for it. */
  readonly name: string;
  readonly pin: Pin;
}

/** Wire name → what it names, in manifest order, then pin order. Mapping back is a look-up: names are never taken apart. */
export type NameTable = ReadonlyMap<string, Named>;

/** What the names of an endpoint depend on. */
export interface NameSource {
  readonly manifest: Manifest;
  readonly document: { readonly names: PolicySnapshot['document']['names'] };
}

/** What the model APIs behind AI apps accept as a tool name. */
const acceptable = /^[A-Za-z0-9_-]{1,64}$/;
const longest = 64;

type Tables = Partial<Record<string, NameTable>>;
const merged = new WeakMap<Manifest, Tables>();
const single = new WeakMap<ManifestServer, Tables>();
const empty: NameTable = new Map();

/** The names of one endpoint: the server's own where it stands alone, prefixed as the policy says where servers are merged. */
export function nameTable({ manifest, document }: NameSource, endpoint: Endpoint, kind: NamedKind): NameTable {
  if (endpoint.kind === 'alias') {
    const server = manifest.servers.find((each) => each.alias === endpoint.alias && each.state !== 'revoked');
    return server === undefined ? empty : remember(single, server, kind, () => ownNames(server, kind));
  }
  const { prefix } = document.names;
  return remember(merged, manifest, `${kind} ${prefix}`, () => mergedNames(manifest, kind, prefix));
}

function remember<K extends object>(known: WeakMap<K, Tables>, of: K, key: string, make: () => NameTable): NameTable {
  const tables = known.get(of) ?? {};
  known.set(of, tables);
  tables[key] ??= make();
  return tables[key];
}

function pinsOf(server: ManifestServer, kind: NamedKind): readonly (readonly [string, Pin])[] {
  return Object.entries(kind === 'tool' ? server.tools : server.prompts);
}

function ownNames(server: ManifestServer, kind: NamedKind): NameTable {
  const table = new Map<string, Named>();
  for (const [name, pin] of pinsOf(server, kind)) table.set(name, { kind, wireName: name, server, name, pin });
  return table;
}

/**
 * Worked out over everything pinned, whether or not this caller may see it and whether or not the person switched it off: what one person
 * sees must not change what another calls it.
 */
function mergedNames(manifest: Manifest, kind: NamedKind, prefix: 'always' | 'on-collision'): NameTable {
  const servers = (manifest.named ?? manifest.servers).filter((server) => server.state !== 'revoked');
  const plain = new Map<string, Named>();
  const taken = new Set<string>();
  // Names that need no change are taken first, so that a shortened one can never push a plain one aside.
  for (const server of servers) {
    for (const [name] of pinsOf(server, kind)) {
      const prefixed = `${server.alias}__${name}`;
      if (acceptable.test(prefixed)) taken.add(prefixed);
    }
  }
  const alone = prefix === 'always' ? new Set<string>() : namesOfOne(servers, kind, taken);
  const offered = new Set(manifest.servers.map((server) => server.alias));
  for (const server of servers) {
    for (const [name, pin] of pinsOf(server, kind)) {
      const prefixed = `${server.alias}__${name}`;
      let wireName = name;
      if (!alone.has(name))
        wireName = acceptable.test(prefixed) ? prefixed : shortName(server.alias, name, taken, alone);
      taken.add(wireName);
      if (offered.has(server.alias)) plain.set(wireName, { kind, wireName, server, name, pin });
    }
  }
  return plain;
}

/** Acceptable names that one server has and no other, and that are no other's name with its prefix either. */
function namesOfOne(servers: readonly ManifestServer[], kind: NamedKind, prefixed: ReadonlySet<string>): Set<string> {
  const owners = new Map<string, number>();
  for (const server of servers) {
    for (const [name] of pinsOf(server, kind)) owners.set(name, (owners.get(name) ?? 0) + 1);
  }
  const alone = new Set<string>();
  for (const [name, count] of owners) {
    if (count === 1 && acceptable.test(name) && !prefixed.has(name)) alone.add(name);
  }
  return alone;
}

/** `alias__` and what is acceptable of the name, then a hash of the exact name: the same on every laptop and every start. */
export function shortName(
  alias: string,
  name: string,
  taken: ReadonlySet<string>,
  alsoTaken: ReadonlySet<string> = new Set(),
): string {
  const digest = createHash('sha256').update(`${alias}\0${name}`).digest('hex');
  const readable = `${alias}__${name}`.replaceAll(/[^A-Za-z0-9_-]+/gu, '_');
  for (let length = 8; length <= 32; length += 8) {
    const short = `${readable.slice(0, longest - 1 - length)}_${digest.slice(0, length)}`;
    if (!taken.has(short) && !alsoTaken.has(short)) return short;
  }
  return digest;
}
