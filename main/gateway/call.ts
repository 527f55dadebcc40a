import { randomUUID } from 'node:crypto';
import type { ApprovalOutcome, Approvals } from '../approvals/approvals.ts';
import type { ApprovalAnswer, AuditWriter, CallFacts, CallOutcome, RefusalCode, RuleRef } from '../audit/record.ts';
import type { BackendReply, BackendSession, Backends } from '../backends/backends.ts';
import { type ArgumentValidator, compileArguments } from '../policy/arguments.ts';
import { sha256Hex, sha256OfJson } from '../policy/canonical.ts';
import { type Decision, decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type Json, type JsonObject, type Problem } from '../policy/json.ts';
import type { Pin, PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import type { Endpoint } from './admit.ts';
import type { Catalog } from './catalog.ts';
import { failureCode } from './failure.ts';
import type { InForce } from './gateway.ts';
import { changesInWords } from './held-back.ts';
import { checkParamHeaders, type McpHeaders, type ParamHeader, paramHeadersOf } from './mcp-headers.ts';
import { type NamedTool, nameTable } from './names.ts';
import { askLine, nameAction, refusalResult, ruleLine, sentence, type WireRefusalCode } from './refusal.ts';
import { metaKey, nestsDeeperThan, type RpcError, rpcCode, withLeadingMember } from './wire.ts';

/** One tools/call as it came in. */
export interface CallRequest {
  readonly era: 'legacy' | 'modern';
  readonly app: { readonly id: string; readonly name: string };
  readonly endpoint: Endpoint;
  /** Opaque id of the caller's session: also the key of its backend sessions and the reach of "for this conversation". */
  readonly session: string;
  readonly params: JsonObject;
  /** Present for modern callers: `Mcp-Param-*` must say what the body says. */
  readonly headers?: McpHeaders;
  /** Raw params of a progress notification, ready for this caller. Present when the caller gave a token. */
  readonly onProgress?: (params: JsonObject) => void;
  /** Aborts when the caller cancels, its app loses its key, or the gateway closes; `reason` is a StopReason. */
  readonly signal: AbortSignal;
}

export type StopReason = 'caller' | 'app-ended' | 'shutting-down';

export type CallAnswer =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly error: RpcError; readonly httpStatus?: number }
  /** The caller cancelled: it wants no answer. */
  | { readonly kind: 'none' };

/** Deeper arguments than any real tool takes; recursion further down (validation, canonical bytes) relies on it. */
const depthLimit = 200;
/** How often a question is put anew because the policy changed while it was open. */
const askLimit = 3;

/** What is known of a call once its tool is. */
interface Known {
  readonly callId: string;
  readonly request: CallRequest;
  readonly snapshot: PolicySnapshot;
  readonly named: NamedTool;
  readonly args: JsonObject;
  readonly argumentsDigest: string;
  readonly argumentsText: string;
}

/** What a refusal says of the decision behind it. */
type Verdict = Pick<Decision, 'effect' | 'rules' | 'reason' | 'contact'>;

type Approval = 'person-once' | 'person-session' | undefined;
type Step<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: CallAnswer };

/**
 * One call, start to answer (the order of docs: pin → arguments → decide → ask → record → forward → bound → record).
 * A refused call takes the same road minus the backend: nothing is started for a call the policy denies, so the
 * backend's own definition is looked at after the decision and before anybody is asked.
 */
export class Calls {
  readonly #deps: CallDeps;
  readonly #validators = new WeakMap<Pin, ArgumentValidator>();
  readonly #paramHeaders = new WeakMap<Pin, readonly ParamHeader[]>();

  constructor(deps: CallDeps) {
    this.#deps = deps;
  }

