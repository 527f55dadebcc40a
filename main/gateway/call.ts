import type { Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { Backends } from '../backends/backends.ts';
import { type Decision, type PolicySnapshot, userOf } from '../policy/decide.ts';
import type { Json } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import { askPerson } from './ask-person.ts';
import type { BackendSides } from './backend-sides.ts';
import { newCallId } from './call-id.ts';
import { givenTo, inputProblems, namedBy } from './call-input.ts';
import {
  appNotAllowed,
  definitionChanged,
  denied,
  invalidArguments,
  invalidParams,
  notAsked,
  policyKeptChanging,
} from './call-refusals.ts';
import {
  type CallRequest,
  ended,
  type KnownCall,
  type Lapse,
  noRule,
  type Step,
  type Verdict,
} from './call-request.ts';
import { type Approval, Carrier, type Carrying } from './carry.ts';
import type { Catalog } from './catalog.ts';
import type { Conversation, Reply } from './conversation.ts';
import { roundTripKeyOf } from './forwarded.ts';
import type { InForce } from './gateway.ts';
import { KeptYes } from './kept-yes.ts';
import { knownCall } from './known-call.ts';
import { limitsOf } from './limits.ts';
import { Opener } from './opener.ts';
import { PinnedInput } from './pinned-input.ts';
import { askLine, sentence } from './refusal.ts';
import { actionOf, Refusals } from './refuse.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { decideOn, isSameSubject, pinnedAs, type Subject, type View } from './subjects.ts';
import type { TaskTable } from './task-table.ts';
import { type RpcError, rpcCode } from './wire.ts';

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
 * One call, start to answer: subject → pin → arguments → decide → ask → record → forward → bound → record. A refused call takes the same road
 * minus the backend: nothing is started for a call the policy denies, so what the carrying session shows is compared with the pin after the
 * decision, and before anybody is asked. Tools, prompts, resources and completions all go this way.
 */
export class Calls {
  readonly #deps: CallDeps;
  readonly #opener: Opener;
  readonly #input = new PinnedInput();
  readonly #kept: KeptYes;
  readonly #carrier: Carrier;
  readonly refusals: Refusals;
  /** Calls under way per app. */
  readonly #running = new Map<string, number>();

  constructor(deps: CallDeps, parts: { readonly sides: BackendSides; readonly tasks: TaskTable }) {
    this.#deps = deps;
    this.#kept = new KeptYes(deps.clock);
    this.refusals = new Refusals(deps);
    const { refusals } = this;
    this.#opener = new Opener({ log: deps.log, catalog: deps.catalog, sides: parts.sides, refusals });
    this.#carrier = new Carrier({ ...deps, ...parts, refusals, questions: parts.sides.questions, kept: this.#kept });
  }

  /** Never rejects: what breaks on our side is an answer too, so that each caller gets one under its own id. */
  run(request: CallRequest, carrying?: Carrying): Promise<Reply> {
    return this.#counted(request, (callId) => this.#run(callId, request, carrying));
  }

  /** A request about something that was allowed before, such as the task a call was made into: it is seen, recorded and carried, not decided anew. */
  runAllowed(
    request: CallRequest,
    snapshot: PolicySnapshot,
    subject: Subject,
    reason: string,
    carrying?: Carrying,
  ): Promise<Reply> {
    return this.#counted(request, async (callId) => {
      const step = knownCall(callId, request, snapshot, subject);
      if (!step.ok) return step.answer;
      const verdict = { effect: 'allow', rules: [], reason, contact: snapshot.document.contact } as const;
      const opened = await this.#opener.open(step.value, verdict);
      if (!opened.ok) return opened.answer;
      try {
        const still = this.#recheck(step.value);
        if (!still.ok) return still.answer;
        const lapsed = () => this.#lapse(step.value, verdict);
        return await this.#carrier.carry(step.value, verdict, undefined, opened.value, lapsed, carrying);
      } finally {
        opened.value.release();
      }
    });
  }

  /** Whether a request that waits for its caller may go on. Undefined: it may. */
  stillAllowed(request: CallRequest): Reply | undefined {
    const callId = newCallId(this.#deps.clock.now());
    const named = namedBy(request);
    if (!named.ok) return undefined;
    const step = this.#begin(callId, request, named);
    if (!step.ok) return step.answer;
    const decision = this.#decide(step.value);
    return decision.effect === 'deny' ? denied(this.refusals, step.value, decision) : undefined;
  }

  flushRefusals(all = false): void {
    this.refusals.flush(all);
  }

  async #counted(request: CallRequest, run: (callId: string) => Promise<Reply>): Promise<Reply> {
    const callId = newCallId(this.#deps.clock.now());
    const { id } = request.conversation.app;
    const running = this.#running.get(id) ?? 0;
    const { callsPerApp } = limitsOf(this.#deps.inForce());
    if (running >= callsPerApp) return this.refusals.tooManyCalls(callId, request, callsPerApp);
    this.#running.set(id, running + 1);
    try {
      return await run(callId);
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

  async #run(callId: string, request: CallRequest, carrying: Carrying | undefined): Promise<Reply> {
    const named = namedBy(request);
    if (!named.ok) return invalidParams(named.why);
    const step = this.#begin(callId, request, named);
    return step.ok ? this.#settle(step.value, carrying) : step.answer;
  }

  /** Everything that is known without asking anybody. */
  #begin(
    callId: string,
    request: CallRequest,
    named: Extract<ReturnType<typeof namedBy>, { ok: true }>,
  ): Step<KnownCall> {
    const inForce = this.#deps.inForce();
    if (!inForce.ok) return ended(this.refusals.withoutPolicy(callId, request, named.wireName, inForce));
    const { snapshot } = inForce;
    const subject = named.find(snapshot);
    const at = this.#deps.clock.now();
    if (subject === undefined || decideOn(this.viewOf(snapshot, request.conversation), subject, at).effect === 'deny') {
      return ended(this.refusals.unknown(callId, request, snapshot, named.wireName));
    }
    const given = givenTo(request, subject);
    const mismatch = this.#headersDisagree(request, subject, given);
    if (mismatch !== undefined) return ended({ kind: 'error', error: mismatch, httpStatus: 400 });
    const step = knownCall(callId, request, snapshot, subject);
    if (!step.ok) return step;
    const call = step.value;
    const roundTripKey = roundTripKeyOf(request.params);
    if (roundTripKey !== undefined && request.conversation.era === 'legacy')
      return ended(notAsked(this.refusals, call, roundTripKey));
    const pinned = pinnedAs(subject);
    const seen = pinned && this.#deps.catalog.verdict(subject.server, pinned.kind, pinned.name);
    if (seen !== undefined && seen.state !== 'approved') return ended(definitionChanged(this.refusals, call, seen));
    const problems = inputProblems(request, subject, given, this.#input);
    return problems.length > 0 ? ended(invalidArguments(this.refusals, call, problems)) : step;
  }

  /** A wrapped call is another tool's than the one its headers are about. */
  #headersDisagree(
    { conversation, method, wrapped }: CallRequest,
    subject: Subject,
    given: Json | undefined,
  ): RpcError | undefined {
    if (subject.kind !== 'tool' || method !== 'tools/call' || wrapped || conversation.headers === undefined) {
      return undefined;
    }
    return this.#input.headersDisagree(subject.pin, conversation.headers, given);
  }

  /** Decides, asks where the policy says so, and carries the call; from the start again when the policy changed meanwhile. */
  async #settle(first: KnownCall, carrying: Carrying | undefined): Promise<Reply> {
    let call = first;
    for (let round = 0; round < roundLimit; round++) {
      const decision = this.#decide(call);
      if (decision.effect === 'deny') return denied(this.refusals, call, decision);
      const ready = await this.#opener.openVerified(call, decision);
      if (!ready.ok) return ready.answer;
      let opened = ready.value;
      try {
        let approval: Approval;
        if (decision.effect === 'ask' && this.#kept.take(call)) approval = 'person-once';
        else if (decision.effect === 'ask') {
          const asked = await askPerson({ ...this.#deps, refusals: this.refusals }, call, decision);
          if (!asked.ok) return asked.answer;
          approval = asked.value;
          const meanwhile = this.#recheck(call);
          if (!meanwhile.ok) return meanwhile.answer;
          if (meanwhile.value === call) {
            // The yes is for what was shown, so the definition is looked at once more.
            opened.release();
            const again = await this.#opener.openVerified(call, decision);
            if (!again.ok) return again.answer;
            opened = again.value;
          }
        }
        // Opening a backend and asking a person take time: what was decided must still be so. From here to the begin row
        // nothing is awaited.
        const still = this.#recheck(call);
        if (!still.ok) return still.answer;
        if (still.value.snapshot !== call.snapshot) {
          call = still.value;
          continue;
        }
        const stop = stopReasonOf(call.request.conversation.signal);
        if (stop !== undefined) return this.refusals.stopped(call, decision, stop);
        const decided = call;
        const lapsed = () => this.#lapse(decided, decision);
        return await this.#carrier.carry(decided, decision, approval, opened, lapsed, carrying);
      } finally {
        opened.release();
      }
    }
    return policyKeptChanging(this.refusals, call);
  }

  /** Whose view a conversation's is. */
  viewOf(snapshot: PolicySnapshot, { app, endpoint }: Pick<Conversation, 'app' | 'endpoint'>): View {
    return { snapshot, user: userOf(snapshot, this.#deps.account), app: app.name, endpoint };
  }

  /** To complete what is typed, it is enough to see what it is typed for. */
  #decide({ request, snapshot, subject, args }: KnownCall): Decision {
    const at = this.#deps.clock.now();
    const view = this.viewOf(snapshot, request.conversation);
    return request.method === 'completion/complete' ? decideOn(view, subject, at) : decideOn(view, subject, at, args);
  }

  /** The call under the policy now in force, which must still know the subject by the same pin, and the app. */
  #recheck(call: KnownCall): Step<KnownCall> {
    const { callId, request, subject } = call;
    const inForce = this.#deps.inForce();
    if (!inForce.ok) {
      const { code, message } = inForce;
      const verdict = noRule(message, call.snapshot.document.contact);
      return ended(this.refusals.refuse(call, code, verdict, message));
    }
    const { snapshot } = inForce;
    if (snapshot === call.snapshot) return { ok: true, value: call };
    const { apps, contact } = snapshot.document;
    const { app } = request.conversation;
    if (!apps.allowed.includes('*') && !apps.allowed.includes(app.name)) {
      return ended(appNotAllowed(this.refusals, call, contact));
    }
    const named = namedBy(request);
    const now = named.ok ? named.find(snapshot) : undefined;
    if (now === undefined || !isSameSubject(subject, now)) {
      return ended(this.refusals.unknown(callId, request, snapshot, named.ok ? named.wireName : subject.wireName));
    }
    return { ok: true, value: { ...call, snapshot, subject: now } };
  }

  /** Writing the begin row takes a moment, too: why the call may not be made after it. Its end row says so. */
  #lapse(call: KnownCall, verdict: Verdict): Lapse | undefined {
    const stop = stopReasonOf(call.request.conversation.signal);
    if (stop !== undefined) {
      const message = whyStopped(actionOf(call), stop);
      const answer = this.refusals.answer(call, stopCode(stop), verdict, message);
      return { message, answer: stop === 'caller' ? { kind: 'none' } : answer };
    }
    const inForce = this.#deps.inForce();
    if (inForce.ok && inForce.snapshot === call.snapshot) return undefined;
    const { contact } = call.snapshot.document;
    const changed = `${actionOf(call)} was not done: the policy changed at this very moment. Try again.`;
    const message = inForce.ok ? sentence(changed, askLine(contact)) : inForce.message;
    const code = inForce.ok ? 'policy-denied' : inForce.code;
    return { message, answer: this.refusals.answer(call, code, noRule(message, contact), message) };
  }
}
