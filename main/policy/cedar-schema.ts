import { type CedarType, type RecordType, typeArguments } from './argument-types.ts';
import { isJsonObject, type Json, type JsonObject, type Problem } from './json.ts';
import type { Manifest, ManifestServer, Pin } from './manifest.ts';
import { own } from './problems.ts';

/** One pinned tool as Cedar knows it. */
export interface CedarTool {
  readonly alias: string;
  readonly name: string;
  /** "github.create_issue", the id of the Tool and the end of its actions' names. */
  readonly id: string;
  readonly server: ManifestServer;
  readonly attributes: JsonObject;
  readonly args: RecordType;
}

const questions = ['discover', 'call', 'unattended'] as const;

/** Every pinned tool, those of revoked servers too: a revocation must not make a rule about them invalid. */
export function describeTools(manifest: Manifest): { tools: readonly CedarTool[]; untyped: readonly Problem[] } {
  const untyped: Problem[] = [];
  const tools = manifest.servers.flatMap((server, i) =>
    Object.entries(server.tools).map(([name, pin]): CedarTool => {
      const input = own(pin.definition, 'inputSchema');
      const at = ['servers', i, 'tools', name, 'definition', 'inputSchema'];
      const args = typeArguments(isJsonObject(input) ? input : {}, at);
      untyped.push(...args.untyped);
      const id = `${server.alias}.${name}`;
      return { alias: server.alias, name, id, server, attributes: attributesOf(server, name, pin), args: args.type };
    }),
  );
  return { tools, untyped };
}

/** Hints default as the protocol says (MCP 2025-11-25, ToolAnnotations): not stated means the worse of the two. */
function attributesOf(server: ManifestServer, name: string, pin: Pin): JsonObject {
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

/** The schema in Cedar's own notation, in the order of the manifest. */
export function schemaText(tools: readonly CedarTool[]): string {
  const lines = [
    '// Generated from the pinned tools in manifest.json. Do not edit.',
    'entity Group;',
    'entity User in [Group];',
    'entity ServerGroup;',
    'entity Server in [ServerGroup];',
    'entity Tool in [Server] = {',
    '  "name": String,',
    '  "server": String,',
    '  "readOnly": Bool,',
    '  "destructive": Bool,',
    '  "idempotent": Bool,',
    '  "openWorld": Bool,',
    '  "labels": Set<String>,',
    '};',
    '',
    'action "discover", "call", "unattended";',
  ];
  // Cedar calls a rule over an empty group of actions impossible; until something is pinned, this stands in.
  const entries = tools.length > 0 ? tools : [{ id: 'nothing.pinned', args: noArguments }];
  for (const { id, args } of entries) {
    lines.push('');
    for (const question of questions) {
      const context = ['"app": String', '"profile"?: String'];
      if (question !== 'discover') context.push(`"args": ${typeText(args)}`);
      lines.push(
        `action ${cedarString(`${question}:${id}`)} in [Action::"${question}"] appliesTo {`,
        `  principal: [User], resource: [Tool], context: { ${context.join(', ')} }`,
        '};',
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

const noArguments: RecordType = { kind: 'Record', fields: new Map(), untyped: new Set() };

function typeText(type: CedarType): string {
  switch (type.kind) {
    case 'Set':
      return `Set<${typeText(type.element)}>`;
    case 'Record': {
      const fields = [...type.fields].map(
        ([name, field]) => `${cedarString(name)}${field.required ? '' : '?'}: ${typeText(field.type)}`,
      );
      return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
    }
    case 'String':
    case 'Long':
    case 'Bool':
    case 'decimal':
      return type.kind;
    default:
      return type satisfies never;
  }
}

/** A Cedar string literal: whatever the text holds, it ends where it should. */
export function cedarString(text: string): string {
  const escaped = text.replace(/[\\"\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu, (c) =>
    c === '\\' || c === '"' ? `\\${c}` : `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `"${escaped}"`;
}
