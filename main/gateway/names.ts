import { createHash } from 'node:crypto';
import type { Manifest, ManifestServer, Pin } from '../policy/manifest.ts';
import type { Endpoint } from './admit.ts';

/** A pinned tool and the name it has on the wire of one endpoint. */
export interface NamedTool {
  readonly wireName: string;
  readonly server: ManifestServer;
  readonly tool: string;
  readonly pin: Pin;
}

/** Wire name → tool, in manifest order, then pin order. Mapping back is a look-up: names are never taken apart. */
export type NameTable = ReadonlyMap<string, NamedTool>;

/** What the model APIs behind AI apps accept as a tool name. */
const acceptable = /^[A-Za-z0-9_-]{1,64}$/;
const longest = 64;

const merged = new WeakMap<Manifest, NameTable>();
const single = new WeakMap<ManifestServer, NameTable>();
const empty: NameTable = new Map();

/** The names of one endpoint: prefixed where servers are merged, the server's own where it stands alone. */
export function nameTable(manifest: Manifest, endpoint: Endpoint): NameTable {
  if (endpoint.kind === 'alias') {
    const server = manifest.servers.find((each) => each.alias === endpoint.alias && each.state !== 'revoked');
    return server === undefined ? empty : remember(single, server, () => ownNames(server));
  }
  return remember(merged, manifest, () => mergedNames(manifest));
}

function remember<K extends object>(known: WeakMap<K, NameTable>, key: K, make: () => NameTable): NameTable {
  const table = known.get(key) ?? make();
  known.set(key, table);
  return table;
}

function ownNames(server: ManifestServer): NameTable {
  const table = new Map<string, NamedTool>();
  for (const [tool, pin] of Object.entries(server.tools)) table.set(tool, { wireName: tool, server, tool, pin });
  return table;
}

function mergedNames(manifest: Manifest): NameTable {
  const servers = manifest.servers.filter((server) => server.state !== 'revoked');
  // Names that need no change are taken first, so that a shortened one can never push a plain one aside.
  const taken = new Set<string>();
  for (const server of servers) {
    for (const tool of Object.keys(server.tools)) {
      const plain = `${server.alias}__${tool}`;
      if (acceptable.test(plain)) taken.add(plain);
    }
  }
  const table = new Map<string, NamedTool>();
  for (const server of servers) {
    for (const [tool, pin] of Object.entries(server.tools)) {
      const plain = `${server.alias}__${tool}`;
      const wireName = acceptable.test(plain) ? plain : shortName(server.alias, tool, taken);
      taken.add(wireName);
      table.set(wireName, { wireName, server, tool, pin });
    }
  }
  return table;
}

/** `alias__` and what is acceptable of the name, then a hash of the exact name: the same on every laptop and every start. */
export function shortName(alias: string, tool: string, taken: ReadonlySet<string>): string {
  const digest = createHash('sha256').update(`${alias}\0${tool}`).digest('hex');
  const readable = `${alias}__${tool}`.replaceAll(/[^A-Za-z0-9_-]+/gu, '_');
  for (let length = 8; length <= 32; length += 8) {
    const name = `${readable.slice(0, longest - 1 - length)}_${digest.slice(0, length)}`;
    if (!taken.has(name)) return name;
  }
  return digest;
}