  async run(request: CallRequest): Promise<CallAnswer> {
    const callId = randomUUID();
    const wireName = request.params.name;
    if (typeof wireName !== 'string') {
      return rpcFailure(rpcCode.invalidParams, 'Invalid params: "name" must be the name of a tool');
    }
    const inForce = this.#deps.inForce();
    if (!inForce.ok) return this.#refuseWithoutPolicy(callId, request, wireName, inForce.code, inForce.message);
    const { snapshot } = inForce;
    const named = nameTable(snapshot.manifest, request.endpoint).get(wireName);
    if (named === undefined || this.#decide(snapshot, request, named, undefined).effect === 'deny') {
      return this.#unknownTool(callId, request, snapshot, wireName);
    }
    const mismatch = this.#headersDisagree(request, named);
    if (mismatch !== undefined) return { kind: 'error', error: mismatch, httpStatus: 400 };
    const given = request.params.arguments;
    if (given !== undefined && nestsDeeperThan(given, depthLimit)) {
      return rpcFailure(rpcCode.invalidParams, `Invalid params: "arguments" nest deeper than ${depthLimit} levels`);
    }
    // Numbers travel as JavaScript has them: 1.0 is sent on as 1, and integers beyond 2^53 lose digits. What is
    // validated, decided, shown, recorded and forwarded is the same value throughout, duplicate keys included (last wins).
    const args = isJsonObject(given) ? given : {};
    const known: Known = {
      callId,
      request,
      snapshot,
      named,
      args,
      argumentsDigest: sha256OfJson(given ?? {}),
      argumentsText: JSON.stringify(given ?? {}),
    };
    const seen = this.#deps.catalog.verdict(named.server, named.tool);
    if (seen !== undefined && seen.state !== 'approved') return this.#definitionChanged(known, seen);
    const problems =
      given === undefined || isJsonObject(given) ? this.#validate(named.pin, args) : [notAnObject(given)];
    if (problems.length > 0) return this.#invalidArguments(known, problems);
    return this.#decided(known);
  }

