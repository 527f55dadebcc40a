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

/** Accounts as they were asked about: one per computer, as a rule. The same account is the same object, under which decisions are kept. */
const users = new WeakMap<Identity, Map<string, User>>();
const maxUsers = 1_000;

/**
 * Who an account is to the policy: as policy.json spells the name, with the groups it gives, whatever upper and lower case
 * the operating system reports. An account the policy does not list is its folded name, with no groups.
 */
export function userOf(snapshot: PolicySnapshot, account: string): User {
  const { identity } = snapshot.document;
  const known = users.get(identity) ?? new Map<string, User>();
  users.set(identity, known);
  const earlier = known.get(account);
  if (earlier !== undefined) return earlier;
  const folded = foldAccount(account);
  const listed = spellingsOf(identity).get(folded);
  const user = listed === undefined ? { id: folded, groups: [] } : { id: listed, groups: identity.users[listed] ?? [] };
  keep(known, account, user, maxUsers);
  return user;
}

/** Remembers, and forgets the oldest where there are too many. */
function keep<T>(known: Map<string, T>, key: string, value: T, most: number): void {
  const oldest = known.size >= most ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  known.set(key, value);
}

/** More than any laptop's users, apps and tools; beyond it the oldest decisions are worked out again. */
const maxKept = 20_000;
/** Decisions that cannot change while a snapshot lives, because no rule in question reads arguments. */
const decisions = new WeakMap<PolicySnapshot, WeakMap<User, Map<string, Decision>>>();

function decisionsFor(snapshot: PolicySnapshot, user: User): Map<string, Decision> {
  const ofSnapshot = decisions.get(snapshot) ?? new WeakMap<User, Map<string, Decision>>();
  decisions.set(snapshot, ofSnapshot);
  const ofUser = ofSnapshot.get(user) ?? new Map<string, Decision>();
  ofSnapshot.set(user, ofUser);
  return ofUser;
}

/** The one decision function, for listing and for calling. Pure. What is not pinned, revoked or outside the profile is denied. */
export function decide(snapshot: PolicySnapshot, request: DecisionRequest): Decision {
  const { question, user, app, alias, kind = 'tool', tool } = request;
  const profileName = request.profile === undefined ? '' : `:${request.profile}`;
  // Each name beside its length, so that no two requests share a key.
  const key = `${question} ${kind} ${alias.length}:${alias}${tool.length}:${tool}${app.length}:${app}${profileName}`;
  // Which resource is asked for stands in the arguments.
  const known = kind === 'resource' ? undefined : decisionsFor(snapshot, user);
  const earlier = known?.get(key);
  if (earlier !== undefined) return earlier;

  const { allowed } = snapshot.document.apps;
  if (!allowed.includes('*') && !allowed.includes(app)) return appNotAllowed(snapshot, request);
  const server = snapshot.manifest.servers.find((s) => s.alias === alias);
  if (server === undefined || !isApproved(server, request)) return unknown(snapshot, request);
  const profile = snapshot.document.profiles.find((p) => p.name === request.profile);
  if (request.profile !== undefined && !isInProfile(profile, request)) return unknown(snapshot, request);

  const { decision, lasts } = judge(snapshot, server.title, request);
  if (lasts && known !== undefined) keep(known, key, decision, maxKept);
  return decision;
}

/** What the rules say. It lasts as long as the snapshot where they read no arguments and none failed. */
function judge(
  snapshot: PolicySnapshot,
  title: string,
  request: DecisionRequest,
): { readonly decision: Decision; readonly lasts: boolean } {
  const words = phrasesFor(title, request);
  const discover = verdictOn(snapshot, 'discover', request);
  const sure = discover.errors.length === 0;
  if (!discover.allowed) return { decision: unknown(snapshot, request), lasts: sure };
  if (request.question === 'discover') {
    const decision = settle(snapshot, 'allow', 'allowed', discover.rules, `You may see ${words.name}.`);
    return { decision, lasts: sure };
  }

  const { engine } = snapshot;
  const asks: readonly Question[] = ['call', 'unattended'];
  const { args, alias, tool, kind } = request;
  const reads = asks.some((q) => engine.dependsOnArguments(q, alias, tool, kind));
  if (args === undefined && reads) {
    const reason = `Whether you may ${words.use} depends on ${words.detail}.`;
    return { decision: settle(snapshot, 'deny', 'depends-on-arguments', [], reason), lasts: false };
  }
  const lasts = sure && !reads;
  const call = verdictOn(snapshot, 'call', request);
  if (call.errors.length > 0) return { decision: notEvaluated(snapshot, words.act, call), lasts: false };
  if (!call.allowed) {
    const standard = `${snapshot.document.organisation} has not given you permission for ${words.thisAct}.`;
    return { decision: settle(snapshot, 'deny', 'policy-denied', call.rules, standard), lasts };
  }
  const unattended = verdictOn(snapshot, 'unattended', request);
  // A rule that cannot be applied might have been the one that forbids; asking the person would not replace it.
  if (unattended.errors.length > 0) return { decision: notEvaluated(snapshot, words.act, unattended), lasts: false };
  if (!unattended.allowed) {
    const standard = `${snapshot.document.organisation} wants you to confirm ${words.act} each time.`;
    return { decision: settle(snapshot, 'ask', 'ask', unattended.rules, standard), lasts };
  }
  const rules = [...new Set([...call.rules, ...unattended.rules])];
  return { decision: settle(snapshot, 'allow', 'allowed', rules, `You may ${words.use}.`), lasts };
}

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
  keep(known, key, verdict, maxKept);
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
