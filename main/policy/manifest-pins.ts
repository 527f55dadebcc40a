import { z } from 'zod';
import { NotCanonical, sha256OfJson } from './canonical.ts';
import { problemsOf } from './document.ts';
import { isJsonObject, type JsonObject, type Problem } from './json.ts';
import type { Pin } from './manifest.ts';
import { hasHiddenCharacters, own, ownRecord, pointer, quote, show } from './problems.ts';

export const object = z.custom<JsonObject>(isJsonObject, 'an object');
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits');
const label = z.enum(
  ['untrusted-input', 'private-data', 'changes-state'],
  '"untrusted-input", "private-data" or "changes-state"',
);
const pin = z.strictObject({
  sha256,
  definition: object,
  labels: z
    .array(label)
    .refine((list) => new Set(list).size === list.length, 'each label once')
    .default([]),
});

type Pins = Readonly<Record<string, Pin>>;

/** What can be pinned one by one, and the field of a definition that names it. */
const families = [
  { key: 'tools', named: 'name', noun: 'tool name', most: 128 },
  { key: 'prompts', named: 'name', noun: 'prompt name', most: 128 },
  { key: 'resourceTemplates', named: 'uriTemplate', noun: 'URI template', most: 2_048 },
] as const;
type Family = (typeof families)[number];

export type PinFamilies = Readonly<Record<Family['key'], Pins>>;

export const noPins: PinFamilies = { tools: ownRecord([]), prompts: ownRecord([]), resourceTemplates: ownRecord([]) };

/** Every pin of one server, from the raw document. Adds what is wrong with them to `problems`. */
export function checkPins(entry: JsonObject, at: readonly PropertyKey[], problems: Problem[]): PinFamilies {
  const [tools, prompts, resourceTemplates] = families;
  return {
    tools: checkFamily(entry, tools, at, problems),
    prompts: checkFamily(entry, prompts, at, problems),
    resourceTemplates: checkFamily(entry, resourceTemplates, at, problems),
  };
}

function checkFamily(entry: JsonObject, family: Family, at: readonly PropertyKey[], problems: Problem[]): Pins {
  const listed = own(entry, family.key);
  if (!isJsonObject(listed)) return ownRecord([]);
  const pins: [string, Pin][] = [];
  const looks = new Map<string, string>();
  for (const [name, value] of Object.entries(listed)) {
    const here = [...at, family.key, name];
    const twin = looks.get(name.normalize('NFKC'));
    if (name === '' || name.length > family.most || hasHiddenCharacters(name)) {
      problems.push({
        path: pointer(here),
        expected: `a ${family.noun} of 1 to ${family.most} visible characters`,
        found: name === '' ? 'an empty name' : quote(name),
        advice: 'Leave this one out; a person could not tell what the name says.',
      });
    } else if (twin !== undefined) {
      problems.push({
        path: pointer(here),
        expected: `${family.noun}s that look different`,
        found: `${quote(name)}, which looks like ${quote(twin)}`,
        advice: 'Pin one of the two.',
      });
    }
    looks.set(name.normalize('NFKC'), name);
    const parsed = pin.safeParse(value);
    if (!parsed.success) {
      const found = problemsOf(parsed.error, value, pin);
      problems.push(...found.map((p) => ({ ...p, path: `${pointer(here)}${p.path}` })));
    }
    if (isJsonObject(value)) problems.push(...checkPin(name, value, family, here));
    if (parsed.success) pins.push([name, parsed.data]);
  }
  return ownRecord(pins);
}

/** The definition must be the one the digest names, and the thing the name names. */
function checkPin(name: string, value: JsonObject, family: Family, at: readonly PropertyKey[]): Problem[] {
  const definition = own(value, 'definition');
  const pinned = own(value, 'sha256');
  if (!isJsonObject(definition)) return [];
  const problems: Problem[] = [];
  try {
    const actual = sha256OfJson(definition);
    if (typeof pinned === 'string' && pinned !== actual) problems.push(wrongDigest([...at, 'sha256'], actual, pinned));
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    problems.push({
      path: `${pointer([...at, 'definition'])}${error.path}`,
      expected: 'JSON with a canonical form (RFC 8785)',
      found: error.found,
    });
  }
  const shown = own(definition, family.named);
  if (shown !== name) {
    problems.push({
      path: pointer([...at, 'definition', family.named]),
      expected: `text ${quote(name)}`,
      found: show(shown),
    });
  }
  const input = own(definition, 'inputSchema');
  if (family.key === 'tools' && !isJsonObject(input)) {
    problems.push({ path: pointer([...at, 'definition', 'inputSchema']), expected: 'an object', found: show(input) });
  }
  return problems;
}

/** A digest that is not its text's. */
export function wrongDigest(path: readonly PropertyKey[], actual: string, pinned: string): Problem {
  return {
    path: pointer(path),
    expected: actual,
    found: pinned,
    advice: 'What is pinned is not what the digest names. Pin this server again and look at what changed.',
  };
}