  async #decided(first: Known): Promise<CallAnswer> {
    let known = first;
    for (let round = 0; round < askLimit; round++) {
      const decision = this.#decide(known.snapshot, known.request, known.named, known.args);
      if (decision.effect === 'deny') return this.#denied(known, decision);
      const ready = await this.#openVerified(known, decision);
      if (!ready.ok) return ready.answer;
      if (decision.effect === 'allow') {
        // Opening a backend may have taken its time; what was decided must still hold.
        const still = this.#recheck(known);
        if (!still.ok) return still.answer;
        if (still.value.snapshot === known.snapshot) return this.#carry(known, decision, undefined, ready.value);
        known = still.value;
        continue;
      }
      const approval = await this.#ask(known, decision);
      if (!approval.ok) return approval.answer;
      const still = this.#recheck(known);
      if (!still.ok) return still.answer;
      if (still.value.snapshot !== known.snapshot) {
        // The yes was given under a policy that is no longer in force: it is decided, and asked, anew.
        known = still.value;
        continue;
      }
      // A person takes time: the definition is looked at again, so that the yes is for what is called.
      const again = await this.#openVerified(known, decision);
      return again.ok ? this.#carry(known, decision, approval.value, again.value) : again.answer;
    }
    const { server, tool } = known.named;
    return this.#refuse(
      known,
      'policy-denied',
      noDecision('The policy changed several times while you were asked.', known),
      {
        message: sentence(
          `${nameAction(tool, server.title)} was not done: the policy changed several times while you were asked. Try again.`,
          askLine(known.snapshot.document.contact),
        ),
      },
    );
  }

  // ── what comes before the decision ────────────────────────────────────────────────────────────────────────────

  #decide(snapshot: PolicySnapshot, request: CallRequest, named: NamedTool, args: JsonObject | undefined): Decision {
    return decide(snapshot, {
      question: args === undefined ? 'discover' : 'call',
      user: userOf(snapshot, this.#deps.account),
      app: request.app.name,
      ...(request.endpoint.kind === 'profile' && { profile: request.endpoint.profile }),
      alias: named.server.alias,
      tool: named.tool,
      ...(args !== undefined && { args }),
      at: this.#deps.clock.now(),
    });
  }

  #headersDisagree(request: CallRequest, named: NamedTool): RpcError | undefined {
    if (request.headers === undefined) return undefined;
    const declared = this.#paramHeaders.get(named.pin) ?? paramHeadersOf(named.pin.definition.inputSchema);
    this.#paramHeaders.set(named.pin, declared);
    return declared.length === 0 ? undefined : checkParamHeaders(declared, request.headers, request.params.arguments);
  }

  #validate(pin: Pin, args: JsonObject): readonly Problem[] {
    let validate = this.#validators.get(pin);
    if (validate === undefined) {
      const schema = pin.definition.inputSchema;
      validate = compileArguments(isJsonObject(schema) ? schema : { type: 'object' });
      this.#validators.set(pin, validate);
    }
    return validate(args);
  }

  // ── the backend's own definition ──────────────────────────────────────────────────────────────────────────────

  /** The session that will carry the call, if what it shows now is what was pinned. */
  async #openVerified(known: Known, decision: Verdict): Promise<Step<BackendSession>> {
    const { request, named } = known;
    const { server, tool } = named;
    try {
      const session = await this.#deps.backends.open(server.alias, request.session, request.signal);
      const verdict = await this.#deps.catalog.verdictOf(session, server, tool, request.session, request.signal);
      if (verdict?.state === 'approved') return { ok: true, value: session };
      const missing: PinVerdict = verdict ?? { state: 'missing', pin: named.pin };
      return { ok: false, answer: this.#definitionChanged(known, missing) };
    } catch (error) {
      const stop = stopReasonOf(request.signal);
      if (stop !== undefined) return { ok: false, answer: this.#stoppedBefore(known, decision, stop) };
      const code = failureCode(error);
      this.#deps.log.warn('backend-not-reached', { alias: server.alias, code, error: String(error) });
      const revoked = code === 'revoked';
      const message = sentence(
        `${nameAction(tool, server.title)} was not done: ${server.title} ${revoked ? 'is no longer approved' : 'cannot be reached right now'}.`,
        revoked ? '' : 'Try again in a moment.',
        askLine(decision.contact),
      );
      return { ok: false, answer: this.#refuse(known, 'backend-unavailable', decision, { message }) };
    }
  }

  #definitionChanged(known: Known, verdict: PinVerdict): CallAnswer {
    const { server, tool } = known.named;
    const { contact } = known.snapshot.document;
    const reason = 'It changed since your organisation approved it, so it is held back.';
    const message = sentence(
      `${nameAction(tool, server.title)} was not done: it changed since your organisation approved it, so it is held back until they approve it again.`,
      askLine(contact),
      `\nWhat changed:\n${changesInWords(verdict).slice(0, 4_000)}`,
    );
    return this.#refuse(known, 'definition-changed', noDecision(reason, known), { message });
  }

  // ── asking the person ─────────────────────────────────────────────────────────────────────────────────────────

  async #ask(known: Known, decision: Verdict): Promise<Step<Approval>> {
    const { snapshot, named, request, callId } = known;
    const { approvals, audit } = this.#deps;
    const stop = new AbortController();
    const signal = AbortSignal.any([request.signal, stop.signal]);
    const asking = approvals.ask(
      {
        callId,
        app: request.app.name,
        user: this.#deps.account,
        session: request.session,
        alias: named.server.alias,
        serverTitle: named.server.title,
        tool: named.tool,
        definition: named.pin.definition,
        definitionSha256: named.pin.sha256,
        args: known.args,
        labels: named.pin.labels,
        reason: decision.reason,
        rules: decision.rules.map((rule) => rule.id),
        policyDigest: snapshot.digest,
        message: snapshot.document.approvals.message,
        remember: snapshot.document.approvals.remember,
        timeoutMs: snapshot.document.approvals.timeoutSeconds * 1000,
      },
      signal,
    );
    const question = approvals.pending().find((each) => each.callId === callId);
    try {
      if (question !== undefined) audit.append({ kind: 'approval.asked', callId, shownDigest: question.digest });
    } catch (error) {
      stop.abort();
      await asking;
      return { ok: false, answer: this.#unrecorded(known, decision, error) };
    }
    const outcome = await asking;
    try {
      if (question !== undefined) {
        audit.append({ kind: 'approval.answered', callId, shownDigest: outcome.digest, answer: outcome.answer });
      }
    } catch (error) {
      return { ok: false, answer: this.#unrecorded(known, decision, error) };
    }
    if (outcome.allowed) {
      return { ok: true, value: outcome.answer === 'allow-once' ? 'person-once' : 'person-session' };
    }
    const reason = stopReasonOf(request.signal);
    if (reason !== undefined) return { ok: false, answer: this.#stoppedBefore(known, decision, reason) };
    return { ok: false, answer: this.#notApproved(known, decision, outcome) };
  }

  #notApproved(known: Known, decision: Verdict, outcome: ApprovalOutcome): CallAnswer {
    const { server, tool } = known.named;
    const message = sentence(
      `${nameAction(tool, server.title)} was not done: ${whyNotApproved(outcome.answer)}.`,
      decision.reason,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    return this.#refuse(known, 'not-approved-by-person', decision, { message });
  }

  /** The policy now in force must still know the tool, by the same pin, and this app. */
  #recheck(known: Known): Step<Known> {
    const { callId, request, named } = known;
    const inForce = this.#deps.inForce();
    if (!inForce.ok) {
      const reason = noDecision(inForce.message, known);
      return { ok: false, answer: this.#refuse(known, inForce.code, reason, { message: inForce.message }) };
    }
    const { snapshot } = inForce;
    if (snapshot === known.snapshot) return { ok: true, value: known };
    const now = nameTable(snapshot.manifest, request.endpoint).get(named.wireName);
    const { allowed } = snapshot.document.apps;
    if (!allowed.includes('*') && !allowed.includes(request.app.name)) {
      const message = sentence(
        `${nameAction(named.tool, named.server.title)} was not done: your organisation no longer allows ${request.app.name} to use Gatehouse.`,
        askLine(snapshot.document.contact),
      );
      return { ok: false, answer: this.#refuse(known, 'app-not-allowed', noDecision(message, known), { message }) };
    }
    const same =
      now?.server.alias === named.server.alias && now.tool === named.tool && now.pin.sha256 === named.pin.sha256;
    if (now === undefined || !same) {
      return { ok: false, answer: this.#unknownTool(callId, request, snapshot, named.wireName) };
    }
    return { ok: true, value: { ...known, snapshot, named: now } };
  }

  // ── carrying it out ───────────────────────────────────────────────────────────────────────────────────────────

  async #carry(known: Known, decision: Verdict, approval: Approval, session: BackendSession): Promise<CallAnswer> {
    const { request, named, snapshot } = known;
    const stop = stopReasonOf(request.signal);
    if (stop !== undefined) return this.#stoppedBefore(known, decision, stop);
    try {
      this.#deps.audit.append({
        kind: 'call.begin',
        ...this.#facts(known, decision),
        ...(approval !== undefined && { approvedBy: approval }),
      });
    } catch (error) {
      return this.#unrecorded(known, decision, error);
    }
    const begun = this.#deps.clock.now();
    const end = (outcome: CallOutcome, details: EndDetails, answer: CallAnswer): CallAnswer =>
      this.#end(known, decision, begun, outcome, details, answer);
    let reply: BackendReply;
    try {
      reply = await session.request('tools/call', forwarded(request.params, named.tool), {
        signal: request.signal,
        timeoutMs: snapshot.document.resilience.deadlineSeconds * 1000,
        ...(request.onProgress !== undefined && { onProgress: request.onProgress }),
      });
    } catch (error) {
      return this.#failed(known, decision, error, end);
    }
    const limit = snapshot.document.guard.resultBytes;
    if (!reply.ok) {
      const text = JSON.stringify(reply.error);
      if (Buffer.byteLength(text) > limit) return this.#tooLarge(known, decision, Buffer.byteLength(text), limit, end);
      // A server's own words may repeat what it was sent.
      const keep = snapshot.document.audit.payloads === 'full';
      const details: EndDetails = keep ? { message: reply.error.message.slice(0, 1_000) } : {};
      return end('backend-error', details, { kind: 'error', error: reply.error });
    }
    return this.#delivered(known, decision, reply.result, session.era, limit, end);
  }

  #delivered(
    known: Known,
    decision: Verdict,
    result: JsonObject,
    backendEra: 'legacy' | 'modern',
    limit: number,
    end: End,
  ): CallAnswer {
    const { request } = known;
    let text: string;
    try {
      // The one time a result is turned into text: for the bound, the record and the wire alike.
      text = JSON.stringify(result);
    } catch (error) {
      // Nested too deeply to be written as text.
      return this.#failed(known, decision, error, end);
    }
    const resultBytes = Buffer.byteLength(text);
    if (resultBytes > limit) return this.#tooLarge(known, decision, resultBytes, limit, end);
    const incomplete = result.resultType !== undefined && result.resultType !== 'complete';
    if (request.era === 'legacy' && backendEra === 'modern' && incomplete) {
      // Multi round-trip answers do not exist for this caller; forwarding one would look like a finished call.
      return this.#failed(known, decision, new Error(`resultType ${String(result.resultType)}`), end);
    }
    const keep = known.snapshot.document.audit.payloads === 'full';
    const details: EndDetails = { resultBytes, resultDigest: sha256Hex(text), ...(keep && { result: text }) };
    return end(result.isError === true ? 'tool-error' : 'ok', details, {
      kind: 'result',
      // 2026-07-28, "Results": resultType is required; a legacy backend does not know it. Nothing else is touched.
      text: request.era === 'modern' && result.resultType === undefined ? complete(text) : text,
    });
  }

  #tooLarge(known: Known, decision: Verdict, bytes: number, limit: number, end: End): CallAnswer {
    const { server, tool } = known.named;
    const message = sentence(
      `The result of ${nameAction(tool, server.title)} was held back: it has ${bytes} bytes, and your organisation allows ${limit}. Ask for less at a time.`,
      askLine(decision.contact),
    );
    const details: EndDetails = { resultBytes: bytes, message };
    return end('result-refused', details, this.#asResult(known, 'result-refused', decision, message));
  }

  #failed(known: Known, decision: Verdict, error: unknown, end: End): CallAnswer {
    const { request, named, snapshot } = known;
    const action = nameAction(named.tool, named.server.title);
    const ask = askLine(decision.contact);
    const stop = stopReasonOf(request.signal);
    if (stop !== undefined) {
      const message = whyStopped(action, stop);
      const answer: CallAnswer =
        stop === 'caller' ? { kind: 'none' } : this.#asResult(known, wireStop(stop), decision, message);
      return end('cancelled', { message }, answer);
    }
    const code = failureCode(error);
    this.#deps.log.warn('backend-failed', { alias: named.server.alias, code, error: String(error) });
    switch (code) {
      case 'timeout': {
        const seconds = snapshot.document.resilience.deadlineSeconds;
        const message = sentence(
          `${action} did not answer within ${seconds} seconds and was stopped. It may have had an effect.`,
          ask,
        );
        return end('timeout', { message }, this.#asResult(known, 'timeout', decision, message));
      }
      case 'revoked': {
        const message = sentence(
          `${action} was stopped: your organisation withdrew its approval while it ran. It may have had an effect.`,
          ask,
        );
        return end('cancelled', { message }, this.#asResult(known, 'revoked', decision, message));
      }
      case 'cancelled':
      case 'unavailable':
      case 'protocol':
      case undefined: {
        const why = code === 'unavailable' ? 'it stopped while it ran' : 'its answer could not be understood';
        const message = sentence(`${action} failed: ${why}. It may have had an effect.`, ask);
        return end('backend-error', { message }, this.#asResult(known, 'backend-failed', decision, message));
      }
      default:
        return code satisfies never;
    }
  }

  /**
   * Writes the end. Fail closed: what is not in the record is not handed out, so a result whose end cannot be written
   * is withheld, and the caller is told that the tool did run.
   */
  #end(
    known: Known,
    decision: Verdict,
    begun: number,
    outcome: CallOutcome,
    details: EndDetails,
    answer: CallAnswer,
  ): CallAnswer {
    const durationMs = Math.max(0, this.#deps.clock.now() - begun);
    try {
      this.#deps.audit.append({ kind: 'call.end', callId: known.callId, outcome, durationMs, ...details });
      return answer;
    } catch (error) {
      this.#deps.log.error('call-end-not-recorded', { callId: known.callId, error: String(error) });
      if (answer.kind === 'none') return answer;
      const { server, tool } = known.named;
      const message = sentence(
        `${nameAction(tool, server.title)} ran, but its result is held back because the record of it could not be written. It may have had an effect: check before you try again.`,
        askLine(decision.contact),
      );
      return this.#asResult(known, 'record-unavailable', decision, message);
    }
  }

  // ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────

  #denied(known: Known, decision: Verdict): CallAnswer {
    const { server, tool } = known.named;
    const message = sentence(
      `${nameAction(tool, server.title)} was not done: your organisation's policy does not allow it.`,
      decision.reason,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    return this.#refuse(known, 'policy-denied', decision, { message });
  }

  #invalidArguments(known: Known, problems: readonly Problem[]): CallAnswer {
    const { server, tool } = known.named;
    const fields = problems.slice(0, 20).map(describeProblem).join('\n');
    const message = `${nameAction(tool, server.title)} was not done: its input does not fit.\n${fields}`;
    const reason = 'The input does not fit what the tool takes.';
    // What was found is part of the arguments: where only digests are kept, the record names the fields alone.
    const paths = problems.slice(0, 20).map((problem) => problem.path);
    const keep = known.snapshot.document.audit.payloads === 'full';
    const words = keep ? { message } : { message, recorded: `${reason} Fields: ${paths.join(', ')}` };
    return this.#refuse(known, 'invalid-arguments', noDecision(reason, known), words);
  }

  #stoppedBefore(known: Known, decision: Verdict, stop: StopReason): CallAnswer {
    const message = whyStopped(nameAction(known.named.tool, known.named.server.title), stop);
    const code: RefusalCode =
      stop === 'app-ended' ? 'app-not-allowed' : stop === 'caller' ? 'not-approved-by-person' : stop;
    const answer = this.#refuse(known, code, decision, { message });
    return stop === 'caller' ? { kind: 'none' } : answer;
  }

  /** No record, no call; and the refusal itself cannot be recorded either. */
  #unrecorded(known: Known, decision: Verdict, error: unknown): CallAnswer {
    this.#deps.log.error('record-unavailable', { callId: known.callId, error: String(error) });
    const { server, tool } = known.named;
    const message = sentence(
      `${nameAction(tool, server.title)} was not done: Gatehouse could not write its record, and without a record nothing is done. Check that the disk is not full, then restart Gatehouse.`,
      askLine(decision.contact),
    );
    return this.#asResult(known, 'record-unavailable', decision, message);
  }

  #refuse(
    known: Known,
    code: RefusalCode,
    decision: Verdict,
    words: { readonly message: string; readonly recorded?: string },
  ): CallAnswer {
    // The record says what was decided for this call: it was not done, whatever the policy alone would have said.
    const facts = this.#facts(known, { ...decision, effect: code === 'not-approved-by-person' ? 'ask' : 'deny' });
    this.#recordRefusal(facts, code, words.recorded ?? words.message);
    return this.#asResult(known, code, decision, words.message);
  }

  #asResult(known: Known, code: WireRefusalCode, decision: Verdict, message: string): CallAnswer {
    const { rules, reason, contact } = decision;
    const text = refusalResult({ code, message, rules, reason, contact, callId: known.callId });
    return { kind: 'result', text: known.request.era === 'modern' ? complete(text) : text };
  }

  /** The same words for a tool that does not exist and for one this caller may not know of (MCP, Tools, "Error Handling"). */
  #unknownTool(callId: string, request: CallRequest, snapshot: PolicySnapshot, wireName: string): CallAnswer {
    const shown = shorten(wireName);
    const message = `Unknown tool: ${shown}`;
    const given = request.params.arguments;
    this.#recordRefusal(
      {
        ...this.#identity(callId, request, snapshot),
        alias: '',
        tool: shown,
        ...this.#argumentsOf(given, snapshot.document.audit.payloads === 'full'),
        effect: 'deny',
        rules: [],
        reason: 'This app has no tool of that name.',
      },
      'unknown-tool',
      message,
    );
    return rpcFailure(rpcCode.invalidParams, message);
  }

  #refuseWithoutPolicy(
    callId: string,
    request: CallRequest,
    wireName: string,
    code: 'no-policy' | 'policy-expired' | 'paused' | 'shutting-down',
    message: string,
  ): CallAnswer {
    const facts: CallFacts = {
      ...this.#identity(callId, request, undefined),
      alias: '',
      tool: shorten(wireName),
      // Without a policy nothing says that arguments may be kept.
      ...this.#argumentsOf(request.params.arguments, false),
      effect: 'deny',
      rules: [],
      reason: message,
    };
    this.#recordRefusal(facts, code, message);
    const text = refusalResult({ code, message, rules: [], reason: message, contact: '', callId });
    return { kind: 'result', text: request.era === 'modern' ? complete(text) : text };
  }

  /** A refusal that cannot be recorded stays a refusal: nothing is done either way. */
  #recordRefusal(facts: CallFacts, code: RefusalCode, message: string): void {
    try {
      this.#deps.audit.append({ kind: 'call.refused', code, message, ...facts });
    } catch (error) {
      this.#deps.log.error('refusal-not-recorded', { callId: facts.callId, code, error: String(error) });
    }
  }

  #identity(callId: string, request: CallRequest, snapshot: PolicySnapshot | undefined) {
    const { endpoint } = request;
    return {
      callId,
      user: this.#deps.account,
      app: request.app.name,
      ...(endpoint.kind === 'profile' && { profile: endpoint.profile }),
      era: request.era,
      session: request.session,
      policyVersion: snapshot?.version ?? 0,
      policyDigest: snapshot?.digest ?? '',
    };
  }

  #argumentsOf(
    given: Json | undefined,
    keep: boolean,
  ): { readonly argumentsDigest: string; readonly arguments?: string } {
    const args = given ?? {};
    if (nestsDeeperThan(args, depthLimit)) return { argumentsDigest: sha256Hex('') };
    return { argumentsDigest: sha256OfJson(args), ...(keep && { arguments: JSON.stringify(args) }) };
  }

  #facts(known: Known, decision: Verdict): CallFacts {
    const { callId, request, snapshot, named } = known;
    return {
      ...this.#identity(callId, request, snapshot),
      alias: named.server.alias,
      tool: named.tool,
      definition: named.pin.sha256,
      argumentsDigest: known.argumentsDigest,
      ...(snapshot.document.audit.payloads === 'full' && { arguments: known.argumentsText }),
      effect: decision.effect,
      rules: decision.rules,
      reason: decision.reason,
    };
  }
}

