import { diffLines } from 'diff';
import { canonicalize, NotCanonical, sha256Hex } from './canonical.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import type { FieldChange, ManifestServer, Pin, PinVerdict } from './manifest.ts';
import { own, pointer, quote } from './problems.ts';

/** Compares a server's raw tool definitions with its pins, by tool name. A name shown twice is "changed". */
export function compareTools(server: Pick<ManifestServer, 'tools'>, shown: readonly JsonObject[]): PinVerdicts {
  return comparePins(server.tools, shown, (definition) => own(definition, 'name'));
}

/** The same for prompts, by prompt name. */
export function comparePrompts(server: Pick<ManifestServer, 'prompts'>, shown: readonly JsonObject[]): PinVerdicts {
  return comparePins(server.prompts, shown, (definition) => own(definition, 'name'));
}

/** The same for resource templates, by URI template as the server writes it. */
export function compareTemplates(
  server: Pick<ManifestServer, 'resourceTemplates'>,
  shown: readonly JsonObject[],
): PinVerdicts {
  return comparePins(server.resourceTemplates, shown, (definition) => own(definition, 'uriTemplate'));
}

export type PinVerdicts = ReadonlyMap<string, PinVerdict>;

/** Compares what a server shows with pins, by what names a definition. A name shown twice is "changed". */
export function comparePins(
  pins: Readonly<Record<string, Pin>>,
  shown: readonly JsonObject[],
  keyOf: (definition: JsonObject) => Json | undefined,
): PinVerdicts {
  const verdicts = new Map<string, PinVerdict>();
  for (const definition of shown) {
    const name = keyOf(definition);
    // Without a name nobody can ask for it; there is nothing to approve or to withhold.
    if (typeof name !== 'string') continue;
    const earlier = verdicts.get(name);
    // The first difference stays: a second, approved-looking copy must not cover it.
    if (earlier?.state === 'changed' || earlier?.state === 'unpinned') continue;
    const pin = Object.hasOwn(pins, name) ? pins[name] : undefined;
    const verdict = pin === undefined ? unpinned(definition) : judge(pin, definition);
    if (earlier?.state === 'approved' && verdict.state === 'approved') {
      const { sha256 } = verdict.pin;
      verdicts.set(name, { state: 'changed', pin: verdict.pin, shown: definition, shownSha256: sha256, changes: [] });
    } else {
      verdicts.set(name, verdict);
    }
  }
  for (const [name, pin] of Object.entries(pins)) {
    if (!verdicts.has(name)) verdicts.set(name, { state: 'missing', pin });
  }
  return verdicts;
}

function unpinned(shown: JsonObject): PinVerdict {
  return { state: 'unpinned', shown, shownSha256: digestOf(shown) };
}

function judge(pin: Pin, shown: JsonObject): PinVerdict {
  const shownSha256 = digestOf(shown);
  if (shownSha256 === pin.sha256) return { state: 'approved', pin };
  return { state: 'changed', pin, shown, shownSha256, changes: diffDefinitions(pin.definition, shown) };
}

/** A definition without a canonical form gets a digest no pin can have: a pin's text always is canonical JSON. */
function digestOf(definition: JsonObject): string {
  try {
    return sha256Hex(canonicalize(definition));
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    return sha256Hex(`not canonical at ${error.path}: ${error.found}`);
  }
}

/** More changes than this are not read one by one; the last entry then compares the whole. */
const maxChanges = 200;
const maxDepth = 64;

/** Every field that differs, deepest first difference, in the order of the names. */
export function diffDefinitions(before: JsonObject, after: JsonObject): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  collect(before, after, [], changes);
  if (changes.length <= maxChanges) return changes;
  return [{ path: '', before, after }];
}

function collect(before: Json, after: Json, path: readonly (string | number)[], changes: FieldChange[]): void {
  if (Object.is(before, after) || changes.length > maxChanges) return;
  const bothLists = Array.isArray(before) && Array.isArray(after);
  const bothObjects = isJsonObject(before) && isJsonObject(after);
  if ((!bothLists && !bothObjects) || path.length >= maxDepth) {
    // -0 and 0 are one number in JSON, and a deep branch may well be equal.
    if (!sameJson(before, after)) changes.push({ path: pointer(path), before, after });
    return;
  }
  if (bothLists) {
    for (let i = 0; i < Math.max(before.length, after.length); i++) {
      step(i < before.length ? before[i] : undefined, i < after.length ? after[i] : undefined, [...path, i], changes);
    }
  } else if (bothObjects) {
    for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      step(own(before, name), own(after, name), [...path, name], changes);
    }
  }
}

function step(
  before: Json | undefined,
  after: Json | undefined,
  path: readonly (string | number)[],
  changes: FieldChange[],
): void {
  if (before === undefined && after !== undefined) changes.push({ path: pointer(path), after });
  else if (before !== undefined && after === undefined) changes.push({ path: pointer(path), before });
  else if (before !== undefined && after !== undefined) collect(before, after, path, changes);
}

function sameJson(a: Json, b: Json): boolean {
  try {
    return canonicalize(a) === canonicalize(b);
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    return false;
  }
}

/** A readable before/after of one definition, one line per changed field, long text as unified lines. */
export function describeChanges(changes: readonly FieldChange[]): string {
  if (changes.length === 0) return 'The same name was shown twice.';
  return changes.map(describe).join('\n');
}

function describe(change: FieldChange): string {
  const where = change.path === '' ? 'The whole definition' : change.path;
  if (change.before === undefined) return `${where}: added ${inline(change.after)}`;
  if (change.after === undefined) return `${where}: removed, was ${inline(change.before)}`;
  const before = asText(change.before);
  const after = asText(change.after);
  if (before.length + after.length <= 120 && !before.includes('\n') && !after.includes('\n')) {
    return `${where}: ${inline(change.before)} → ${inline(change.after)}`;
  }
  const lines = diffLines(before, after, { maxEditLength: 2000 });
  if (lines === undefined) return `${where}: changed throughout`;
  return `${where}:\n${lines.flatMap(unified).join('\n')}`;
}

function unified(part: { value: string; added?: boolean; removed?: boolean }): string[] {
  const mark = part.added ? '+' : part.removed ? '-' : ' ';
  return part.value
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `  ${mark} ${visible(line)}`);
}

function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function inline(value: Json | undefined): string {
  if (typeof value === 'string') return value.length > 200 ? `text of ${value.length} characters` : quoteAll(value);
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 200 ? visible(text) : `${visible(text.slice(0, 199))}…`;
}

function quoteAll(text: string): string {
  return text.length <= 60 ? quote(text) : `"${visible(text)}"`;
}

/** Hidden characters are how a changed description smuggles instructions past a reader, so they are spelled out. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
