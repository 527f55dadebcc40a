import type { AuditWriter, CallFacts, RefusalCode } from '../audit/record.ts';
import { NotCanonical, sha256Hex, sha256OfJson } from '../policy/canonical.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import { isJsonObject, type Json } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { CallMethod, CallRequest, KnownCall, Verdict } from './call-request.ts';
import type { Reply } from './conversation.ts';
import { complete } from './delivery.ts';
import type { InForce } from './gateway.ts';
import { limitsOf } from './limits.ts';
import {
  askLine,
  legacyResourceNotFound,
  nameAction,
  type Refusal,
  refusalError,
  refusalResult,
  sentence,
  type WireRefusalCode,
} from './refusal.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { type StopReason, stopCode, whyStopped } from './stop.ts';
import { clip, nestsDeeperThan, rpcCode } from './wire.ts';

/** Writes refusals to the record and turns them into answers. */
export class Refusals {
  readonly #account: string;
  readonly #inForce: () => InForce;
  readonly #audit: AuditWriter;
  readonly #log: Log;
  readonly #budget: RefusalBudget;

  constructor(parts: {
    readonly account: string;
    readonly inForce: () => InForce;
    readonly audit: AuditWriter;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#account = parts.account;
    this.#inForce = parts.inForce;
    this.#audit = parts.audit;
    this.#log = parts.log;
    this.#budget = new RefusalBudget(parts);
  }

  /** Writes the counts of refusals that got no row of their own, once their minute is over or `all`. */
  flush(all = false): void {
    this.#budget.flush(all);
  }

  /** Records and answers. `recorded` replaces the message in the record where that must not repeat arguments. */
  refuse(call: KnownCall, code: RefusalCode, verdict: Verdict, message: string, recorded = message): Reply {
    // The record says what became of this call: it was not done, whatever the policy alone would have said.
    const effect = code === 'not-approved-by-person' ? 'ask' : 'deny';
    const facts = this.factsOf(call, { ...verdict, effect });
    // Until its input fits, an app can send whatever it likes.
    this.#record(call.request, code === 'invalid-arguments' ? withoutBulk(facts) : facts, code, recorded);
    return this.answer(call, code, verdict, message);
  }

  /** The refusal as the AI app reads it, without a row of its own. */
  answer({ callId, request }: KnownCall, code: WireRefusalCode, verdict: Verdict, message: string): Reply {
    const { rules, reason, contact } = verdict;
    return refusalReply(request, { code, message, rules, reason, contact, callId });
  }

  /** No record, no call; and the refusal itself cannot be recorded either. */
  unrecorded(call: KnownCall, verdict: Verdict, error: unknown): Reply {
    this.#log.error('record-unavailable', { callId: call.callId, error: String(error) });
    const message = sentence(
      `${actionOf(call)} was not done: Gatehouse could not write its record, and without a record nothing is done. Check that the disk is not full, then restart Gatehouse.`,
      askLine(verdict.contact),
    );
    return this.answer(call, 'record-unavailable', verdict, message);
  }

  /** The same words for what does not exist and for what this caller may not know of (MCP, Tools, "Error Handling"). */
  unknown(callId: string, request: CallRequest, snapshot: PolicySnapshot, wireName: string): Reply {
    const name = clip(wireName, 200);
    const what = whatIsMissing(request);
    const message = `${what === 'resource' ? 'Resource not found' : `Unknown ${what}`}: ${name}`;
    const facts: CallFacts = {
      ...this.#identity(callId, request, snapshot),
      alias: '',
      tool: name,
      ...this.#digestOf(request.params.arguments, snapshot.document.audit.payloads === 'full'),
      effect: 'deny',
      rules: [],
      reason: `This app has no ${what} of that name.`,
    };
    this.#record(request, withoutBulk(facts), 'unknown-tool', message);
    if (what !== 'resource') return { kind: 'error', error: { code: rpcCode.invalidParams, message } };
    // 2026-07-28, "Resources", Error Handling: -32602; -32002 before. What clients know it by is the URI and nothing beside it.
    const code = request.conversation.era === 'modern' ? rpcCode.invalidParams : legacyResourceNotFound;
    return { kind: 'error', error: { code, message, data: { uri: wireName } } };
  }

  /** Said without a row for each: a flood is what this answers. */
  tooManyCalls(callId: string, request: CallRequest, limit: number): Reply {
    const { app } = request.conversation;
    const reason = `At most ${limit} calls of one app run at once.`;
    const message = `The call was not done: ${limit} calls of ${app.name} are running already, and more are not taken. Wait until some have ended, then try again.`;
    if (this.#budget.take(app, 'too-many-calls', 1)) {
      try {
        this.#audit.append({ kind: 'app.rejected', code: 'too-many-calls', message });
      } catch (error) {
        // The call stays refused: nothing depends on this row.
        this.#log.error('refusal-not-recorded', { callId, code: 'too-many-calls', error: String(error) });
      }
    }
    return refusalReply(request, { code: 'too-many-calls', message, rules: [], reason, contact: '', callId });
  }

  /** Stopped before it was begun. A caller that cancelled wants no answer, but the record says what became of it. */
  stopped(call: KnownCall, verdict: Verdict, stop: StopReason): Reply {
    const code = stopCode(stop);
    const recorded = code === 'cancelled' ? 'not-approved-by-person' : code;
    const answer = this.refuse(call, recorded, verdict, whyStopped(actionOf(call), stop));
    return stop === 'caller' ? { kind: 'none' } : answer;
  }

  withoutPolicy(
    callId: string,
    request: CallRequest,
    wireName: string,
    { code, message }: Extract<InForce, { ok: false }>,
  ): Reply {
    const facts: CallFacts = {
      ...this.#identity(callId, request, undefined),
      alias: '',
      tool: clip(wireName, 200),
      // Without a policy nothing says that arguments may be kept.
      ...this.#digestOf(request.params.arguments, false),
      effect: 'deny',
      rules: [],
      reason: message,
    };
    this.#record(request, facts, code, message);
    return refusalReply(request, { code, message, rules: [], reason: message, contact: '', callId });
  }

  factsOf(call: KnownCall, verdict: Verdict): CallFacts {
    const { callId, request, snapshot, subject, extra } = call;
    const keep = snapshot.document.audit.payloads === 'full';
    return {
      ...this.#identity(callId, request, snapshot),
      alias: subject.server.alias,
      tool: subject.name,
      ...(subject.pin !== undefined && { definition: subject.pin.sha256 }),
      argumentsDigest: call.argumentsDigest,
      ...(keep && { arguments: call.argumentsText }),
      ...(extra !== undefined && { extraDigest: extra.digest, ...(keep && { extra: extra.text }) }),
      effect: verdict.effect,
      rules: verdict.rules,
      reason: verdict.reason,
    };
  }

  #identity(callId: string, request: CallRequest, snapshot: PolicySnapshot | undefined) {
    const { app, endpoint, era, session } = request.conversation;
    return {
      callId,
      user: this.#account,
      app: app.name,
      ...(endpoint.kind === 'profile' && { profile: endpoint.profile }),
      era,
      session,
      ...(request.method !== 'tools/call' && { method: request.method }),
      policyVersion: snapshot?.version ?? 0,
      policyDigest: snapshot?.digest ?? '',
    };
  }