export interface CallDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly account: string;
  readonly inForce: () => InForce;
  readonly backends: Backends;
  readonly approvals: Approvals;
  readonly audit: AuditWriter;
  readonly catalog: Catalog;
}

interface EndDetails {
  readonly resultDigest?: string;
  readonly resultBytes?: number;
  readonly result?: string;
  readonly message?: string;
}

type End = (outcome: CallOutcome, details: EndDetails, answer: CallAnswer) => CallAnswer;

function complete(resultText: string): string {
  return withLeadingMember(resultText, 'resultType', '"complete"');
}

function rpcFailure(code: number, message: string): CallAnswer {
  return { kind: 'error', error: { code, message } };
}

function noDecision(reason: string, known: Known): Verdict {
  const rules: readonly RuleRef[] = [];
  return { effect: 'deny', rules, reason, contact: known.snapshot.document.contact };
}

/** What belongs to the hop between caller and gateway only; each hop states its own. */
const hopMeta: ReadonlySet<string> = new Set([
  metaKey.protocolVersion,
  metaKey.clientInfo,
  metaKey.clientCapabilities,
  metaKey.logLevel,
  'progressToken',
]);

/** The caller's params, key order kept, under the backend's own tool name and without this hop's `_meta`. */
function forwarded(params: JsonObject, tool: string): JsonObject {
  const meta = params._meta;
  if (!isJsonObject(meta)) return { ...params, name: tool };
  const kept = Object.entries(meta).filter(([key]) => !hopMeta.has(key));
  // An object the caller sent empty stays; one that held nothing but this hop's keys goes.
  if (kept.length > 0 || Object.keys(meta).length === 0) {
    return { ...params, name: tool, _meta: Object.fromEntries(kept) };
  }
  const { _meta: _hop, ...rest } = params;
  return { ...rest, name: tool };
}

