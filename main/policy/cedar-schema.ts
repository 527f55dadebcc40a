import { type CedarType, type RecordType, typeResourceArguments } from './argument-types.ts';
import type { Subject } from './subjects.ts';

const questions = ['discover', 'call', 'unattended'] as const;
const entities = ['Tool', 'Prompt', 'Resource'] as const;

/** The part of a subject that its actions are made of. */
export type SchemaEntry = Pick<Subject, 'entity' | 'action' | 'args'>;

const noArguments: RecordType = { kind: 'Record', fields: new Map(), untyped: new Set() };

/** Stand in for kinds of which nothing is pinned. Cedar calls a rule over what no action applies to impossible. */
export const standIns: readonly SchemaEntry[] = [
  { entity: 'Tool', action: 'nothing.pinned', args: noArguments },
  { entity: 'Prompt', action: 'prompt:nothing.pinned', args: noArguments },
  { entity: 'Resource', action: 'resource:nothing', args: typeResourceArguments },
];

/** The schema in Cedar's own notation, in the order of the manifest. */
export function schemaText(subjects: readonly SchemaEntry[]): string {
  const lines = [
    '// Generated from what is pinned in manifest.json. Do not edit.',
    'entity Group;',
    'entity User in [Group];',
    'entity ServerGroup;',
    'entity Server in [ServerGroup];',
    // One shape for all, so that a rule over everything is a rule over each of them.
    ...entities.flatMap((entity) => [
      `entity ${entity} in [Server] = {`,
      '  "name": String,',
      '  "server": String,',
      '  "readOnly": Bool,',
      '  "destructive": Bool,',
      '  "idempotent": Bool,',
      '  "openWorld": Bool,',
      '  "labels": Set<String>,',
      '};',
    ]),
    '',
    'action "discover", "call", "unattended";',
  ];
  const entries = subjects.length > 0 ? subjects : standIns.slice(0, 1);
  for (const { entity, action, args } of entries) {
    lines.push('');
    for (const question of questions) {
      const context = ['"app": String', '"profile"?: String'];
      if (question !== 'discover') context.push(`"args": ${typeText(args)}`);
      lines.push(
        `action ${cedarString(`${question}:${action}`)} in [Action::"${question}"] appliesTo {`,
        `  principal: [User], resource: [${entity}], context: { ${context.join(', ')} }`,
        '};',
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

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