  #digestOf(given: Json | undefined, keep: boolean): { readonly argumentsDigest: string; readonly arguments?: string } {
    const args = given ?? {};
    const argumentsDigest = digestOfArguments(args, limitsOf(this.#inForce()).depth);
    // What has no digest is not kept either: the record would hold what nothing in it names.
    if (argumentsDigest === undefined) return { argumentsDigest: sha256Hex('') };
    return { argumentsDigest, ...(keep && { arguments: JSON.stringify(args) }) };
  }

  /** A refusal that cannot be recorded stays a refusal: nothing is done either way. */
  #record({ conversation }: CallRequest, facts: CallFacts, code: RefusalCode, message: string): void {
    if (!this.#budget.take(conversation.app, code, recordedPerMinute)) return;
    try {
      this.#audit.append({ kind: 'call.refused', code, message, ...facts });
    } catch (error) {
      this.#log.error('refusal-not-recorded', { callId: facts.callId, code, error: String(error) });
    }
  }
}

/** Rows for refusals of one kind and one app within a minute. */
const recordedPerMinute = 120;
/** Characters of arguments kept with a refusal of what nothing has checked yet. */
const keptLength = 16 * 1024;

function withoutBulk(facts: CallFacts): CallFacts {
  const { arguments: text = '', extra = '', ...rest } = facts;
  if (text.length + extra.length <= keptLength) return facts;
  return { ...rest, argumentsBytes: Buffer.byteLength(text) };
}

/** "Create issue" in GitHub: what a person reads. */
export function actionOf({ subject }: KnownCall): string {
  return nameAction(subject.name, subject.server.title);
}

/** What a request for something that is not there missed, in the words of the SDKs' own servers. */
function whatIsMissing({ method, params }: CallRequest): 'tool' | 'prompt' | 'resource' | 'task' {
  switch (method) {
    case 'tools/call':
      return 'tool';
    case 'prompts/get':
      return 'prompt';
    case 'resources/read':
    case 'resources/subscribe':
      return 'resource';
    case 'completion/complete':
      return isJsonObject(params.ref) && params.ref.type === 'ref/prompt' ? 'prompt' : 'resource';
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return 'task';
    default:
      return method satisfies never;
  }
}

/** A refused tool call is a result the AI app can show; the other requests have nothing but errors for it. */
function refusalReply({ method, conversation }: CallRequest, refusal: Refusal): Reply {
  if (method !== ('tools/call' satisfies CallMethod)) return { kind: 'error', error: refusalError(refusal) };
  const text = refusalResult(refusal);
  return { kind: 'result', text: conversation.era === 'modern' ? complete(text) : text };
}

/** Hex SHA-256 of the RFC 8785 bytes; undefined for what has none: nested too deeply, or half a character in a text. */
export function digestOfArguments(args: Json, depthLimit: number): string | undefined {
  if (nestsDeeperThan(args, depthLimit)) return undefined;
  try {
    return sha256OfJson(args);
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    return undefined;
  }
}
