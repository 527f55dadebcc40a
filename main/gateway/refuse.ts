import type { AuditWriter, CallFacts, RefusalCode } from '../audit/record.ts';
import { NotCanonical, sha256Hex, sha256OfJson } from '../policy/canonical.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import type { Json } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import { type CallAnswer, type CallRequest, depthLimit, type KnownCall, type Verdict } from './call-request.ts';
import type { InForce } from './gateway.ts';
import { askLine, nameAction, refusalResult, sentence, type WireRefusalCode } from './refusal.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { type StopReason, stopCode, whyStopped } from './stop.ts';
import { clip, nestsDeeperThan, rpcCode, withLeadingMember } from './wire.ts';

/** Puts the `resultType` in front that 2026-07-28 requires ("Results"); nothing else is touched. */
export function complete(resultText: string): string {
  return withLeadingMember(resultText, 'resultType', '"complete"');
}

/** Writes refusals to the record and turns them into answers. */
export class Refusals {
  readonly #account: string;
  readonly #audit: AuditWriter;
  readonly #log: Log;
  readonly #budget: RefusalBudget;

  constructor(parts: {
    readonly account: string;
    readonly audit: AuditWriter;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#account = parts.account;
    this.#audit = parts.audit;
    this.#log = parts.log;
    this.#budget = new RefusalBudget(parts);
  }

  /** Writes the counts of refusals that got no row of their own, once their minute is over or `all`. */
  flush(all = false): void {
    this.#budget.flush(all);
  }

  /** Records and answers. `recorded` replaces the message in the record where that must not repeat arguments. */
  refuse(call: KnownCall, code: RefusalCode, verdict: Verdict, message: string, recorded = message): CallAnswer {
    // The record says what became of this call: it was not done, whatever the policy alone would have said.
    const effect = code === 'not-approved-by-person' ? 'ask' : 'deny';
    const facts = this.factsOf(call, { ...verdict, effect });
    // Until its input fits, an app can send whatever it likes.
    this.#record(call.request, code === 'invalid-arguments' ? withoutBulk(facts) : facts, code, recorded);
    return this.answer(call, code, verdict, message);
  }

  /** The refusal as the AI app reads it, without a row of its own. */
  answer(call: KnownCall, code: WireRefusalCode, verdict: Verdict, message: string): CallAnswer {
    const { rules, reason, contact } = verdict;
    const text = refusalResult({ code, message, rules, reason, contact, callId: call.callId });
    return { kind: 'result', text: call.request.era === 'modern' ? complete(text) : text };
  }

  /** No record, no call; and the refusal itself cannot be recorded either. */
  unrecorded(call: KnownCall, verdict: Verdict, error: unknown): CallAnswer {
    this.#log.error('record-unavailable', { callId: call.callId, error: String(error) });
    const { server, tool } = call.named;
    const message = sentence(
      `${nameAction(tool, server.title)} was not done: Gatehouse could not write its record, and without a record nothing is done. Check that the disk is not full, then restart Gatehouse.`,
      askLine(verdict.contact),
    );
    return this.answer(call, 'record-unavailable', verdict, message);
  }

  /** The same words for a tool that does not exist and for one this caller may not know of (MCP, Tools, "Error Handling"). */
  unknownTool(callId: string, request: CallRequest, snapshot: PolicySnapshot, wireName: string): CallAnswer {
    const tool = clip(wireName, 200);
    const message = `Unknown tool: ${tool}`;
    const facts: CallFacts = {
      ...this.#identity(callId, request, snapshot),
      alias: '',
      tool,
      ...digestOf(request.params.arguments, snapshot.document.audit.payloads === 'full'),
      effect: 'deny',
      rules: [],
      reason: 'This app has no tool of that name.',
    };
    this.#record(request, withoutBulk(facts), 'unknown-tool', message);
    return { kind: 'error', error: { code: rpcCode.invalidParams, message } };
  }

  /** Said without a row for each: a flood is what this answers. */
  tooManyCalls(callId: string, request: CallRequest, limit: number): CallAnswer {
    const { app } = request;
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
    const text = refusalResult({ code: 'too-many-calls', message, rules: [], reason, contact: '', callId });
    return { kind: 'result', text: request.era === 'modern' ? complete(text) : text };
  }

  /** Stopped before it was begun. A caller that cancelled wants no answer, but the record says what became of it. */
  stopped(call: KnownCall, verdict: Verdict, stop: StopReason): CallAnswer {
    const code = stopCode(stop);
    const recorded = code === 'cancelled' ? 'not-approved-by-person' : code;
    const { server, tool } = call.named;
    const answer = this.refuse(call, recorded, verdict, whyStopped(nameAction(tool, server.title), stop));
    return stop === 'caller' ? { kind: 'none' } : answer;
  }

  withoutPolicy(
    callId: string,
    request: CallRequest,
    wireName: string,
    { code, message }: Extract<InForce, { ok: false }>,
  ): CallAnswer {
    const facts: CallFacts = {
      ...this.#identity(callId, request, undefined),
      alias: '',
      tool: clip(wireName, 200),
      // Without a policy nothing says that arguments may be kept.
      ...digestOf(request.params.arguments, false),
      effect: 'deny',
      rules: [],
      reason: message,
    };
    this.#record(request, facts, code, message);
    const text = refusalResult({ code, message, rules: [], reason: message, contact: '', callId });
    return { kind: 'result', text: request.era === 'modern' ? complete(text) : text };
  }

  factsOf(call: KnownCall, verdict: Verdict): CallFacts {
    const { callId, request, snapshot, named, extra } = call;
    const keep = snapshot.document.audit.payloads === 'full';
    return {
      ...this.#identity(callId, request, snapshot),
      alias: named.server.alias,
      tool: named.tool,
      definition: named.pin.sha256,
      argumentsDigest: call.argumentsDigest,
      ...(keep && { arguments: call.argumentsText }),
      ...(extra !== undefined && { extraDigest: extra.digest, ...(keep && { extra: extra.text }) }),
      effect: verdict.effect,
      rules: verdict.rules,
      reason: verdict.reason,
    };
  }

  #identity(callId: string, request: CallRequest, snapshot: PolicySnapshot | undefined) {
    const { endpoint } = request;
    return {
      callId,
      user: this.#account,
      app: request.app.name,
      ...(endpoint.kind === 'profile' && { profile: endpoint.profile }),
      era: request.era,
      session: request.session,
      policyVersion: snapshot?.version ?? 0,
      policyDigest: snapshot?.digest ?? '',
    };
  }

  /** A refusal that cannot be recorded stays a refusal: nothing is done either way. */
  #record({ app }: CallRequest, facts: CallFacts, code: RefusalCode, message: string): void {
    if (!this.#budget.take(app, code, recordedPerMinute)) return;
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

/** Hex SHA-256 of the RFC 8785 bytes; undefined for what has none: nested too deeply, or half a character in a text. */
export function digestOfArguments(args: Json): string | undefined {
  if (nestsDeeperThan(args, depthLimit)) return undefined;
  try {
    return sha256OfJson(args);
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    return undefined;
  }
}

function digestOf(
  given: Json | undefined,
  keep: boolean,
): { readonly argumentsDigest: string; readonly arguments?: string } {
  const args = given ?? {};
  const argumentsDigest = digestOfArguments(args);
  // What has no digest is not kept either: the record would hold what nothing in it names.
  if (argumentsDigest === undefined) return { argumentsDigest: sha256Hex('') };
  return { argumentsDigest, ...(keep && { arguments: JSON.stringify(args) }) };
}
