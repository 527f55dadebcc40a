import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import { endpointKey } from './admit.ts';
import { nameTable } from './names.ts';
import { decideOn, type View } from './subjects.ts';

/** Without a policy in force only this is known: tools may come. */
const least: JsonObject = { tools: { listChanged: true } };

/** Extensions whose every method and notification, if they have any, passes through the gateway. */
export const tasksExtension = 'io.modelcontextprotocol/tasks';
const passing: ReadonlySet<string> = new Set([tasksExtension, 'io.modelcontextprotocol/ui']);

const known = new WeakMap<View['snapshot'], Map<string, JsonObject>>();

/**
 * What an endpoint can do for this caller: what its servers had declared when they were pinned, as far as the gateway passes it on and the
 * caller can see anything of the server. No server is started for it. On endpoints that merge servers, what any of them can do.
 */
export function capabilitiesOf(view: View | undefined, at: number): JsonObject {
  if (view === undefined) return least;
  const { snapshot, app, user, endpoint } = view;
  const perSnapshot = known.get(snapshot) ?? new Map<string, JsonObject>();
  known.set(snapshot, perSnapshot);
  const key = `${app}\0${user.id}\0${endpointKey(endpoint)}`;
  const made = perSnapshot.get(key) ?? mergedCapabilities(view, at);
  // Rules may read the clock, but what a server can do does not hang on the hour.
  perSnapshot.set(key, made);
  return made;
}

function mergedCapabilities(view: View, at: number): JsonObject {
  const prompting = visibleServers(view, 'prompt', at);
  const holding = resourceServers(view, at);
  const all = new Set([...visibleServers(view, 'tool', at), ...prompting, ...holding]);
  const declares = (name: string, servers: Iterable<ManifestServer> = all) =>
    [...servers].map((server) => server.capabilities[name]).filter(isJsonObject);
  const subscribe = declares('resources', holding).some((resources) => resources.subscribe === true);
  const completes = declares('completions', new Set([...prompting, ...holding])).length > 0;
  const tasks = declares('tasks').reduce<JsonObject | undefined>(merge, undefined);
  const extensions = extensionsOf(declares('extensions'));
  return {
    ...(declares('logging').length > 0 && { logging: {} }),
    ...(completes && { completions: {} }),
    ...(prompting.size > 0 && { prompts: { listChanged: true } }),
    ...(holding.size > 0 && { resources: { ...(subscribe && { subscribe }), listChanged: true } }),
    tools: { listChanged: true },
    ...(tasks !== undefined && { tasks }),
    ...(extensions !== undefined && { extensions }),
  };
}

function visibleServers(view: View, kind: 'tool' | 'prompt', at: number): ReadonlySet<ManifestServer> {
  const servers = new Set<ManifestServer>();
  for (const named of nameTable(view.snapshot, view.endpoint, kind).values()) {
    if (servers.has(named.server)) continue;
    if (decideOn(view, named, at).effect !== 'deny') servers.add(named.server);
  }
  return servers;
}

function resourceServers(view: View, at: number): ReadonlySet<ManifestServer> {
  const { snapshot, endpoint } = view;
  const servers = snapshot.manifest.servers.filter((server) => {
    if (server.state === 'revoked' || (endpoint.kind === 'alias' && endpoint.alias !== server.alias)) return false;
    if (server.resources !== 'as-shown' && Object.keys(server.resourceTemplates).length === 0) return false;
    return decideOn(view, { kind: 'resource', wireName: '', server, name: '' }, at).effect !== 'deny';
  });
  return new Set(servers);
}

function extensionsOf(declared: readonly JsonObject[]): JsonObject | undefined {
  const extensions = new Map<string, Json>();
  for (const each of declared) {
    for (const [name, settings] of Object.entries(each)) {
      if (passing.has(name) && !extensions.has(name)) extensions.set(name, settings);
    }
  }
  return extensions.size === 0 ? undefined : Object.fromEntries(extensions);
}

/** What one or the other can do; where both name something, what both say of it together. */
function merge(one: JsonObject | undefined, other: JsonObject): JsonObject {
  const members = new Map<string, Json>(Object.entries(one ?? {}));
  for (const [name, value] of Object.entries(other)) {
    const earlier = members.get(name);
    members.set(name, isJsonObject(earlier) && isJsonObject(value) ? merge(earlier, value) : value);
  }
  return Object.fromEntries(members);
}
