import { randomUUID } from 'node:crypto';
import type { ApprovalOutcome, Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { BackendSession, Backends } from '../backends/backends.ts';
import { type Decision, decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject, type Problem } from '../policy/json.ts';
import type { PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { type CallAnswer, type CallRequest, depthLimit, type KnownCall, noRule, type Step } from './call-request.ts';
import { type Approval, Carrier } from './carry.ts';
import type { Catalog } from './catalog.ts';
import { failureCode } from './failure.ts';
import type { InForce } from './gateway.ts';
import { changesInWords } from './held-back.ts';
import { type NamedTool, nameTable } from './names.ts';
import { PinnedInput } from './pinned-input.ts';
import { askLine, describeProblem, nameAction, ruleLine, sentence, whyNotApproved } from './refusal.ts';
import { digestOfArguments, Refusals } from './refuse.ts';
import { type StopReason, stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { clip, rpcCode } from './wire.ts';

/** How often a call is decided anew because the policy changed under it. */
const roundLimit = 3;

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

/**
 * One call, start to answer: pin → arguments → decide → ask → record → forward → bound → record. A refused call takes
 * the same road minus the backend: nothing is started for a call the policy denies, so what the carrying session
 * shows is compared with the pin after the decision, and before anybody is asked.
 */
export class Calls {
  readonly #deps: CallDeps;
  readonly #input = new PinnedInput();
  readonly #refusals: Refusals;
  readonly #carrier: Carrier;

  constructor(deps: CallDeps) {
    this.#deps = deps;
    this.#refusals = new Refusals(deps);
    this.#carrier = new Carrier({ ...deps, refusals: this.#refusals });
  }

  async run(request: CallRequest): Promise<CallAnswer> {
    const callId = randomUUID();
    const wireName = request.params.name;
    if (typeof wireName !== 'string') return invalidParams('"name" must be the name of a tool');
    const inForce = this.#deps.inForce();
    if (!inForce.ok) return this.#refusals.withoutPolicy(callId, request, wireName, inForce);
    const { snapshot } = inForce;
    const named = nameTable(snapshot.manifest, request.endpoint).get(wireName);
    if (named === undefined || this.#decide(snapshot, request, named, undefined).effect === 'deny') {
      return this.#refusals.unknownTool(callId, request, snapshot, wireName);
    }
    const given = request.params.arguments;
    const mismatch = request.headers && this.#input.headersDisagree(named.pin, request.headers, given);
    if (mismatch !== undefined) return { kind: 'error', error: mismatch, httpStatus: 400 };
    const argumentsDigest = digestOfArguments(given ?? {});
    if (argumentsDigest === undefined) {
      return invalidParams(`"arguments" nest deeper than ${depthLimit} levels, or hold text that is not valid Unicode`);
    }
    // Numbers travel as JavaScript has them: 1.0 is sent on as 1, and integers beyond 2^53 lose digits. What is
    // validated, decided, shown, recorded and forwarded is one value throughout; of a repeated key the last counts.
    const call: KnownCall = {
      callId,
      request,
      snapshot,
      named,
      args: isJsonObject(given) ? given : {},
      argumentsDigest,
      argumentsText: JSON.stringify(given ?? {}),
    };
    const seen = this.#deps.catalog.verdict(named.server, named.tool);
    if (seen !== undefined && seen.state !== 'approved') return this.#definitionChanged(call, seen);
    const problems = this.#input.problems(named.pin, given);
    if (problems.length > 0) return this.#invalidArguments(call, problems);
    return this.#settle(call);
  }

  /** Decides, asks where the policy says so, and carries the call; from the start again when the policy changed meanwhile. */
  async #settle(first: KnownCall): Promise<CallAnswer> {
    let call = first;
    for (let round = 0; round < roundLimit; round++) {
      const decision = this.#decide(call.snapshot, call.request, call.named, call.args);
      if (decision.effect === 'deny') return this.#denied(call, decision);
      let ready = await this.#openVerified(call, decision);
      if (!ready.ok) return ready.answer;
      let approval: Approval;
      if (decision.effect === 'ask') {
        const asked = await this.#ask(call, decision);
        if (!asked.ok) return asked.answer;
        approval = asked.value;
      }
      // Opening a backend and asking a person take time: what was decided must still be so.
      const still = this.#recheck(call);
      if (!still.ok) return still.answer;
      if (still.value.snapshot !== call.snapshot) {
        call = still.value;
        continue;
      }
      // The yes is for what was shown, so the definition is looked at once more.
      if (decision.effect === 'ask') ready = await this.#openVerified(call, decision);
      if (!ready.ok) return ready.answer;
      const stop = stopReasonOf(call.request.signal);
      if (stop !== undefined) return this.#stopped(call, decision, stop);
      return this.#carrier.carry(call, decision, approval, ready.value);
    }
    const { contact } = call.snapshot.document;
    const why = 'the policy changed several times while it was being decided. Try again.';
    const message = sentence(`${this.#action(call)} was not done: ${why}`, askLine(contact));
    return this.#refusals.refuse(call, 'policy-denied', noRule(message, contact), message);
  }

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

  /** The session that will carry the call, if what it shows now is what was pinned. */
  async #openVerified(call: KnownCall, decision: Decision): Promise<Step<BackendSession>> {
    const { request, named } = call;
    const { server, tool } = named;
    try {
      const session = await this.#deps.backends.open(server.alias, request.session, request.signal);
      const verdict = await this.#deps.catalog.verdictOf(session, server, tool, request.session, request.signal);
      if (verdict?.state === 'approved') return { ok: true, value: session };
      return ended(this.#definitionChanged(call, verdict ?? { state: 'missing', pin: named.pin }));
    } catch (error) {
      const stop = stopReasonOf(request.signal);
      if (stop !== undefined) return ended(this.#stopped(call, decision, stop));
      const code = failureCode(error);
      this.#deps.log.warn('backend-not-reached', { alias: server.alias, code, error: String(error) });
      const why = code === 'revoked' ? 'is no longer approved.' : 'cannot be reached right now. Try again in a moment.';
      const message = sentence(`${this.#action(call)} was not done: ${server.title} ${why}`, askLine(decision.contact));
      return ended(this.#refusals.refuse(call, 'backend-unavailable', decision, message));
    }
  }

  async #ask(call: KnownCall, decision: Decision): Promise<Step<Approval>> {
    const { snapshot, named, request, callId } = call;
    const { approvals, audit } = this.#deps;
    const { message, remember, timeoutSeconds } = snapshot.document.approvals;
    const withdraw = new AbortController();
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
        args: call.args,
        labels: named.pin.labels,
        reason: decision.reason,
        rules: decision.rules.map((rule) => rule.id),
        policyDigest: snapshot.digest,
        message,
        remember,
        timeoutMs: timeoutSeconds * 1000,
      },
      AbortSignal.any([request.signal, withdraw.signal]),
    );
    // None is pending when the person's earlier answer for this conversation still holds.
    const question = approvals.pending().find((each) => each.callId === callId);
    let outcome: ApprovalOutcome | undefined;
    try {
      if (question !== undefined) audit.append({ kind: 'approval.asked', callId, shownDigest: question.digest });
      outcome = await asking;
      const { answer, digest } = outcome;
      if (question !== undefined) audit.append({ kind: 'approval.answered', callId, shownDigest: digest, answer });
    } catch (error) {
      withdraw.abort();
      await asking;
      return ended(this.#refusals.unrecorded(call, decision, error));
    }
    if (outcome.allowed) {
      return { ok: true, value: outcome.answer === 'allow-once' ? 'person-once' : 'person-session' };
    }
    const stop = stopReasonOf(request.signal);
    if (stop !== undefined) return ended(this.#stopped(call, decision, stop));
    const words = sentence(
      `${this.#action(call)} was not done: ${whyNotApproved(outcome.answer)}.`,
      decision.reason,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    return ended(this.#refusals.refuse(call, 'not-approved-by-person', decision, words));
  }

  /** The call under the policy now in force, which must still know the tool by the same pin, and the app. */
  #recheck(call: KnownCall): Step<KnownCall> {
    const { callId, request, named } = call;
    const inForce = this.#deps.inForce();
    if (!inForce.ok) {
      const { code, message } = inForce;
      const verdict = noRule(message, call.snapshot.document.contact);
      return ended(this.#refusals.refuse(call, code, verdict, message));
    }
    const { snapshot } = inForce;
    if (snapshot === call.snapshot) return { ok: true, value: call };
    const { apps, contact } = snapshot.document;
    if (!apps.allowed.includes('*') && !apps.allowed.includes(request.app.name)) {
      const why = `your organisation no longer allows ${request.app.name} to use Gatehouse.`;
      const message = sentence(`${this.#action(call)} was not done: ${why}`, askLine(contact));
      return ended(this.#refusals.refuse(call, 'app-not-allowed', noRule(message, contact), message));
    }
    const now = nameTable(snapshot.manifest, request.endpoint).get(named.wireName);
    const same =
      now?.server.alias === named.server.alias && now.tool === named.tool && now.pin.sha256 === named.pin.sha256;
    if (now === undefined || !same) {
      return ended(this.#refusals.unknownTool(callId, request, snapshot, named.wireName));
    }
    return { ok: true, value: { ...call, snapshot, named: now } };
  }

  #denied(call: KnownCall, decision: Decision): CallAnswer {
    const message = sentence(
      `${this.#action(call)} was not done: your organisation's policy does not allow it.`,
      decision.reason,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    return this.#refusals.refuse(call, 'policy-denied', decision, message);
  }

  #definitionChanged(call: KnownCall, verdict: PinVerdict): CallAnswer {
    const { contact } = call.snapshot.document;
    const reason = 'It changed since your organisation approved it, so it is held back.';
    const why = 'it changed since your organisation approved it, and is held back until they approve it again.';
    const message = sentence(
      `${this.#action(call)} was not done: ${why}`,
      askLine(contact),
      `\nWhat changed:\n${clip(changesInWords(verdict), 4_000)}`,
    );
    return this.#refusals.refuse(call, 'definition-changed', noRule(reason, contact), message);
  }

  #invalidArguments(call: KnownCall, problems: readonly Problem[]): CallAnswer {
    const { document } = call.snapshot;
    const shown = problems.slice(0, 20);
    const reason = 'The input does not fit what the tool takes.';
    const message = `${this.#action(call)} was not done: its input does not fit.\n${shown.map(describeProblem).join('\n')}`;
    // What was found is part of the arguments: where only digests are kept, the record names the fields alone.
    const fields = `${reason} Fields: ${shown.map((problem) => problem.path).join(', ')}`;
    const recorded = document.audit.payloads === 'full' ? message : fields;
    return this.#refusals.refuse(call, 'invalid-arguments', noRule(reason, document.contact), message, recorded);
  }

  /** Stopped before it was begun. A caller that cancelled wants no answer, but the record says what became of it. */
  #stopped(call: KnownCall, decision: Decision, stop: StopReason): CallAnswer {
    const code = stopCode(stop);
    const recorded = code === 'cancelled' ? 'not-approved-by-person' : code;
    const answer = this.#refusals.refuse(call, recorded, decision, whyStopped(this.#action(call), stop));
    return stop === 'caller' ? { kind: 'none' } : answer;
  }

  #action(call: KnownCall): string {
    return nameAction(call.named.tool, call.named.server.title);
  }
}

function ended<T>(answer: CallAnswer): Step<T> {
  return { ok: false, answer };
}

function invalidParams(why: string): CallAnswer {
  return { kind: 'error', error: { code: rpcCode.invalidParams, message: `Invalid params: ${why}` } };
}
