import { type BackendSession, type Backends, type ClientSide, createBackends } from '../backends/backends.ts';
import { sha256Hex } from '../policy/canonical.ts';
import { everyOffer } from '../policy/every-offer.ts';
import { isJsonObject } from '../policy/json.ts';
import { describeChanges, diffDefinitions, type Manifest, type ManifestServer } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { pathsOf, readManifest, writeManifest } from './organisation.ts';
import { changesSince, type FamilyChanges, recordPins } from './record-pins.ts';
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
  /** How many, and what changed of them. */
  readonly tools: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly tool: string; readonly changes: string }[];
  readonly prompts: FamilyChanges & { readonly count: number };
  readonly resourceTemplates: FamilyChanges & { readonly count: number };
  readonly resources: { readonly now: ManifestServer['resources']; readonly before: ManifestServer['resources'] };
  /** What changed of what the server declares it can do, a line each; "" for nothing. */
  readonly capabilitiesChanged: string;
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

/** Nobody is here to answer, and nothing is called. */
const looking: ClientSide = {
  capabilities: everyOffer,
  onRequest: async () => ({
    ok: false,
    error: { code: -32603, message: 'Nobody is here to answer: what this server shows is being recorded.' },
  }),
  onNotification: () => {},
};

async function pinServer(backends: Backends, server: ManifestServer, progress: Progress): Promise<Outcome> {
  const { alias } = server;
  try {
    progress(`Starting ${alias}`);
    const session = await backends.open(alias, 'pin', undefined, looking);
    const outcome = await recordServer(server, session);
    if (outcome.ok) progress(`Pinned ${alias}: ${outcome.report.tools} tools`);
    return outcome;
  } catch (error) {
    return { ok: false, alias, message: messageOf(error).replace(/\.$/, '') };
  }
}

async function recordServer(server: ManifestServer, session: BackendSession): Promise<Outcome> {
  const { alias } = server;
  const [tools, prompts, resourceTemplates] = await Promise.all([
    session.list('tools', 0),
    session.list('prompts', 0),
    session.list('resourceTemplates', 0),
  ]);
  const toolPins = recordPins('tools', server.tools, tools);
  if (!toolPins.ok) return { ok: false, alias, message: toolPins.message };
  const promptPins = recordPins('prompts', server.prompts, prompts);
  if (!promptPins.ok) return { ok: false, alias, message: promptPins.message };
  const templatePins = recordPins('resourceTemplates', server.resourceTemplates, resourceTemplates);
  if (!templatePins.ok) return { ok: false, alias, message: templatePins.message };

  const { capabilities, instructions: text } = session;
  const resources = resourcesOf(server, capabilities);
  const { added, removed, changed } = changesSince(server, 'tools', tools);
  const { instructions: before, ...rest } = server;
  return {
    ok: true,
    entry: {
      ...rest,
      ...(text === undefined ? {} : { instructions: { sha256: sha256Hex(text), text } }),
      tools: toolPins.pins,
      prompts: promptPins.pins,
      resourceTemplates: templatePins.pins,
      resources,
      capabilities,
    },
    report: {
      alias,
      tools: tools.length,
      added,
      removed,
      changed: changed.map(({ name, changes }) => ({ tool: name, changes })),
      prompts: { count: prompts.length, ...changesSince(server, 'prompts', prompts) },
      resourceTemplates: {
        count: resourceTemplates.length,
        ...changesSince(server, 'resourceTemplates', resourceTemplates),
      },
      resources: { now: resources, before: server.resources },
      capabilitiesChanged: describeCapabilities(server, session),
      instructionsChanged: before?.text !== text,
    },
  };
}

/** A server that had resources when it was pinned before keeps what IT made of them since. */
function resourcesOf(server: ManifestServer, now: ManifestServer['capabilities']): ManifestServer['resources'] {
  if (!isJsonObject(now.resources)) return 'none';
  return isJsonObject(server.capabilities.resources) ? server.resources : 'as-shown';
}

function describeCapabilities(server: ManifestServer, session: BackendSession): string {
  const known = [server.capabilities, server.tools, server.prompts, server.resourceTemplates];
  // At the first pin everything is new, and the lines below say so.
  if (known.every((entries) => Object.keys(entries).length === 0)) return '';
  const changes = diffDefinitions(server.capabilities, session.capabilities);
  return changes.length === 0 ? '' : describeChanges(changes);
}

function withPins(server: ManifestServer, pinned: ManifestServer | undefined): ManifestServer {
  if (!pinned) return server;
  const { instructions: _, ...rest } = server;
  const { tools, prompts, resourceTemplates, resources, capabilities, instructions } = pinned;
  return {
    ...rest,
    ...(instructions ? { instructions } : {}),
    tools,
    prompts,
    resourceTemplates,
    resources,
    capabilities,
  };
}
