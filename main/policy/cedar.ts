import {
  checkParsePolicySet,
  type EntityJson,
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  statefulIsAuthorized,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import { noReads, type Reads } from './argument-values.ts';
import { checkRules, checkUsers, describe, file, position, type Rule, targetOf } from './cedar-problems.ts';
import { contextOf, entitiesOf, userEntity } from './cedar-request.ts';
import { schemaText, standIns } from './cedar-schema.ts';
import type { SubjectKind } from './decide.ts';
import type { PolicyDocument } from './document.ts';
import type { JsonObject, Problem } from './json.ts';
import { lintRules } from './lint.ts';
import type { Manifest } from './manifest.ts';
import { PolicySlots } from './policy-slots.ts';
import { isWellFormed, quote } from './problems.ts';
import { argumentsRead, attributesNamed, mayApply, mayConcern, mergeReads, typesNamed } from './rule-scope.ts';
import { actionOf, describeSubjects, type Subject } from './subjects.ts';

export interface CedarAnnotations {
  /** @id, or "policyN" where the author gave none. */
  readonly id: string;
  readonly reason?: string;
  readonly contact?: string;
  readonly effect: 'permit' | 'forbid';
}

export type Question = 'discover' | 'call' | 'unattended';

export interface CedarRequest {
  readonly question: Question;
  readonly user: { readonly id: string; readonly groups: readonly string[] };
  readonly alias: string;
  /** Default "tool". */
  readonly kind?: SubjectKind;
  /** Name of the tool or prompt. Not looked at for a resource. */
  readonly tool: string;
  readonly context: JsonObject;
}

export interface CedarVerdict {
  readonly allowed: boolean;
  /** Policies that determined the verdict; empty when nothing permitted. */
  readonly rules: readonly CedarAnnotations[];
  /** Evaluation errors; any error makes the verdict a refusal. */
  readonly errors: readonly string[];
}

/** One compiled policy set. Immutable; nothing has to be released. */
export interface CedarEngine {
  readonly rules: readonly CedarAnnotations[];
  evaluate(request: CedarRequest): CedarVerdict;
  /** True when some rule that could apply to this subject and question reads context.args (or could: when in doubt, true). */
  dependsOnArguments(question: Question, alias: string, tool: string, kind?: SubjectKind): boolean;
}

/** Larger texts are refused unread; a policy of thousands of rules has a mistake in how it is made. */
const maxBytes = 1_048_576;

/** The Cedar schema generated from what is pinned, and what in it could not be typed. */
export function generateSchema(manifest: Manifest): {
  readonly text: string;
  readonly untyped: readonly Problem[];
} {
  const { subjects, untyped } = describeSubjects(manifest);
  return { text: schemaText(subjects), untyped };
}

/** Strict validation against the generated schema, and of people's names against policy.json where it is given. Problems carry file:line:column and the offending text. */
export function checkCedar(cedarText: string, manifest: Manifest, document?: PolicyDocument): readonly Problem[] {
  const { rules, problems } = examine(cedarText, manifest, describeSubjects(manifest).subjects);
  return [...problems, ...checkUsers(cedarText, rules, document)];
}

/** Advice about a valid policy: what is allowed and yet seldom meant. Empty for a text that does not parse. */
export function lintCedar(cedarText: string, manifest: Manifest, document: PolicyDocument): readonly Problem[] {
  return lintRules(
    examine(cedarText, manifest, describeSubjects(manifest).subjects, 'checked').rules,
    cedarText,
    manifest,
    document,
  );
}

/** Compiles; fails with the same problems `checkCedar` gives, or, when already 'checked', if it cannot be parsed. WebAssembly loads with this module. */
export function compileCedar(
  cedarText: string,
  manifest: Manifest,
  checking: 'check' | 'checked' = 'check',
  document?: PolicyDocument,
):
  | { readonly ok: true; readonly value: CedarEngine }
  | { readonly ok: false; readonly code: 'invalid-cedar'; readonly problems: readonly Problem[] } {
  const { subjects } = describeSubjects(manifest);
  const examined = examine(cedarText, manifest, subjects, checking);
  const { rules } = examined;
  const problems = [...examined.problems, ...checkUsers(cedarText, rules, document)];
  if (problems.length > 0) return { ok: false, code: 'invalid-cedar', problems };
  return { ok: true, value: new Engine(cedarText, rules, subjects) };
}

/** Everything that is wrong with a policy text; the rules where it parses. */
function examine(
  text: string,
  manifest: Manifest,
  subjects: readonly Subject[],
  checking: 'check' | 'checked' = 'check',
): { readonly rules: readonly Rule[]; readonly problems: readonly Problem[] } {
  if (Buffer.byteLength(text) > maxBytes) {
    return { rules: [], problems: [{ path: file, expected: `at most ${maxBytes} bytes`, found: `${text.length}` }] };
  }
  if (!isWellFormed(text)) {
    return { rules: [], problems: [{ path: file, expected: 'UTF-8 text', found: 'a lone surrogate' }] };
  }
  try {
    const parsed = checkParsePolicySet({ staticPolicies: text });
    if (parsed.type === 'failure') return { rules: [], problems: parsed.errors.flatMap((e) => describe(e, text, [])) };
    const { rules, problems } = readRules(text);
    if (checking === 'checked') return { rules, problems };
    return {
      rules,
      problems: [...problems, ...validateRules(text, rules, subjects), ...checkRules(text, rules, manifest, subjects)],
    };
  } catch (error) {
    // Cedar's WebAssembly stops with an exception on what its own limits do not allow (nesting, for one).
    return { rules: [], problems: [{ path: file, expected: 'a policy Cedar can read', found: String(error) }] };
  }
}

function readRules(text: string): { rules: Rule[]; problems: Problem[] } {
  const parts = policySetTextToParts(text);
  if (parts.type === 'failure') return { rules: [], problems: parts.errors.flatMap((e) => describe(e, text, [])) };
  const problems: Problem[] = parts.policy_templates.map((template) => ({
    path: position(text, Math.max(0, text.indexOf(template))),
    expected: 'a rule without ?principal or ?resource',
    found: quote(template),
    advice: 'A template does nothing until it is linked; write the rule out.',
  }));
  // The parts come ordered by their engine names as text: policy0, policy1, policy10, policy2 …
  const keys = parts.policies.map((_, i) => `policy${i}`).sort();
  const byOrder = new Map(keys.map((key, i) => [Number(key.slice('policy'.length)), parts.policies[i] ?? '']));
  const rules: Rule[] = [];
  let from = 0;
  for (let i = 0; i < byOrder.size; i++) {
    const part = byOrder.get(i) ?? '';
    const offset = text.indexOf(part, from);
    const json = policyToJson(part);
    if (offset < 0 || json.type === 'failure') {
      problems.push({ path: file, expected: 'a rule Cedar can read twice', found: quote(part) });
      continue;
    }
    from = offset + part.length;
    const { annotations = {}, effect } = json.json;
    const key = `policy${i}`;
    const { id = key, reason, contact } = annotations;
    rules.push({
      key,
      offset,
      text: part,
      // JSON through and through; the library's own type has optional fields where the text has none.
      json: JSON.parse(JSON.stringify(json.json)),
      annotations: {
        id,
        effect,
        ...(reason === undefined || reason === '' ? {} : { reason }),
        ...(contact === undefined || contact === '' ? {} : { contact }),
      },
    });
  }
  return { rules, problems };
}

/** Cedar's strict validation. Its warnings count: an impossible rule is a rule that silently protects nothing. */
function validateRules(text: string, rules: readonly Rule[], subjects: readonly Subject[]): Problem[] {
  const answer = validate({ schema: schemaText(subjects), policies: { staticPolicies: text } });
  if (answer.type === 'failure') return answer.errors.flatMap((e) => describe(e, text, rules));
  const failed = new Set(answer.validationErrors.map((e) => e.policyId));
  const impossible = answer.validationWarnings.filter(
    (w) =>
      !failed.has(w.policyId) &&
      isImpossible(w.error.message) &&
      !isAhead(rules.find((rule) => rule.key === w.policyId)?.json, subjects),
  );
  const seen = new Set<string>();
  return [...answer.validationErrors, ...impossible].flatMap(({ policyId, error }) => {
    const place = error.sourceLocations?.[0];
    // One mistake is reported for every tool the rule covers, and an impossible rule twice; one of them is enough.
    const key = place === undefined ? policyId : `${policyId} ${place.start} ${place.end}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return describe(error, text, rules, policyId);
  });
}

const isImpossible = (warning: string) => /impossible|unable to find an applicable action/.test(warning);

/** True for a rule about prompts or resources, by their type, that could apply once some are pinned: no mistake, but written ahead. */
function isAhead(rule: JsonObject | undefined, subjects: readonly Subject[]): boolean {
  if (rule === undefined) return false;
  const named = typesNamed(rule);
  const ahead = standIns.filter(({ entity }) => named.has(entity) && !subjects.some((s) => s.entity === entity));
  if (ahead.length === 0) return false;
  const answer = validate({
    schema: schemaText(ahead),
    policies: { staticPolicies: { policy0: JSON.parse(JSON.stringify(rule)) } },
  });
  return answer.type === 'success' && answer.validationErrors.length + answer.validationWarnings.length === 0;
}

const wholeSets = new PolicySlots<Engine>('gatehouse', 8);
/** A few rules out of many: each of these is small. */
const parts = new PolicySlots<Engine>('gatehouse-part', 64);
/** Rules in a part. More are not worth one. */
const partSize = 50;
/** More than a laptop's people and the subjects whose arguments rules read. */
const maxParts = 10_000;

class Engine implements CedarEngine {
  readonly rules: readonly CedarAnnotations[];
  private readonly text: string;
  private readonly compiled: readonly Rule[];
  private readonly byKey: ReadonlyMap<string, Rule>;
  /** By the end of their actions' names. */
  private readonly subjects: ReadonlyMap<string, Subject>;
  private readonly reads = new Map<string, Reads | undefined>();
  /** What rules ask of anything. A subject's other attributes need not travel with every request. */
  private readonly attributes: ReadonlySet<string>;
  private readonly entities = new Map<string, readonly EntityJson[]>();
  /** Rules that may have a say, by question and person, and by subject where those are many. */
  private readonly parts = new Map<string, readonly Rule[]>();

  constructor(text: string, rules: readonly Rule[], subjects: readonly Subject[]) {
    this.text = text;
    this.compiled = rules;
    this.rules = rules.map((rule) => rule.annotations);
    this.byKey = new Map(rules.map((rule) => [rule.key, rule]));
    this.attributes = new Set(rules.flatMap((rule) => [...attributesNamed(rule.json)]));
    this.subjects = new Map(subjects.map((subject) => [subject.action, subject]));
  }

  evaluate(request: CedarRequest): CedarVerdict {
    const { kind = 'tool', alias, tool } = request;
    const subject = this.subjects.get(actionOf(kind, alias, tool));
    if (subject === undefined) {
      return refusal(
        kind === 'resource' ? `no resources of ${alias} are approved` : `the ${kind} ${alias}.${tool} is not pinned`,
      );
    }
    try {
      return this.ask(request, subject);
    } catch (error) {
      // Whatever stops an evaluation refuses it: an argument Cedar cannot hold, or Cedar's WebAssembly itself.
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }

  dependsOnArguments(question: Question, alias: string, tool: string, kind: SubjectKind = 'tool'): boolean {
    const known = this.subjects.get(actionOf(kind, alias, tool));
    return known !== undefined && this.readsOf(question, known) !== undefined;
  }

  private ask(request: CedarRequest, subject: Subject): CedarVerdict {
    const { question, user } = request;
    const rules = this.rulesFor(question, user, subject);
    // Nothing permits.
    if (rules.length === 0) return { allowed: false, rules: [], errors: [] };
    const answer = statefulIsAuthorized({
      principal: { type: 'User', id: user.id },
      action: { type: 'Action', id: `${question}:${subject.action}` },
      resource: { type: subject.entity, id: subject.id },
      context: contextOf(request.context, subject, this.readsOf(question, subject)),
      preparsedPolicySetId: this.slot(rules),
      entities: [userEntity(user), ...this.entitiesOf(question, subject)],
    });
    if (answer.type === 'failure') return { allowed: false, rules: [], errors: answer.errors.map((e) => e.message) };
    const { reason, errors } = answer.response.diagnostics;
    if (errors.length > 0) {
      const failed = errors.map((e) => this.byKey.get(e.policyId)?.annotations).filter((a) => a !== undefined);
      return {
        allowed: false,
        rules: failed,
        errors: errors.map((e) => `rule ${this.byKey.get(e.policyId)?.annotations.id ?? '?'}: ${e.error.message}`),
      };
    }
    // In the order of the text, so that the same question always gives the same answer.
    const determining = new Set(reason);
    const named = rules.filter((rule) => determining.has(rule.key)).map((rule) => rule.annotations);
    return { allowed: answer.response.decision === 'allow', rules: named, errors: [] };
  }

  /**
   * A rule whose scope excludes the question, the person or the subject changes nothing about the answer, and Cedar looks at each one
   * it is given. All rules where leaving some out is not worth it.
   */
  private rulesFor(question: Question, user: CedarRequest['user'], subject: Subject): readonly Rule[] {
    const key = `${question} ${JSON.stringify([user.id, user.groups])}`;
    const known = this.parts.get(key);
    const part = known ?? this.compiled.filter((rule) => mayConcern(rule.json, question, user));
    if (known === undefined) this.keepPart(key, part);
    if (part.length <= partSize) return part;
    // One by one only for what is asked again and again.
    if (this.readsOf(question, subject) === undefined) return this.compiled;
    const own = `${key} ${subject.action}`;
    const knownOwn = this.parts.get(own);
    const mine = knownOwn ?? part.filter((rule) => mayApply(rule.json, targetOf(question, subject)));
    if (knownOwn === undefined) this.keepPart(own, mine);
    return mine.length <= partSize ? mine : this.compiled;
  }

  private keepPart(key: string, part: readonly Rule[]): void {
    const oldest = this.parts.size >= maxParts ? this.parts.keys().next().value : undefined;
    if (oldest !== undefined) this.parts.delete(oldest);
    this.parts.set(key, part);
  }

  private readsOf(question: Question, subject: Subject): Reads | undefined {
    // Listing has no arguments: there `context has args` is simply false, in the schema as in the request.
    if (question === 'discover') return undefined;
    const key = `${question}:${subject.action}`;
    if (this.reads.has(key)) return this.reads.get(key);
    let reads: Reads | undefined;
    for (const rule of this.compiled) {
      const read = mayApply(rule.json, targetOf(question, subject)) ? argumentsRead(rule.json) : undefined;
      if (read !== undefined) {
        reads ??= noReads();
        mergeReads(reads, read);
      }
    }
    this.reads.set(key, reads);
    return reads;
  }

  private entitiesOf(question: Question, subject: Subject): readonly EntityJson[] {
    const key = `${question}:${subject.action}`;
    const known = this.entities.get(key);
    if (known !== undefined) return known;
    const entities = entitiesOf(question, subject, this.attributes);
    this.entities.set(key, entities);
    return entities;
  }

  /** The name under which Cedar holds these rules of this engine. */
  private slot(rules: readonly Rule[]): string {
    const all = rules.length === this.compiled.length;
    const keys = all ? '' : rules.map((rule) => rule.key).join();
    return (all ? wholeSets : parts).nameOf(this, keys, (name) => {
      const texts = Object.fromEntries(rules.map((rule) => [rule.key, rule.text]));
      const parsed = preparsePolicySet(name, { staticPolicies: all ? this.text : texts });
      if (parsed.type === 'failure') throw new Error(parsed.errors.map((e) => e.message).join('; '));
    });
  }
}

function refusal(error: string): CedarVerdict {
  return { allowed: false, rules: [], errors: [error] };
}
