import type { ListKind } from '../backends/backends.ts';
import { sha256OfJson } from '../policy/canonical.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import {
  comparePrompts,
  compareTemplates,
  compareTools,
  describeChanges,
  type Label,
  type ManifestServer,
  type Pin,
  type PinVerdict,
} from '../policy/manifest.ts';

/** What is pinned one by one, and how a person reads of it. */
export type Family = 'tools' | 'prompts' | 'resourceTemplates';

export const NOUNS = {
  tools: 'tool',
  prompts: 'prompt',
  resourceTemplates: 'resource template',
} as const satisfies Partial<Record<ListKind, string>>;

/** What of one family differs from the last pin. */
export interface FamilyChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly name: string; readonly changes: string }[];
}

type Pins = Readonly<Record<string, Pin>>;

/** The pins of what a server shows, with the labels IT gave before. */
export function recordPins(
  family: Family,
  before: Pins,
  shown: readonly JsonObject[],
): { readonly ok: true; readonly pins: Pins } | { readonly ok: false; readonly message: string } {
  const pins = new Map<string, Pin>();
  for (const definition of shown) {
    const name = definition[family === 'resourceTemplates' ? 'uriTemplate' : 'name'];
    if (typeof name !== 'string') return { ok: false, message: `it shows a ${NOUNS[family]} without a name` };
    if (pins.has(name)) return { ok: false, message: `it shows the ${NOUNS[family]} "${name}" twice` };
    const given = Object.hasOwn(before, name) ? before[name]?.labels : undefined;
    const labels = given ?? (family === 'tools' ? labelsOf(definition) : []);
    pins.set(name, { sha256: sha256OfJson(definition), definition, labels });
  }
  // fromEntries defines own properties, so that a tool called __proto__ stays a tool.
  return { ok: true, pins: Object.fromEntries(pins) };
}

/** A server's own hint counts only in its disfavour: what does not claim to be read-only is taken to change something. */
function labelsOf(definition: JsonObject): readonly Label[] {
  const { annotations } = definition;
  return isJsonObject(annotations) && annotations.readOnlyHint === true ? [] : ['changes-state'];
}

/** What changed since the last pin. */
export function changesSince(server: ManifestServer, family: Family, shown: readonly JsonObject[]): FamilyChanges {
  const added: string[] = [];
  const removed: string[] = [];
  const changed: { name: string; changes: string }[] = [];
  for (const [name, verdict] of compareFamily(server, family, shown)) {
    switch (verdict.state) {
      case 'approved':
        break;
      case 'unpinned':
        added.push(name);
        break;
      case 'missing':
        removed.push(name);
        break;
      case 'changed':
        changed.push({ name, changes: describeChanges(verdict.changes) });
        break;
      default: {
        const never: never = verdict;
        return never;
      }
    }
  }
  return { added, removed, changed };
}

function compareFamily(
  server: ManifestServer,
  family: Family,
  shown: readonly JsonObject[],
): ReadonlyMap<string, PinVerdict> {
  switch (family) {
    case 'tools':
      return compareTools(server, shown);
    case 'prompts':
      return comparePrompts(server, shown);
    case 'resourceTemplates':
      return compareTemplates(server, shown);
    default:
      return family satisfies never;
  }
}
