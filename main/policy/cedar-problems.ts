import type { RecordType } from './argument-types.ts';
import type { Reads } from './argument-values.ts';
import type { CedarAnnotations, Question } from './cedar.ts';
import { foldAccount, type PolicyDocument } from './document.ts';
import type { JsonObject, Problem } from './json.ts';
import type { Manifest } from './manifest.ts';
import { hasHiddenCharacters, nearestName, quote } from './problems.ts';
import { argumentsRead, asksMembershipOfOthers, entitiesNamed, mayApply, type Target } from './rule-scope.ts';
import { lineAndColumn } from './strict-json.ts';
import type { Subject } from './subjects.ts';

export const file = 'policy.cedar';

/** One rule of the text. */
export interface Rule {
  /** The engine's own name of it: policy0, policy1 … in the order of the text. */
  readonly key: string;
  readonly annotations: CedarAnnotations;
  readonly json: JsonObject;
  /** Offset in the text, for problems found here rather than by Cedar. */
  readonly offset: number;
  /** The rule as it stands in the text. */
  readonly text: string;
}

/** What Cedar says about an error, as far as it is used here. Offsets are bytes of UTF-8. */
export interface CedarError {
  readonly message: string;
  readonly help: string | null;
  readonly sourceLocations?: readonly { readonly start: number; readonly end: number; readonly label: string | null }[];
}

/** What Cedar does not check: names given twice, names of nothing, arguments it has no type for. */
export function checkRules(
  text: string,
  rules: readonly Rule[],
  manifest: Manifest,
  subjects: readonly Subject[],
): Problem[] {
  const problems: Problem[] = [];
  const firsts = new Map<string, Rule>();
  const named = namesKnown(manifest, subjects);
  for (const rule of rules) {
    const path = position(text, rule.offset);
    const { id } = rule.annotations;
    const first = firsts.get(id);
    if (first !== undefined) {
      const advice = `The other one is at ${position(text, first.offset)}.`;
      problems.push({ path, expected: 'an @id no other rule has', found: `@id(${quote(id)}) again`, advice });
    }
    firsts.set(id, first ?? rule);
    if (id.trim() === '' || hasHiddenCharacters(id)) {
      problems.push({ path, expected: 'an @id a person can read', found: `@id(${quote(id)})` });
    }
    for (const name of entitiesNamed(rule.json)) {
      const kind = named.get(name.type);
      if (kind === undefined || kind.known.has(name.id)) continue;
      const near = nearestName(name.id, [...kind.known]);
      problems.push({
        path,
        expected: kind.noun,
        found: `${name.type}::${quote(name.id)}`,
        advice: near === undefined ? 'A rule about nothing never applies.' : `Did you mean ${name.type}::"${near}"?`,
      });
    }
    if (asksMembershipOfOthers(rule.json)) {
      problems.push({
        path,
        expected: '`in` after principal, action or resource',
        found: `rule ${quote(id)}, which asks it of something else`,
        advice: 'Requests carry only these three, so the answer would always be no.',
      });
    }
    problems.push(...checkReads(rule, path, subjects));
  }
  return problems;
}

/** The ids that name something, by Cedar type. Whoever and whatever else a rule names may come later. */
function namesKnown(manifest: Manifest, subjects: readonly Subject[]) {
  const ids = (entity: Subject['entity']) => new Set(subjects.filter((s) => s.entity === entity).map((s) => s.id));
  const aliases = new Set(manifest.servers.map((server) => server.alias));
  return new Map([
    ['Tool', { noun: 'a pinned tool', known: ids('Tool') }],
    ['Prompt', { noun: 'a pinned prompt', known: ids('Prompt') }],
    ['Resource', { noun: 'a server whose resources are approved in manifest.json', known: ids('Resource') }],
    ['Server', { noun: 'a server in manifest.json', known: aliases }],
  ]);
}

