import type { Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { Backends } from '../backends/backends.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import type { Json } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import { askPerson } from './ask-person.ts';
import type { BackendSides } from './backend-sides.ts';
import { newCallId } from './call-id.ts';
import { givenTo, inputProblems, namedBy } from './call-input.ts';
import {
  definitionChanged,
  denied,
  invalidArguments,
  invalidParams,
  notAsked,
  notConfirmed,
  policyKeptChanging,
} from './call-refusals.ts';
import { type CallRequest, ended, type KnownCall, type Step, type Verdict } from './call-request.ts';
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
import { Recheck } from './recheck.ts';
import { Refusals } from './refuse.ts';
import { stopReasonOf } from './stop.ts';
import { decideOn, pinnedAs, type Subject, type View } from './subjects.ts';
import type { KnownTask, TaskTable } from './task-table.ts';
import { timed } from './timing.ts';
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
  /** Requests of one app under way, without the one that begins: all of them together are `gateway.callsPerApp` at most. */
  readonly underWay: (appId: string) => number;
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
  readonly #recheck: Recheck;
  /** Calls whose server may ask their caller things, and what was agreed to when they were begun. */
  readonly #asking = new WeakMap<Conversation, { readonly call: KnownCall; readonly approval: Approval }>();

  constructor(deps: CallDeps, parts: { readonly sides: BackendSides; readonly tasks: TaskTable }) {
    this.#deps = deps;
    this.#kept = new KeptYes(deps.clock);
    this.refusals = new Refusals(deps);
    const { refusals } = this;
    this.#opener = new Opener({ log: deps.log, catalog: deps.catalog, sides: parts.sides, refusals });
    this.#recheck = new Recheck({ ...deps, refusals });
    const { questions } = parts.sides;
    this.#carrier = new Carrier({ ...deps, ...parts, refusals, questions, kept: this.#kept, recheck: this.#recheck });
  }

  /** Never rejects: what breaks on our side is an answer too, so that each caller gets one under its own id. */
  run(request: CallRequest, carrying?: Carrying): Promise<Reply> {
    return this.#answered(request, (callId) => this.#run(callId, request, carrying));
  }

  /**
   * A request about a task that a call was made into. The policy is asked again what it says of that call, by that call's arguments, and the
   * definition is compared with the pin again. To stop something needs nobody's leave.
   */
  runOfTask(request: CallRequest, snapshot: PolicySnapshot, subject: Subject, task: KnownTask, carrying?: Carrying) {
    return this.#answered(request, async (callId): Promise<Reply> => {
      const step = knownCall(callId, request, snapshot, subject);
      if (!step.ok) return step.answer;
      const call = step.value;
      const cancels = request.method === 'tasks/cancel';
      const verdict = cancels ? mayStop(snapshot.document.contact) : this.#recheck.decideTask(call, task);
      if (verdict.effect === 'deny') return denied(this.refusals, call, verdict);
      if (verdict.effect === 'ask' && task.approvedBy === undefined) return notConfirmed(this.refusals, call, verdict);
      const opened = await (cancels ? this.#opener.open(call, verdict) : this.#opener.openVerified(call, verdict));
      if (!opened.ok) return opened.answer;
      try {
        const still = this.#recheck.now(call);
        if (!still.ok) return still.answer;
        return await this.#carrier.carry(call, verdict, task.approvedBy, opened.value, carrying);
      } finally {
        opened.value.release();
      }
    });
  }

  /** Whether a request that waited for its caller may go on. Undefined: it may. */
  stillAllowed(conversation: Conversation): Reply | undefined {
    const begun = this.#asking.get(conversation);
    if (begun === undefined) return invalidParams('this request asked for no input');
    const call = { ...begun.call, callId: newCallId(this.#deps.clock.now()) };
    const halt = this.#recheck.halt(call, begun.approval);
    return halt && this.refusals.refuse(call, halt.code, halt.verdict, halt.message);
  }

  flushRefusals(all = false): void {
    this.refusals.flush(all);
  }

  async #answered(request: CallRequest, run: (callId: string) => Promise<Reply>): Promise<Reply> {
    const callId = newCallId(this.#deps.clock.now());
    // Other requests are refused before they come here.
    if (request.method === 'tools/call') {
      const { callsPerApp } = limitsOf(this.#deps.inForce());
      const running = this.#deps.underWay(request.conversation.app.id);
      if (running >= callsPerApp) return this.refusals.tooManyCalls(callId, request, callsPerApp);
    }
    try {
      return await run(callId);
    } catch (error) {
      this.#deps.log.error('call-failed', { callId, error: String(error) });
      const message = 'Gatehouse failed to answer. Try again; if it happens again, ask your IT team.';
      return { kind: 'error', error: { code: rpcCode.internalError, message } };
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
    const view = this.viewOf(snapshot, request.conversation);
    if (subject === undefined || timed('decide', () => decideOn(view, subject, at)).effect === 'deny') {
      return ended(this.refusals.unknown(callId, request, snapshot, named.wireName));
    }
    return timed('guard', () => this.#lookAt(callId, request, snapshot, subject));
  }

  /** Whether what is given fits what was pinned, and what was pinned what was last seen. */
  #lookAt(callId: string, request: CallRequest, snapshot: PolicySnapshot, subject: Subject): Step<KnownCall> {
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
      const decision = timed('decide', () => this.#recheck.decide(call));
      if (decision.effect === 'deny') return denied(this.refusals, call, decision);
      const ready = await timed('guard', () => this.#opener.openVerified(call, decision));
      if (!ready.ok) return ready.answer;
      let opened = ready.value;
      try {
        let approval: Approval;
        if (decision.effect === 'ask' && this.#kept.take(call)) approval = 'person-once';
        else if (decision.effect === 'ask') {
          const asked = await askPerson({ ...this.#deps, refusals: this.refusals }, call, decision);
          if (!asked.ok) return asked.answer;
          approval = asked.value;
          const meanwhile = this.#recheck.now(call);
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
        const still = this.#recheck.now(call);
        if (!still.ok) return still.answer;
        if (still.value.snapshot !== call.snapshot) {
          call = still.value;
          continue;
        }
        const stop = stopReasonOf(call.request.conversation.signal);
        if (stop !== undefined) return this.refusals.stopped(call, decision, stop);
        if (opened.side.asks) this.#asking.set(call.request.conversation, { call, approval });
        return await this.#carrier.carry(call, decision, approval, opened, carrying);
      } finally {
        opened.release();
      }
    }
    return policyKeptChanging(this.refusals, call);
  }

  /** Whose view a conversation's is. */
  viewOf(snapshot: PolicySnapshot, of: Pick<Conversation, 'app' | 'endpoint'>): View {
    return this.#recheck.viewOf(snapshot, of);
  }
}

function mayStop(contact: string): Verdict {
  return { effect: 'allow', rules: [], reason: 'What was begun may be stopped.', contact };
}
