import { type RecordType, typeArguments, typePromptArguments, typeResourceArguments } from './argument-types.ts';
import type { SubjectKind } from './decide.ts';
import { isJsonObject, type Json, type JsonObject, type Problem } from './json.ts';
import type { Manifest, ManifestServer, Pin } from './manifest.ts';
import { own } from './problems.ts';

/** What rules can be asked about: a pinned tool, a pinned prompt, or the resources of one server. */
export interface Subject {
  readonly kind: SubjectKind;
  /** Its type in Cedar. */
  readonly entity: 'Tool' | 'Prompt' | 'Resource';
  readonly alias: string;
  /** Its id in Cedar: "github.create_issue" for a tool or a prompt, the alias alone for resources. */
  readonly id: string;
  /** The end of its actions' names, see `actionOf`. */
  readonly action: string;
  readonly server: ManifestServer;
  readonly attributes: JsonObject;
  readonly args: RecordType;
}

/**
 * The end of the names of a subject's actions: "github.create_issue", "prompt:github.review", "resource:github". An alias has
 * neither "." nor ":", so the first of the two says which kind it is, whatever tools and prompts are called.
 */
export function actionOf(kind: SubjectKind, alias: string, name: string): string {
  switch (kind) {
    case 'tool':
      return `${alias}.${name}`;
    case 'prompt':
      return `prompt:${alias}.${name}`;
    case 'resource':
      return `resource:${alias}`;
    default:
      return kind satisfies never;
  }
}

/** True when anything of a server's resources is approved: those it shows, or those of some template. */
export function offersResources(server: Pick<ManifestServer, 'resources' | 'resourceTemplates'>): boolean {
  return server.resources === 'as-shown' || Object.keys(server.resourceTemplates).length > 0;
}

/** Everything pinned, that of revoked servers too: a revocation must not make a rule about them invalid. */
export function describeSubjects(manifest: Manifest): {
  readonly subjects: readonly Subject[];
  readonly untyped: readonly Problem[];
} {
  const untyped: Problem[] = [];
  const subjects = manifest.servers.flatMap((server, i): Subject[] => [
    ...Object.entries(server.tools).map(([name, pin]): Subject => {
      const input = own(pin.definition, 'inputSchema');
      const at = ['servers', i, 'tools', name, 'definition', 'inputSchema'];
      const args = typeArguments(isJsonObject(input) ? input : {}, at);
      untyped.push(...args.untyped);
      return subject('tool', 'Tool', server, name, toolAttributes(server, name, pin), args.type);
    }),
    ...Object.entries(server.prompts).map(([name, pin]): Subject => {
      const at = ['servers', i, 'prompts', name, 'definition', 'arguments'];
      const args = typePromptArguments(own(pin.definition, 'arguments'), at);
      untyped.push(...args.untyped);
      return subject('prompt', 'Prompt', server, name, readAttributes(server, name, pin.labels), args.type);
    }),
    ...(offersResources(server) ? [resourcesOf(server)] : []),
  ]);
  return { subjects, untyped };
}

function resourcesOf(server: ManifestServer): Subject {
  // One entity stands for all of them, so it has what IT said of any of them. No tool is called "": no rule means this by a name.
  const labels = new Set(Object.values(server.resourceTemplates).flatMap((pin) => pin.labels));
  return subject('resource', 'Resource', server, '', readAttributes(server, '', [...labels]), typeResourceArguments);
}

function subject(
  kind: SubjectKind,
  entity: Subject['entity'],
  server: ManifestServer,
  name: string,
  attributes: JsonObject,
  args: RecordType,
): Subject {
  const { alias } = server;
  const id = kind === 'resource' ? alias : `${alias}.${name}`;
  return { kind, entity, alias, id, action: actionOf(kind, alias, name), server, attributes, args };
}

/** Hints default as the protocol says (MCP 2025-11-25, ToolAnnotations): not stated means the worse of the two. */
function toolAttributes(server: ManifestServer, name: string, pin: Pin): JsonObject {
  const annotations = own(pin.definition, 'annotations');
  const hint = (key: string, standard: boolean): boolean => {
    const value: Json | undefined = isJsonObject(annotations) ? own(annotations, key) : undefined;
    return typeof value === 'boolean' ? value : standard;
  };
  const readOnly = hint('readOnlyHint', false);
  return {
    name,
    server: server.alias,
    readOnly,
    // "Meaningful only when readOnlyHint is false": what only reads does not destroy, unless it says so itself.
    destructive: hint('destructiveHint', !readOnly),
    idempotent: hint('idempotentHint', false),
    openWorld: hint('openWorldHint', true),
    labels: pin.labels,
  };
}

/** Prompts are fetched and resources read, neither changes anything (MCP 2025-11-25, Server Features); where the text comes from is not said. */
function readAttributes(server: ManifestServer, name: string, labels: Pin['labels']): JsonObject {
  return {
    name,
    server: server.alias,
    readOnly: true,
    destructive: false,
    idempotent: true,
    openWorld: true,
    labels,
  };
}
