import { digestOfTargets } from './canonical.ts';
import { type CedarAnnotations, type CedarEngine, type CedarVerdict, compileCedar, type Question } from './cedar.ts';
import { foldAccount, type PolicyDocument, parsePolicyDocument } from './document.ts';
import type { JsonObject, Problem } from './json.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { isApproved, isInProfile } from './offer.ts';
import { missingOf, phrasesFor } from './phrases.ts';
import { quote } from './problems.ts';

/** One policy version, compiled. Immutable: an update makes a new one and never changes a call in flight. */
export interface PolicySnapshot {
  /** Organisation name and the TUF snapshot version. */
  readonly organisation: string;
  readonly version: number;
  /** Hex SHA-256 over the three target files' digests: names exactly what was in force. */
  readonly digest: string;
  readonly document: PolicyDocument;
  readonly manifest: Manifest;
  readonly engine: CedarEngine;
}

export interface User {
  readonly id: string;
  /** From the policy's identity section; never from the caller. */
  readonly groups: readonly string[];
}

export type SubjectKind = 'tool' | 'prompt' | 'resource';

export interface DecisionRequest {
  readonly question: 'discover' | 'call';
  readonly user: User;
  /** Name of the AI app, as issued with its token. */
  readonly app: string;
  readonly profile?: string;
  readonly alias: string;
  /** What is asked about. Default "tool". A resource is asked about by server; its URI is `args.uri`. */
  readonly kind?: SubjectKind;
  /** Name of the tool or prompt; "" for a resource. */
  readonly tool: string;
  /** Present for 'call'. Already validated against the pinned input schema. */
  readonly args?: JsonObject;
  /** Milliseconds since the epoch, supplied by the caller: policy reads no clock. */
  readonly at: number;
}

export interface RuleRef {
  readonly id: string;
  readonly reason?: string;
}

/**
 * Why, for programs. "unknown-tool": for this caller the tool, prompt or resource does not exist, whatever the reason, and
 * the caller must not learn more. "depends-on-arguments": asked about a call without its arguments, which the rules read.
 */
export type DecisionCode =
  | 'allowed'
  | 'ask'
  | 'policy-denied'
  | 'unknown-tool'
  | 'app-not-allowed'
  | 'depends-on-arguments';

export interface Decision {
  readonly effect: 'allow' | 'ask' | 'deny';
  readonly code: DecisionCode;
  /** The rules that determined the effect. Empty when nothing permitted (deny by default). */
  readonly rules: readonly RuleRef[];
  /** One sentence for the person. Never empty. */
  readonly reason: string;
  /** Whom to ask. */
  readonly contact: string;
  readonly obligations: readonly string[];
}

type File = 'policy.json' | 'policy.cedar' | 'manifest.json';

export interface SnapshotSource {
  readonly organisation: string;
  readonly version: number;
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
}

/**
 * Compiles the three signed documents into a snapshot, or says everything that is wrong with them. `rules: 'checked'` says
 * that these very documents passed before: their rules are parsed and not validated against the tools once more, which
 * takes seconds for a thousand tools.
 */
export function compileSnapshot(
  source: SnapshotSource,
  { rules = 'check' }: { readonly rules?: 'check' | 'checked' } = {},
):
  | { readonly ok: true; readonly value: PolicySnapshot }
  | {
      readonly ok: false;
      readonly code: 'invalid-policy';
      readonly problems: readonly (Problem & { readonly file: string })[];
    } {
  const document = parsePolicyDocument(source.policyJson);
  const manifest = parseManifest(source.manifestJson);
  // Rules are checked against the pinned tools; without a manifest there is nothing to check them against.
  const engine = manifest.ok
    ? compileCedar(source.policyCedar, manifest.value, rules, document.ok ? document.value : undefined)
    : undefined;
  if (document.ok && manifest.ok && engine?.ok) {
    const { organisation, version } = source;
    const digest = digestOfTargets(source);
    const snapshot = { organisation, version, digest, document: document.value, manifest: manifest.value };
    return { ok: true, value: { ...snapshot, engine: engine.value } };
  }
  const from = (file: File, result: { ok: true } | { ok: false; problems: readonly Problem[] } | undefined) =>
    result === undefined || result.ok ? [] : result.problems.map((problem) => ({ ...problem, file }));
  return {
    ok: false,
    code: 'invalid-policy',
    problems: [...from('policy.json', document), ...from('manifest.json', manifest), ...from('policy.cedar', engine)],
  };
}

type Identity = PolicyDocument['identity'];
/** Each folded name's spelling in policy.json. */
const spellings = new WeakMap<Identity, ReadonlyMap<string, string>>();

function spellingsOf(identity: Identity): ReadonlyMap<string, string> {
  const known = spellings.get(identity);
  if (known !== undefined) return known;
  const made = new Map(Object.keys(identity.users).map((name) => [foldAccount(name), name]));
  spellings.set(identity, made);
  return made;
}

/**
 * Who an account is to the policy: as policy.json spells the name, with the groups it gives, whatever upper and lower case
 * the operating system reports. An account the policy does not list is its folded name, with no groups.
 */
export function userOf(snapshot: PolicySnapshot, account: string): User {
  const { identity } = snapshot.document;
  const folded = foldAccount(account);
  const listed = spellingsOf(identity).get(folded);
  return listed === undefined ? { id: folded, groups: [] } : { id: listed, groups: identity.users[listed] ?? [] };
}

