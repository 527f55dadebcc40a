import { randomUUID } from 'node:crypto';
import type { Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { Backends } from '../backends/backends.ts';
import { type Decision, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type Problem } from '../policy/json.ts';
import type { PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { askPerson } from './ask-person.ts';
import type { BackendSides, Opened } from './backend-sides.ts';
import { givenTo, inputProblems, namedBy } from './call-input.ts';
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
import { failureCode } from './failure.ts';
import { roundTripKeyOf, sentBeside } from './forwarded.ts';
import type { InForce } from './gateway.ts';
import { changesInWords } from './held-back.ts';
import { KeptYes } from './kept-yes.ts';
import { limitsOf } from './limits.ts';
import { PinnedInput } from './pinned-input.ts';
import { askLine, describeProblem, ruleLine, sentence } from './refusal.ts';
import { actionOf, digestOfArguments, Refusals } from './refuse.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { decideOn, isSameSubject, pinnedAs, type Subject, type View } from './subjects.ts';
import type { TaskTable } from './task-table.ts';
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
 * One call, start to answer: subject → pin → arguments → decide → ask → record → forward → bound → record. A refused call takes the same road
 * minus the backend: nothing is started for a call the policy denies, so what the carrying session shows is compared with the pin after the
 * decision, and before anybody is asked. Tools, prompts, resources and completions all go this way.
 */
export class Calls {
  readonly #deps: CallDeps;
  readonly #sides: BackendSides;
  readonly #input = new PinnedInput();
  readonly #kept: KeptYes;
  readonly #carrier: Carrier;
  readonly refusals: Refusals;
  /** Calls under way per app. */
  readonly #running = new Map<string, number>();

  constructor(deps: CallDeps, parts: { readonly sides: BackendSides; readonly tasks: TaskTable }) {
    this.#deps = deps;
    this.#sides = parts.sides;
    this.#kept = new KeptYes(deps.clock);
    this.refusals = new Refusals(deps);
    const { refusals } = this;
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
      const step = this.#known(callId, request, snapshot, subject);
      if (!step.ok) return step.answer;
      const verdict = { effect: 'allow', rules: [], reason, contact: snapshot.document.contact } as const;
      const opened = await this.#open(step.value, verdict);
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
    const callId = randomUUID();
    const named = namedBy(request);
    if (!named.ok) return undefined;
    const step = this.#begin(callId, request, named);
    if (!step.ok) return step.answer;
    const decision = this.#decide(step.value);
    return decision.effect === 'deny' ? this.#denied(step.value, decision) : undefined;
  }

  flushRefusals(all = false): void {
    this.refusals.flush(all);
  }

  async #counted(request: CallRequest, run: (callId: string) => Promise<Reply>): Promise<Reply> {
    const callId = randomUUID();
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
    const step = this.#known(callId, request, snapshot, subject);
    if (!step.ok) return step;
    const call = step.value;
    const roundTripKey = roundTripKeyOf(request.params);
    if (roundTripKey !== undefined && request.conversation.era === 'legacy')
      return ended(this.#notAsked(call, roundTripKey));
    const pinned = pinnedAs(subject);
    const seen = pinned && this.#deps.catalog.verdict(subject.server, pinned.kind, pinned.name);
    if (seen !== undefined && seen.state !== 'approved') return ended(this.#definitionChanged(call, seen));
    const problems = inputProblems(request, subject, givenTo(request, subject), this.#input);
    return problems.length > 0 ? ended(this.#invalidArguments(call, problems)) : step;
  }

  #known(callId: string, request: CallRequest, snapshot: PolicySnapshot, subject: Subject): Step<KnownCall> {
    const { method, params, conversation } = request;
    const given = givenTo(request, subject);
    if (subject.kind === 'tool' && method === 'tools/call' && conversation.headers && request.wrapped === undefined) {
      const mismatch = this.#input.headersDisagree(subject.pin, conversation.headers, given);
      if (mismatch !== undefined) return ended({ kind: 'error', error: mismatch, httpStatus: 400 });
    }
    const { depth } = snapshot.document.gateway;
    const argumentsDigest = digestOfArguments(given ?? {}, depth);
    if (argumentsDigest === undefined) {
      return ended(
        invalidParams(`"arguments" nest deeper than ${depth} levels, or hold text that is not valid Unicode`),
      );
    }
    const beside = sentBeside(method, params);
    const extraDigest = beside && digestOfArguments(beside, depth);
    if (beside !== undefined && extraDigest === undefined) {
      const what = 'what is sent beside "name" and "arguments"';
      return ended(invalidParams(`${what} nests deeper than ${depth} levels, or holds text that is not valid Unicode`));
    }
    // Numbers travel as JavaScript has them: 1.0 is sent on as 1, and integers beyond 2^53 lose digits. What is
    // validated, decided, shown, recorded and forwarded is one value throughout; of a repeated key the last counts.
    const call: KnownCall = {
      callId,
      request,
      snapshot,
      subject,
      args: isJsonObject(given) ? given : {},
      argumentsDigest,
      argumentsText: JSON.stringify(given ?? {}),
      ...(beside !== undefined &&
        extraDigest !== undefined && {
          extra: { value: beside, text: JSON.stringify(beside), digest: extraDigest },
        }),
    };
    return { ok: true, value: call };
  }

  /** Decides, asks where the policy says so, and carries the call; from the start again when the policy changed meanwhile. */
  async #settle(first: KnownCall, carrying: Carrying | undefined): Promise<Reply> {
    let call = first;
    for (let round = 0; round < roundLimit; round++) {
      const decision = this.#decide(call);
      if (decision.effect === 'deny') return this.#denied(call, decision);
      const ready = await this.#openVerified(call, decision);
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
            const again = await this.#openVerified(call, decision);
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
    const { contact } = call.snapshot.document;
    const why = 'the policy changed several times while it was being decided. Try again.';
    const message = sentence(`${actionOf(call)} was not done: ${why}`, askLine(contact));
    return this.refusals.refuse(call, 'policy-denied', noRule(message, contact), message);
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

  /** The session that will carry the call, if what it shows now is what was pinned. */
  async #openVerified(call: KnownCall, decision: Decision): Promise<Step<Opened>> {
    const { request, subject } = call;
    const { conversation } = request;
    const step = await this.#open(call, decision);
    if (!step.ok) return step;
    const { session, release } = step.value;
    let keep = false;
    try {
      const refused = this.#notForThisEra(call, session.era);
      if (refused !== undefined) return ended(refused);
      const pinned = pinnedAs(subject);
      if (pinned !== undefined) {
        const { session: source, signal } = conversation;
        const { kind, name, pin } = pinned;
        const verdict = await this.#deps.catalog.verdictOf(session, subject.server, kind, name, source, signal);
        if (verdict?.state !== 'approved')
          return ended(this.#definitionChanged(call, verdict ?? { state: 'missing', pin }));
      }
      keep = true;
      return step;
    } catch (error) {
      return ended(this.#notReached(call, decision, error));
    } finally {
      if (!keep) release();
    }
  }

  async #open(call: KnownCall, verdict: Verdict): Promise<Step<Opened>> {
    const { request, subject } = call;
    const { conversation } = request;
    try {
      const opened = await this.#sides.open(conversation, subject.server.alias);
      if (conversation.logLevel !== undefined && conversation.era === 'modern') {
        await opened.side.wantLevel(opened.session, conversation.logLevel);
      }
      return { ok: true, value: opened };
    } catch (error) {
      return ended(this.#notReached(call, verdict, error));
    }
  }

  #notReached(call: KnownCall, verdict: Verdict, error: unknown): Reply {
    const { request, subject } = call;
    const stop = stopReasonOf(request.conversation.signal);
    if (stop !== undefined) return this.refusals.stopped(call, verdict, stop);
    const code = failureCode(error);
    this.#deps.log.warn('backend-not-reached', { alias: subject.server.alias, code, error: String(error) });
    const why = code === 'revoked' ? 'is no longer approved.' : 'cannot be reached right now. Try again in a moment.';
    const message = sentence(
      `${actionOf(call)} was not done: ${subject.server.title} ${why}`,
      askLine(verdict.contact),
    );
    return this.refusals.refuse(call, 'backend-unavailable', verdict, message);
  }

  /** A 2025 server has no round trips that a request could continue, and tasks of its kind are not known to a 2026 caller. */
  #notForThisEra(call: KnownCall, backendEra: 'legacy' | 'modern'): Reply | undefined {
    const { conversation, method, params } = call.request;
    if (conversation.era !== 'modern' || backendEra !== 'legacy') return undefined;
    const key = roundTripKeyOf(params);
    if (key !== undefined && !method.startsWith('tasks/')) return this.#notAsked(call, key);
    return method === 'tools/call' && isJsonObject(params.task) ? this.#notAsked(call, 'task') : undefined;
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
      const why = `your organisation no longer allows ${app.name} to use Gatehouse.`;
      const message = sentence(`${actionOf(call)} was not done: ${why}`, askLine(contact));
      return ended(this.refusals.refuse(call, 'app-not-allowed', noRule(message, contact), message));
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

  /** What would continue something that this server never began. */
  #notAsked(call: KnownCall, key: string): Reply {
    const why =
      key === 'task'
        ? '"task" is not known to this server in this revision. Send the request without it'
        : `"${key}" answers a question of a server, and this one asked none. Send the request without it`;
    const message = `${actionOf(call)} was not done: ${why}.`;
    this.refusals.refuse(call, 'invalid-arguments', noRule(why, call.snapshot.document.contact), message);
    return invalidParams(why);
  }

  #denied(call: KnownCall, decision: Decision): Reply {
    const message = sentence(
      `${actionOf(call)} was not done: your organisation's policy does not allow it.`,
      decision.reason,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    return this.refusals.refuse(call, 'policy-denied', decision, message);
  }

  #definitionChanged(call: KnownCall, verdict: PinVerdict): Reply {
    const { contact } = call.snapshot.document;
    const reason = 'It changed since your organisation approved it, so it is held back.';
    const why = 'it changed since your organisation approved it, and is held back until they approve it again.';
    const message = sentence(
      `${actionOf(call)} was not done: ${why}`,
      askLine(contact),
      `\nWhat changed:\n${clip(changesInWords(verdict), 4_000)}`,
    );
    return this.refusals.refuse(call, 'definition-changed', noRule(reason, contact), message);
  }

  #invalidArguments(call: KnownCall, problems: readonly Problem[]): Reply {
    const { document } = call.snapshot;
    const shown = problems.slice(0, 20);
    const reason =
      call.subject.kind === 'tool' ? 'The input does not fit what the tool takes.' : 'The input does not fit.';
    const lines = clip(shown.map(describeProblem).join('\n'), 8_000);
    const message = `${actionOf(call)} was not done: its input does not fit.\n${lines}`;
    // What was found is part of the arguments: where only digests are kept, the record names the fields alone.
    const fields = clip(`${reason} Fields: ${shown.map((problem) => problem.path).join(', ')}`, 8_000);
    const recorded = document.audit.payloads === 'full' ? message : fields;
    return this.refusals.refuse(call, 'invalid-arguments', noRule(reason, document.contact), message, recorded);
  }
}

function invalidParams(why: string): Reply {
  return { kind: 'error', error: { code: rpcCode.invalidParams, message: `Invalid params: ${why}` } };
}
