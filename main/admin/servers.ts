import { parsePolicyDocument } from '../policy/document.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Launch, ManifestServer } from '../policy/manifest.ts';
import { splitCommand } from './command-line.ts';
import { resolveNpmPackage } from './npm.ts';
import { type OrganisationPaths, pathsOf, readManifest, readText, writeManifest } from './organisation.ts';
import { type AdminResult, type Progress, refuse, silent } from './result.ts';

const SCHEMA = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json';

/** npx downloads through the company's proxy and trusts its certificates, or it does not start at all. Named in the manifest, so that IT sees it. */
const NPX_ENVIRONMENT = ['NODE_EXTRA_CA_CERTS', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'];

const OLD_TRANSPORT =
  "HTTP+SSE is the transport of 2024-11-05; ask the server's owner for a Streamable HTTP address, and use --http then.";

/** Where a server comes from. `command` names program and arguments outright, for callers that need no parsing. */
export type ServerSource =
  | { readonly kind: 'npm'; readonly spec: string; readonly args: readonly string[] }
  | { readonly kind: 'stdio'; readonly text: string; readonly args: readonly string[] }
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'sse'; readonly url: string };

export interface AddServerOptions {
  readonly dir: string;
  readonly source: ServerSource;
  /** Default: made from the package, program or host name. */
  readonly alias?: string;
  readonly title?: string;
  readonly owner?: string;
  readonly groups?: readonly string[];
  /** Names of environment variables the server may see. */
  readonly env?: readonly string[];
  /** Takes the place of the server with this alias and keeps its pins, to be compared at the next pin. */
  readonly replace?: boolean;
  readonly progress?: Progress;
}

export interface AddServerReport {
  readonly alias: string;
  readonly name: string;
  readonly version: string;
  readonly launch: Launch;
  readonly replaced: boolean;
  readonly notes: readonly string[];
}

interface Described {
  readonly server: JsonObject;
  readonly launch: Launch;
  readonly suggestedAlias: string;
  readonly title: string;
  readonly notes: readonly string[];
}

/** Adds an approved server to manifest.json. It has no tools until it is pinned. */
export async function addServer(options: AddServerOptions): Promise<AdminResult<AddServerReport>> {
  const paths = pathsOf(options.dir);
  const manifest = readManifest(paths);
  if (!manifest.ok) return manifest;
  const described = await describeSource(options);
  if (!described.ok) return described;
  const { launch, notes, suggestedAlias } = described.value;
  const alias = options.alias ?? suggestedAlias;
  if (!/^[a-z0-9-]{1,24}$/.test(alias)) {
    return refuse(
      'invalid-server',
      `The alias "${alias}" cannot be used; expected 1 to 24 of a–z, 0–9 and "-". Choose one with --alias.`,
    );
  }
  const existing = manifest.value.servers.find((server) => server.alias === alias);
  if (existing && !options.replace) {
    return refuse(
      'alias-taken',
      `The alias "${alias}" already belongs to ${String(existing.server.name)}. Choose another with --alias, or take its place with --replace.`,
    );
  }
  const server = named(described.value.server, alias);
  const entry: ManifestServer = {
    server,
    alias,
    title: options.title ?? existing?.title ?? described.value.title,
    owner: options.owner ?? existing?.owner ?? contactOf(paths),
    groups: options.groups ?? existing?.groups ?? [],
    state: 'active',
    launch,
    auth: { kind: 'none' },
    ...(existing?.instructions ? { instructions: existing.instructions } : {}),
    tools: existing?.tools ?? {},
    prompts: existing?.prompts ?? {},
    resourceTemplates: existing?.resourceTemplates ?? {},
    resources: existing?.resources ?? 'none',
    capabilities: existing?.capabilities ?? {},
  };
  const servers = existing
    ? manifest.value.servers.map((old) => (old === existing ? entry : old))
    : [...manifest.value.servers, entry];
  const written = writeManifest(paths, { schema: 1, servers });
  if (!written.ok) return written;
  return {
    ok: true,
    value: {
      alias,
      name: String(server.name),
      version: String(server.version),
      launch,
      replaced: existing !== undefined,
      notes,
    },
  };
}

/** Takes a server out of manifest.json: after the next publish its connections close on every laptop. */
export function removeServer(dir: string, alias: string): AdminResult<{ readonly alias: string }> {
  const paths = pathsOf(dir);
  const manifest = readManifest(paths);
  if (!manifest.ok) return manifest;
  const servers = manifest.value.servers.filter((server) => server.alias !== alias);
  if (servers.length === manifest.value.servers.length) return unknownServer(alias, manifest.value.servers);
  const written = writeManifest(paths, { schema: 1, servers });
  return written.ok ? { ok: true, value: { alias } } : written;
}

export function unknownServer(alias: string, servers: readonly ManifestServer[]) {
  const known = servers.map((server) => server.alias).join(', ') || 'none';
  return refuse('unknown-server', `manifest.json has no server with the alias "${alias}"; it has: ${known}.`);
}