/** People have the spelling of policy.json, or else the folded one; a rule about any other spelling would never apply. */
export function checkUsers(text: string, rules: readonly Rule[], document: PolicyDocument | undefined): Problem[] {
  if (document === undefined) return [];
  const listed = new Map(Object.keys(document.identity.users).map((name) => [foldAccount(name), name]));
  return rules.flatMap((rule) =>
    entitiesNamed(rule.json).flatMap(({ type, id }): Problem[] => {
      const spelling = listed.get(foldAccount(id)) ?? foldAccount(id);
      if (type !== 'User' || id === spelling) return [];
      return [
        {
          path: position(text, rule.offset),
          expected: `User::${quote(spelling)}`,
          found: `User::${quote(id)}`,
          advice: listed.has(foldAccount(id))
            ? 'Spell the account as identity.users in policy.json does.'
            : 'Write it in lower case, or list the account in identity.users in policy.json in the spelling you want.',
        },
      ];
    }),
  );
}

/** `context.args has body` would be false for ever where `body` has no type, so it is not accepted. */
function checkReads(rule: Rule, path: string, subjects: readonly Subject[]): Problem[] {
  const reads = argumentsRead(rule.json);
  if (reads === undefined) return [];
  for (const subject of subjects) {
    const applies = (['call', 'unattended'] as const).some((q) => mayApply(rule.json, targetOf(q, subject)));
    const name = applies ? untypedRead(subject.args, reads) : undefined;
    if (name !== undefined) {
      return [
        {
          path,
          expected: 'arguments Cedar has a type for',
          found: `context.args.${name.join('.')} of ${subject.action}, which has none`,
          advice: `Limit rule "${rule.annotations.id}" to others, or leave this argument out of it.`,
        },
      ];
    }
  }
  return [];
}

function untypedRead(type: RecordType, reads: Reads): string[] | undefined {
  for (const [name, child] of reads.fields) {
    if (type.untyped.has(name)) return [name];
    const field = type.fields.get(name)?.type;
    const deeper = field?.kind === 'Record' ? untypedRead(field, child) : undefined;
    if (deeper !== undefined) return [name, ...deeper];
  }
  return undefined;
}

export function describe(error: CedarError, text: string, rules: readonly Rule[], policyId?: string): Problem[] {
  const rule = rules.find((r) => r.key === policyId);
  const bytes = Buffer.from(text);
  const place = error.sourceLocations?.[0];
  // Cedar counts bytes of UTF-8; a person counts characters.
  const at = (offset: number) => bytes.subarray(0, offset).toString().length;
  const start = place === undefined ? (rule?.offset ?? 0) : at(place.start);
  const snippet =
    place === undefined || place.end <= place.start ? lineFrom(text, start) : text.slice(start, at(place.end));
  const message = error.message
    .replace(/^failed to parse policies from string: /, '')
    .replace(/^for policy `[^`]*`, /, '');
  const help = error.help?.replace(/^for policy `[^`]*`, /, '').replace(/(?<![.?!])$/, '.');
  const group = /Action::"(discover|call|unattended)"/.exec(snippet)?.[1];
  const of = /in context for Action::"\w+:(prompt|resource):/.exec(message)?.[1];
  let advice = [help, rule === undefined ? undefined : `Rule "${rule.annotations.id}".`]
    .filter((s) => s != null)
    .join(' ');
  if (group !== undefined && message.includes('applicable action')) {
    advice = `Write action in Action::"${group}": it is the group of the actions of every tool, every prompt and all resources.`;
  } else if (of !== undefined) {
    advice = `The rule covers ${of}s, too; write resource is Tool if it means tools only. ${advice}`;
  }
  return [
    {
      path: position(text, start),
      expected: place?.label ?? 'a rule that fits what is pinned',
      found: `${quote(snippet)}: ${message}`,
      ...(advice === '' ? {} : { advice }),
    },
  ];
}

function lineFrom(text: string, offset: number): string {
  const rest = text.slice(offset);
  return rest === '' ? 'the end of the file' : (rest.split('\n', 1)[0] ?? rest);
}

export function position(text: string, offset: number): string {
  const { line, column } = lineAndColumn(text, offset);
  return `${file}:${line}:${column}`;
}

/** A question about a subject, as rules' scopes see it. */
export function targetOf(question: Question, subject: Subject): Target {
  const { entity, id, alias, server } = subject;
  return { action: `${question}:${subject.action}`, question, entity, id, server: alias, groups: server.groups };
}
