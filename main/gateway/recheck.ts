import type { RefusalCode } from '../audit/record.ts';
import { type Decision, type PolicySnapshot, userOf } from '../policy/decide.ts';
import type { Clock } from '../ports.ts';
import { namedBy } from './call-input.ts';
import { appNotAllowed, confirmFirst } from './call-refusals.ts';
import { ended, type KnownCall, type Lapse, noRule, type Step, type Verdict } from './call-request.ts';
import type { Approval } from './carry.ts';
import type { Catalog } from './catalog.ts';
import type { Conversation } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { askLine, sentence } from './refusal.ts';
import { actionOf, type Refusals } from './refuse.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { decideOn, decideUse, isSameSubject, pinnedAs, type View } from './subjects.ts';
import type { KnownTask } from './task-table.ts';

/** Why what was begun may not go on. */
export interface Halt {
  readonly code: RefusalCode;
  readonly verdict: Verdict;
  readonly message: string;
}

/** What the policy says of a call, and whether that is still so: opening servers, asking people and apps, and writing rows take time. */
export class Recheck {
  readonly #parts: {
    readonly clock: Clock;
    readonly account: string;
    readonly inForce: () => InForce;
    readonly catalog: Catalog;
    readonly refusals: Refusals;
  };

  constructor(parts: {
    readonly clock: Clock;
    readonly account: string;
    readonly inForce: () => InForce;
    readonly catalog: Catalog;
    readonly refusals: Refusals;
  }) {
    this.#parts = parts;
  }

  /** Whose view a conversation's is. */
  viewOf(snapshot: PolicySnapshot, { app, endpoint }: Pick<Conversation, 'app' | 'endpoint'>): View {
    return { snapshot, user: userOf(snapshot, this.#parts.account), app: app.name, endpoint };
  }

  /**
   * What is typed for a prompt or resource is completed where using that is allowed or asked about, or where its arguments decide: nobody is
   * asked for each keystroke. It is refused where using it is denied whatever the arguments are.
   */
  decide({ request, snapshot, subject, args }: KnownCall): Decision {
    const at = this.#parts.clock.now();
    const view = this.viewOf(snapshot, request.conversation);
    if (request.method !== 'completion/complete') return decideOn(view, subject, at, args);
    const use = decideUse(view, subject, at, undefined);
    return use.effect === 'ask' || use.code === 'depends-on-arguments' ? decideOn(view, subject, at) : use;
  }

  /** What the policy says now of the call a task was made of. Where its rules read arguments that were not kept, it denies. */
  decideTask({ request, snapshot, subject }: KnownCall, { args }: KnownTask): Decision {
    return decideUse(this.viewOf(snapshot, request.conversation), subject, this.#parts.clock.now(), args);
  }

  /** The call under the policy now in force, which must still know the subject by the same pin, and the app. */
  now(call: KnownCall): Step<KnownCall> {
    const { refusals } = this.#parts;
    const { callId, request, subject } = call;
    const inForce = this.#parts.inForce();
    if (!inForce.ok) {
      const { code, message } = inForce;
      const verdict = noRule(message, call.snapshot.document.contact);
      return ended(refusals.refuse(call, code, verdict, message));
    }
    const { snapshot } = inForce;
    if (snapshot === call.snapshot) return { ok: true, value: call };
    const { apps, contact } = snapshot.document;
    const { app } = request.conversation;
    if (!apps.allowed.includes('*') && !apps.allowed.includes(app.name)) {
      return ended(appNotAllowed(refusals, call, contact));
    }
    const named = namedBy(request);
    const found = named.ok ? named.find(snapshot) : undefined;
    if (found === undefined || !isSameSubject(subject, found)) {
      return ended(refusals.unknown(callId, request, snapshot, named.ok ? named.wireName : subject.wireName));
    }
    return { ok: true, value: { ...call, snapshot, subject: found } };
  }

  /** Writing the begin row takes a moment, too: why the call may not be made after it. Its end row says so. */
  lapse(call: KnownCall, verdict: Verdict): Lapse | undefined {
    const { refusals } = this.#parts;
    const stop = stopReasonOf(call.request.conversation.signal);
    if (stop !== undefined) {
      const message = whyStopped(actionOf(call), stop);
      const answer = refusals.answer(call, stopCode(stop), verdict, message);
      return { message, answer: stop === 'caller' ? { kind: 'none' } : answer };
    }
    const inForce = this.#parts.inForce();
    if (inForce.ok && inForce.snapshot === call.snapshot) return undefined;
    const { contact } = call.snapshot.document;
    const changed = `${actionOf(call)} was not done: the policy changed at this very moment. Try again.`;
    const message = inForce.ok ? sentence(changed, askLine(contact)) : inForce.message;
    const code = inForce.ok ? 'policy-denied' : inForce.code;
    return { message, answer: refusals.answer(call, code, noRule(message, contact), message) };
  }

  /**
   * Why a call that was begun and waited for its caller may not go on, if so. Unlike one that is about to begin it outlives a change of the
   * policy that leaves it as it was: the same thing by the same pin, and allowed, or agreed to by a person when it was begun.
   */
  halt(call: KnownCall, approval: Approval): Halt | undefined {
    const { inForce, catalog, clock } = this.#parts;
    const now = inForce();
    if (!now.ok) {
      const { code, message } = now;
      return { code, message, verdict: noRule(message, call.snapshot.document.contact) };
    }
    const { snapshot } = now;
    const { contact } = snapshot.document;
    const refused = (code: RefusalCode, why: string, verdict: Verdict = noRule(why, contact)): Halt => {
      const message = sentence(`${actionOf(call)} could not go on: ${why}`, askLine(verdict.contact));
      return { code, message, verdict };
    };
    const named = namedBy(call.request);
    const subject = named.ok ? named.find(snapshot) : undefined;
    if (subject === undefined || !isSameSubject(call.subject, subject)) {
      return refused('policy-denied', 'your organisation no longer offers what was begun.');
    }
    const pinned = pinnedAs(subject);
    const seen = pinned && catalog.verdict(subject.server, pinned.kind, pinned.name);
    if (seen !== undefined && seen.state !== 'approved') {
      return refused('definition-changed', 'it changed since your organisation approved it.');
    }
    const decision = decideOn(this.viewOf(snapshot, call.request.conversation), subject, clock.now(), call.args);
    if (decision.effect === 'deny') {
      const code = decision.code === 'app-not-allowed' ? 'app-not-allowed' : 'policy-denied';
      return refused(code, `your organisation's policy does not allow it any more. ${decision.reason}`, decision);
    }
    return decision.effect === 'ask' && approval === undefined
      ? refused('not-approved-by-person', confirmFirst, decision)
      : undefined;
  }
}