async function describeSource(options: AddServerOptions): Promise<AdminResult<Described>> {
  const { source, progress = silent } = options;
  const env = [...(options.env ?? [])];
  switch (source.kind) {
    case 'npm': {
      progress(`Asking npm about ${source.spec}`);
      const found = await resolveNpmPackage(source.spec);
      return found.ok ? { ok: true, value: describeNpm(source.spec, found.value, source.args, env) } : found;
    }
    case 'stdio': {
      const split = splitCommand(source.text);
      if (!split.ok) return refuse('invalid-server', `The command cannot be read: ${split.message}.`);
      const [command = '', ...args] = split.argv;
      return { ok: true, value: describeCommand(command, [...args, ...source.args], env) };
    }
    case 'command':
      return { ok: true, value: describeCommand(source.command, source.args, env) };
    case 'http':
    case 'sse':
      return describeRemote(source.url, source.kind);
    default: {
      const never: never = source;
      return never;
    }
  }
}

function describeNpm(
  spec: string,
  found: { name: string; version: string; integrity: string; description: string; mcpName?: string },
  args: readonly string[],
  env: readonly string[],
): Described {
  const exact = `${found.name}@${found.version}`;
  const [scope, bare] = found.name.startsWith('@') ? found.name.slice(1).split('/') : ['package', found.name];
  // Only a package that says so is known to the registry by a name; others get one that cannot be mistaken for it.
  const name =
    found.mcpName && /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/.test(found.mcpName)
      ? found.mcpName
      : `npm.${clean(scope ?? '')}/${clean(bare ?? '')}`;
  return {
    server: {
      $schema: SCHEMA,
      name,
      description: (found.description || exact).slice(0, 100),
      version: found.version,
      packages: [
        {
          registryType: 'npm',
          registryBaseUrl: 'https://registry.npmjs.org',
          identifier: found.name,
          version: found.version,
          runtimeHint: 'npx',
          transport: { type: 'stdio' },
          ...(args.length > 0 ? { packageArguments: args.map((value) => ({ type: 'positional', value })) } : {}),
          ...(env.length > 0 ? { environmentVariables: env.map((variable) => ({ name: variable })) } : {}),
        },
      ],
    },
    launch: {
      transport: 'stdio',
      command: 'npx',
      args: ['-y', exact, ...args],
      env: [...new Set([...NPX_ENVIRONMENT, ...env])],
      integrity: found.integrity,
    },
    suggestedAlias: aliasFrom(bare ?? found.name),
    title: titleFrom(bare ?? found.name),
    notes: spec === exact ? [] : [`${spec} is ${exact} today; that exact version was recorded.`],
  };
}

function describeCommand(command: string, args: readonly string[], env: readonly string[]): Described {
  const base = command.split(/[\\/]/).at(-1) ?? command;
  return {
    server: {
      $schema: SCHEMA,
      name: 'local.command/',
      description: 'A program on this computer.',
      version: '1.0.0',
    },
    launch: { transport: 'stdio', command, args: [...args], env: [...env] },
    suggestedAlias: aliasFrom(base.replace(/\.exe$/i, '')),
    title: titleFrom(base.replace(/\.exe$/i, '')),
    notes: ['Nothing vouches for the program behind this command: only its tools are pinned, not its files.'],
  };
}

function describeRemote(url: string, transport: 'http' | 'sse'): AdminResult<Described> {
  if (!URL.canParse(url))
    return refuse('invalid-server', `"${url}" is not an address; expected one such as https://mcp.example.com/mcp.`);
  const host = new URL(url).hostname;
  const reversed = /^[\d.]+$|:/.test(host) ? 'local.http' : host.split('.').reverse().join('.');
  const label = host.split('.').find((part) => !['www', 'mcp', 'api'].includes(part)) ?? host;
  return {
    ok: true,
    value: {
      server: {
        $schema: SCHEMA,
        name: `${clean(reversed)}/`,
        description: `Remote server at ${host}`.slice(0, 100),
        version: '1.0.0',
        remotes: [{ type: transport === 'sse' ? 'sse' : 'streamable-http', url }],
      },
      launch: { transport, url },
      suggestedAlias: aliasFrom(label),
      title: titleFrom(label),
      notes: transport === 'sse' ? [OLD_TRANSPORT] : [],
    },
  };
}

/** Completes a name that ends in "/" by the alias: a command or address has no name of its own. */
function named(server: JsonObject, alias: string): JsonObject {
  const name = String(server.name);
  return name.endsWith('/') ? { ...server, name: `${name}${alias}` } : server;
}

function contactOf(paths: OrganisationPaths): string {
  const text = readText(paths.policyJson);
  const document = text.ok ? parsePolicyDocument(text.value) : undefined;
  return document?.ok ? document.value.contact : 'IT';
}

const clean = (text: string) => text.replace(/[^a-zA-Z0-9.-]/g, '-').replace(/^[.-]+|[.-]+$/g, '') || 'unnamed';

/** "@modelcontextprotocol/server-filesystem" is "filesystem" to people. */
function aliasFrom(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const short = plain.replace(/^(?:mcp-)?server-|^mcp-|-mcp-server$|-mcp$|-server$/g, '').replace(/^-+|-+$/g, '');
  return (short || plain).slice(0, 24).replace(/-+$/, '') || 'server';
}

function titleFrom(name: string): string {
  const words = aliasFrom(name).replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
