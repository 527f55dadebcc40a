import { randomUUID } from 'node:crypto';
import type { Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { BackendSession, Backends } from '../backends/backends.ts';
import { type Decision, decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject, type Problem } from '../policy/json.ts';
import type { PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { askPerson } from './ask-person.ts';
import {
  type CallAnswer,
  type CallRequest,
  depthLimit,
  type KnownCall,
  type Lapse,
  noRule,
  type Step,
} from './call-request.ts';
import { type Approval, Carrier } from './carry.ts';
import type { Catalog } from './catalog.ts';
import { failureCode } from './failure.ts';
import { roundTripKeyOf, sentBeside } from './forwarded.ts';
import type { InForce } from './gateway.ts';
import { changesInWords } from './held-back.ts';
import { type NamedTool, nameTable } from './names.ts';
import { PinnedInput } from './pinned-input.ts';
import { askLine, describeProblem, nameAction, ruleLine, sentence } from './refusal.ts';
import { digestOfArguments, Refusals } from './refuse.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { clip, rpcCode } from './wire.ts';

/** How often a call is decided anew because the policy changed under it. */
const roundLimit = 3;
/** Calls of one app under way at once, waiting for the person included. */
const runningLimit = 256;

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
  /** Calls under way per app. */
  readonly #running = new Map<string, number>();

  constructor(deps: CallDeps) {
    this.#deps = deps;
    this.#refusals = new Refusals(deps);
    this.#carrier = new Carrier({ ...deps, refusals: this.#refusals });
  }

  /** Never rejects: what breaks on our side is an answer too, so that each caller gets one under its own id. */
  async run(request: CallRequest): Promise<CallAnswer> {
    const callId = randomUUID();
    const { id } = request.app;
    const running = this.#running.get(id) ?? 0;
    if (running >= runningLimit) return this.#refusals.tooManyCalls(callId, request, runningLimit);
    this.#running.set(id, running + 1);
    try {
      return await this.#run(callId, request);
    } catch (error) {
      this.#deps.log.error('call-failed', { callId, error: String(error) });
      const message = 'Gatehouse failed to answer. Try again; if it happens again, ask your IT team.';
      return { kind: 'error', error: { code: rpcCode.internalError, message } };
    } finally {
      const left = (this.#running.get(id) ?? 1) - 1;
      if (left > 0) this.#running.set(id, left);
      else this.#running.delete(id);
    }
  }

  flushRefusals(all = false): void {
    this.#refusals.flush(all);
  }

  async #run(callId: string, request: CallRequest): Promise<CallAnswer> {
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
    const beside = sentBeside(request.params);
    const extraDigest = beside && digestOfArguments(beside);
    if (beside !== undefined && extraDigest === undefined) {
      const what = 'what is sent beside "name" and "arguments"';
      return invalidParams(`${what} nests deeper than ${depthLimit} levels, or holds text that is not valid Unicode`);
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
      ...(beside !== undefined &&
        extraDigest !== undefined && {
          extra: { value: beside, text: JSON.stringify(beside), digest: extraDigest },
        }),
    };
    const roundTripKey = roundTripKeyOf(request.params);
    if (roundTripKey !== undefined) return this.#notAsked(call, roundTripKey);
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
        const asked = await askPerson({ ...this.#deps, refusals: this.#refusals }, call, decision);
        if (!asked.ok) return asked.answer;
        approval = asked.value;
        const meanwhile = this.#recheck(call);
        if (!meanwhile.ok) return meanwhile.answer;
        // The yes is for what was shown, so the definition is looked at once more.
        if (meanwhile.value === call) ready = await this.#openVerified(call, decision);
        if (!ready.ok) return ready.answer;
      }
      // Opening a backend and asking a person take time: what was decided must still be so. From here to the begin row
      // nothing is awaited.
      const still = this.#recheck(call);
      if (!still.ok) return still.answer;
      if (still.value.snapshot !== call.snapshot) {
        call = still.value;
        continue;
      }
      const stop = stopReasonOf(call.request.signal);
      if (stop !== undefined) return this.#refusals.stopped(call, decision, stop);
      const decided = call;
      return this.#carrier.carry(decided, decision, approval, ready.value, () => this.#lapse(decided, decision));
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
      if (stop !== undefined) return ended(this.#refusals.stopped(call, decision, stop));
      const code = failureCode(error);
      this.#deps.log.warn('backend-not-reached', { alias: server.alias, code, error: String(error) });
      const why = code === 'revoked' ? 'is no longer approved.' : 'cannot be reached right now. Try again in a moment.';
      const message = sentence(`${this.#action(call)} was not done: ${server.title} ${why}`, askLine(decision.contact));
      return ended(this.#refusals.refuse(call, 'backend-unavailable', decision, message));
    }
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

  /** Writing the begin row takes a moment, too: why the call may not be made after it. Its end row says so. */
  #lapse(call: KnownCall, decision: Decision): Lapse | undefined {
    const stop = stopReasonOf(call.request.signal);
    if (stop !== undefined) {
      const message = whyStopped(this.#action(call), stop);
      const answer = this.#refusals.answer(call, stopCode(stop), decision, message);
      return { message, answer: stop === 'caller' ? { kind: 'none' } : answer };
    }
    const inForce = this.#deps.inForce();
    if (inForce.ok && inForce.snapshot === call.snapshot) return undefined;
    const { contact } = call.snapshot.document;
    const changed = `${this.#action(call)} was not done: the policy changed at this very moment. Try again.`;
    const message = inForce.ok ? sentence(changed, askLine(contact)) : inForce.message;
    const code = inForce.ok ? 'policy-denied' : inForce.code;
    return { message, answer: this.#refusals.answer(call, code, noRule(message, contact), message) };
  }

  /** More input is sent only when a server asked for it, and the gateway passes no such question on. */
  #notAsked(call: KnownCall, key: string): CallAnswer {
    const why = `"${key}" answers a question of a server, and Gatehouse passes none on yet. Call the tool without it`;
    const message = `${this.#action(call)} was not done: ${why}.`;
    this.#refusals.refuse(call, 'invalid-arguments', noRule(why, call.snapshot.document.contact), message);
    return invalidParams(why);
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
    const lines = clip(shown.map(describeProblem).join('\n'), 8_000);
    const message = `${this.#action(call)} was not done: its input does not fit.\n${lines}`;
    // What was found is part of the arguments: where only digests are kept, the record names the fields alone.
    const fields = clip(`${reason} Fields: ${shown.map((problem) => problem.path).join(', ')}`, 8_000);
    const recorded = document.audit.payloads === 'full' ? message : fields;
    return this.#refusals.refuse(call, 'invalid-arguments', noRule(reason, document.contact), message, recorded);
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
