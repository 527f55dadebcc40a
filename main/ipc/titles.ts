import type { HeldBack } from '../gateway/gateway.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { ManifestServer, Pin } from '../policy/manifest.ts';

/** A tool's own title, else its name made readable: "create_issue" → "Create issue". */
export function titleOf(definition: JsonObject, name: string): string {
  const annotations = isJsonObject(definition.annotations) ? definition.annotations : {};
  for (const title of [definition.title, annotations.title])
    if (typeof title === 'string' && title.trim()) return title;
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/[_\-.]+/g, ' ')
    .trim()
    .toLowerCase();
  return words ? words.charAt(0).toUpperCase() + words.slice(1) : name;
}

/** A resource template's title or name; without either its address as it is: made readable it would be another one. */
export function titleOfTemplate(definition: JsonObject, template: string): string {
  return titleOf(definition, typeof definition.name === 'string' ? definition.name : '') || template;
}

/** What a tool, prompt or resource template is called by the policy in force; one that is not approved keeps its name. */
export function titleIn(server: ManifestServer | undefined, kind: HeldBack['kind'], name: string): string {
  switch (kind) {
    case undefined:
      return titleOf(definitionIn(server?.tools, name), name);
    case 'prompt':
      return titleOf(definitionIn(server?.prompts, name), name);
    case 'resource-template':
      return titleOfTemplate(definitionIn(server?.resourceTemplates, name), name);
    default:
      return kind satisfies never;
  }
}

function definitionIn(pins: Readonly<Record<string, Pin>> | undefined, name: string): JsonObject {
  return (pins && Object.hasOwn(pins, name) ? pins[name]?.definition : undefined) ?? {};
}
