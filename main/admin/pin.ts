import { type BackendSession, type Backends, createBackends } from '../backends/backends.ts';
import { sha256Hex, sha256OfJson } from '../policy/canonical.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import {
  compareTools,
  describeChanges,
  type Label,
  type Manifest,
  type ManifestServer,
  type Pin,
} from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { pathsOf, readManifest, writeManifest } from './organisation.ts';
import { type AdminResult, messageOf, type Progress, refuse, silent } from './result.ts';
import { unknownServer } from './servers.ts';

export interface PinOptions {
  readonly dir: string;
  /** Default: every server that is not revoked. */
  readonly aliases?: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Milliseconds one server may take to start; npx may have to download first. Default 120000. */
  readonly startTimeoutMs?: number;
  readonly progress?: Progress;
}

export interface PinnedServer {
  readonly alias: string;
  readonly tools: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly tool: string; readonly changes: string }[];
  readonly instructionsChanged: boolean;
}

export interface PinReport {
  readonly pinned: readonly PinnedServer[];
  /** Servers that could not be pinned; their earlier pins are untouched. */
  readonly failed: readonly { readonly alias: string; readonly message: string }[];
}

/** Starts each server, records what it shows and says what changed. One that fails does not spoil the others. */
export async function pinServers(options: PinOptions): Promise<AdminResult<PinReport>> {
  const paths = pathsOf(options.dir);
  const manifest = readManifest(paths);
  if (!manifest.ok) return manifest;
  const chosen = chooseServers(manifest.value, options.aliases ?? []);
  if (!chosen.ok) return chosen;
  const progress = options.progress ?? silent;
  const backends = createBackends({
    clock: options.clock,
    log: options.log,
    clientInfo: { name: 'gatehouse-admin', title: 'Gatehouse', version: options.version },
    startTimeoutMs: options.startTimeoutMs ?? 120_000,
  });
  try {
    backends.apply(chosen.value);
    const outcomes = await Promise.all(chosen.value.map((server) => pinServer(backends, server, progress)));
    const entries = new Map(
      outcomes.flatMap((outcome) => (outcome.ok ? [[outcome.entry.alias, outcome.entry] as const] : [])),
    );
    // Read again: a person may have edited the file while servers were starting.
    const now = readManifest(paths);
    if (!now.ok) return now;
    const servers = now.value.servers.map((server) => withPins(server, entries.get(server.alias)));
    const written = writeManifest(paths, { schema: 1, servers });
    if (!written.ok) return written;
    return {
      ok: true,
      value: {
        pinned: outcomes.flatMap((outcome) => (outcome.ok ? [outcome.report] : [])),
        failed: outcomes.flatMap((outcome) => (outcome.ok ? [] : [{ alias: outcome.alias, message: outcome.message }])),
      },
    };
  } finally {
    await backends.close();
  }
}

function chooseServers(manifest: Manifest, aliases: readonly string[]): AdminResult<readonly ManifestServer[]> {
  if (aliases.length === 0) return { ok: true, value: manifest.servers.filter((server) => server.state !== 'revoked') };
  const chosen: ManifestServer[] = [];
  for (const alias of new Set(aliases)) {
    const server = manifest.servers.find((candidate) => candidate.alias === alias);
    if (!server) return unknownServer(alias, manifest.servers);
    if (server.state === 'revoked') {
      return refuse(
        'server-failed',
        `The server "${alias}" is revoked in manifest.json, so it is not started. Set its state to "active" first.`,
      );
    }
    chosen.push(server);
  }
  return { ok: true, value: chosen };
}

type Outcome =
  | { readonly ok: true; readonly entry: ManifestServer; readonly report: PinnedServer }
  | { readonly ok: false; readonly alias: string; readonly message: string };

async function pinServer(backends: Backends, server: ManifestServer, progress: Progress): Promise<Outcome> {
  const { alias } = server;
  try {
    progress(`Starting ${alias}`);
    const session = await backends.open(alias, 'pin');
    const shown = await session.tools(0);
    const recorded = recordTools(server, shown);
    if (!recorded.ok) return { ok: false, alias, message: recorded.message };
    progress(`Pinned ${alias}: ${shown.length} tools`);
    return { ok: true, ...describePins(server, shown, recorded.tools, session) };
  } catch (error) {
    return { ok: false, alias, message: messageOf(error).replace(/\.$/, '') };
  }
}

function recordTools(
  server: ManifestServer,
  shown: readonly JsonObject[],
):
  | { readonly ok: true; readonly tools: Readonly<Record<string, Pin>> }
  | { readonly ok: false; readonly message: string } {
  const tools: [string, Pin][] = [];
  for (const definition of shown) {
    const { name } = definition;
    if (typeof name !== 'string') return { ok: false, message: 'it shows a tool without a name' };
    if (tools.some(([known]) => known === name)) return { ok: false, message: `it shows the tool "${name}" twice` };
    const labels = Object.hasOwn(server.tools, name) ? server.tools[name]?.labels : undefined;
    tools.push([name, { sha256: sha256OfJson(definition), definition, labels: labels ?? defaultLabels(definition) }]);
  }
  // fromEntries defines own properties, so that a tool called __proto__ stays a tool.
  return { ok: true, tools: Object.fromEntries(tools) };
}

/** A server's own hint counts only in its disfavour: what does not claim to be read-only is taken to change something. */
function defaultLabels(definition: JsonObject): readonly Label[] {
  const { annotations } = definition;
  return isJsonObject(annotations) && annotations.readOnlyHint === true ? [] : ['changes-state'];
}

function describePins(
  server: ManifestServer,
  shown: readonly JsonObject[],
  tools: Readonly<Record<string, Pin>>,
  session: BackendSession,
): { readonly entry: ManifestServer; readonly report: PinnedServer } {
  const added: string[] = [];
  const removed: string[] = [];
  const changed: { tool: string; changes: string }[] = [];
  for (const [tool, verdict] of compareTools(server, shown)) {
    switch (verdict.state) {
      case 'approved':
        break;
      case 'unpinned':
        added.push(tool);
        break;
      case 'missing':
        removed.push(tool);
        break;
      case 'changed':
        changed.push({ tool, changes: describeChanges(verdict.changes) });
        break;
      default: {
        const never: never = verdict;
        return never;
      }
    }
  }
  const text = session.instructions;
  const { instructions: before, ...rest } = server;
  const entry: ManifestServer = {
    ...rest,
    ...(text === undefined ? {} : { instructions: { sha256: sha256Hex(text), text } }),
    tools,
  };
  const report = {
    alias: server.alias,
    tools: shown.length,
    added,
    removed,
    changed,
    instructionsChanged: before?.text !== text,
  };
  return { entry, report };
}

function withPins(server: ManifestServer, pinned: ManifestServer | undefined): ManifestServer {
  if (!pinned) return server;
  const { instructions: _, ...rest } = server;
  return { ...rest, ...(pinned.instructions ? { instructions: pinned.instructions } : {}), tools: pinned.tools };
}