function stopReasonOf(signal: AbortSignal): StopReason | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  return reason === 'app-ended' || reason === 'shutting-down' ? reason : 'caller';
}

function whyStopped(action: string, stop: StopReason): string {
  switch (stop) {
    case 'caller':
      return `${action} was stopped: the app cancelled it.`;
    case 'app-ended':
      return `${action} was stopped: this app's key for Gatehouse was withdrawn. Open Gatehouse, go to Apps and connect the app again.`;
    case 'shutting-down':
      return `${action} was stopped: Gatehouse is closing. Start it again to use your tools.`;
    default:
      return stop satisfies never;
  }
}

function wireStop(stop: StopReason): WireRefusalCode {
  return stop === 'app-ended' ? 'app-not-allowed' : stop === 'caller' ? 'cancelled' : stop;
}

function whyNotApproved(answer: ApprovalAnswer): string {
  switch (answer) {
    case 'deny':
      return 'you said no';
    case 'timeout':
      return 'nobody answered the question in time, which counts as no';
    case 'closed':
      return 'the question was closed without an answer, which counts as no';
    case 'quit':
      return 'Gatehouse was closed before the question was answered, which counts as no';
    case 'cancelled':
      return 'the app took its request back';
    case 'allow-once':
    case 'allow-session':
      return 'the answer did not arrive as given';
    default:
      return answer satisfies never;
  }
}

function describeProblem(problem: Problem): string {
  const where = problem.path === '' ? 'The input' : `"${problem.path.replace(/^\//, '').replaceAll('/', '.')}"`;
  return `- ${where}: expected ${problem.expected}, found ${problem.found}${problem.advice === undefined ? '' : `. ${problem.advice}`}`;
}

function notAnObject(given: Json): Problem {
  const found = given === null ? 'null' : Array.isArray(given) ? 'a list' : typeof given;
  return { path: '/arguments', expected: 'an object', found };
}

/** Names come from the caller and land in messages and the record. */
function shorten(name: string): string {
  return name.length <= 200 ? name : `${name.slice(0, 200)}…`;
}