/** The one decision function, for listing and for calling. Pure. What is not pinned, revoked or outside the profile is denied. */
export function decide(snapshot: PolicySnapshot, request: DecisionRequest): Decision {
  const { allowed } = snapshot.document.apps;
  if (!allowed.includes('*') && !allowed.includes(request.app)) return appNotAllowed(snapshot, request);
  const server = snapshot.manifest.servers.find((s) => s.alias === request.alias);
  if (server === undefined || !isApproved(server, request)) return unknown(snapshot, request);
  const profile = snapshot.document.profiles.find((p) => p.name === request.profile);
  if (request.profile !== undefined && !isInProfile(profile, request)) return unknown(snapshot, request);

  const words = phrasesFor(server.title, request);
  const discover = verdictOn(snapshot, 'discover', request);
  if (!discover.allowed) return unknown(snapshot, request);
  if (request.question === 'discover') {
    return settle(snapshot, 'allow', 'allowed', discover.rules, `You may see ${words.name}.`);
  }

  const { engine } = snapshot;
  const asks: readonly Question[] = ['call', 'unattended'];
  const { args, alias, tool, kind } = request;
  if (args === undefined && asks.some((q) => engine.dependsOnArguments(q, alias, tool, kind))) {
    const reason = `Whether you may ${words.use} depends on ${words.detail}.`;
    return settle(snapshot, 'deny', 'depends-on-arguments', [], reason);
  }
  const call = verdictOn(snapshot, 'call', request);
  if (call.errors.length > 0) return notEvaluated(snapshot, words.act, call);
  if (!call.allowed) {
    const standard = `${snapshot.document.organisation} has not given you permission for ${words.thisAct}.`;
    return settle(snapshot, 'deny', 'policy-denied', call.rules, standard);
  }
  const unattended = verdictOn(snapshot, 'unattended', request);
  // A rule that cannot be applied might have been the one that forbids; asking the person would not replace it.
  if (unattended.errors.length > 0) return notEvaluated(snapshot, words.act, unattended);
  if (!unattended.allowed) {
    const standard = `${snapshot.document.organisation} wants you to confirm ${words.act} each time.`;
    return settle(snapshot, 'ask', 'ask', unattended.rules, standard);
  }
  const rules = [...new Set([...call.rules, ...unattended.rules])];
  return settle(snapshot, 'allow', 'allowed', rules, `You may ${words.use}.`);
}

/** More than any laptop's users, apps and tools; beyond it the oldest verdicts are worked out again. */
const maxVerdicts = 20_000;
/** Verdicts that cannot change while a snapshot lives, because no rule in question reads arguments. */
const verdicts = new WeakMap<PolicySnapshot, Map<string, CedarVerdict>>();

function verdictOn(snapshot: PolicySnapshot, question: Question, request: DecisionRequest): CedarVerdict {
  const { user, app, profile, alias, kind = 'tool', tool, args } = request;
  const context = { app, ...(profile === undefined ? {} : { profile }), ...(args === undefined ? {} : { args }) };
  const ask = () => snapshot.engine.evaluate({ question, user, alias, kind, tool, context });
  if (snapshot.engine.dependsOnArguments(question, alias, tool, kind)) return ask();

  const known = verdicts.get(snapshot) ?? new Map<string, CedarVerdict>();
  verdicts.set(snapshot, known);
  const key = JSON.stringify([question, user.id, user.groups, app, profile ?? null, alias, kind, tool]);
  const earlier = known.get(key);
  if (earlier !== undefined) return earlier;
  const verdict = ask();
  // What failed may not fail again; it is refused now and tried anew the next time.
  if (verdict.errors.length > 0) return verdict;
  const oldest = known.size >= maxVerdicts ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  known.set(key, verdict);
  return verdict;
}

/** The same words for everything a caller cannot see, whether it is hidden, revoked, or was never there. */
function unknown(snapshot: PolicySnapshot, request: DecisionRequest): Decision {
  return settle(snapshot, 'deny', 'unknown-tool', [], `There ${missingOf(request)} for you here.`);
}

function appNotAllowed(snapshot: PolicySnapshot, request: DecisionRequest): Decision {
  const reason = `${snapshot.document.organisation} has not approved the app ${quote(request.app)}.`;
  return settle(snapshot, 'deny', 'app-not-allowed', [], reason);
}

/** The author's reason would be misleading here: what happened is that the rule could not be applied. */
function notEvaluated(snapshot: PolicySnapshot, act: string, verdict: CedarVerdict): Decision {
  const details = verdict.errors.map((error) => error.replace(/\.$/, '')).join('; ');
  const reason = `A rule about ${act} could not be applied, so the call was refused: ${details}.`;
  const decision = settle(snapshot, 'deny', 'policy-denied', verdict.rules, reason);
  return { ...decision, reason };
}

function settle(
  snapshot: PolicySnapshot,
  effect: Decision['effect'],
  code: DecisionCode,
  rules: readonly CedarAnnotations[],
  standard: string,
): Decision {
  const reasons = [...new Set(rules.map((rule) => rule.reason).filter((reason) => reason !== undefined))];
  return {
    effect,
    code,
    rules: rules.map(({ id, reason }) => ({ id, ...(reason === undefined ? {} : { reason }) })),
    reason: reasons.length === 0 ? standard : reasons.join(' '),
    contact: rules.find((rule) => rule.contact !== undefined)?.contact ?? snapshot.document.contact,
    obligations: [],
  };
}
