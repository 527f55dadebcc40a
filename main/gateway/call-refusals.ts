import type { Problem } from '../policy/json.ts';
import type { PinVerdict } from '../policy/manifest.ts';
import { type KnownCall, noRule, type Verdict } from './call-request.ts';
import type { Reply } from './conversation.ts';
import { failureCode } from './failure.ts';
import { changesInWords } from './held-back.ts';
import { NoRoom } from './lease-pool.ts';
import { askLine, describeProblem, ruleLine, sentence } from './refusal.ts';
import { actionOf, type Refusals } from './refuse.ts';
import { stopReasonOf } from './stop.ts';
import { clip, rpcCode } from './wire.ts';

/** Why a call is not made, in words for the person, recorded and answered. */

/** Nobody agreed to what was begun while nobody had to. */
export const confirmFirst = 'your organisation now wants you to confirm it first. Begin it again to be asked.';

export function invalidParams(why: string): Reply {
  return { kind: 'error', error: { code: rpcCode.invalidParams, message: `Invalid params: ${why}` } };
}

/** What would continue something that this server never began. */
export function notAsked(refusals: Refusals, call: KnownCall, key: 'requestState' | 'inputResponses' | 'task'): Reply {
  const why =
    key === 'task'
      ? '"task" is not known to this server in this revision. Send the request without it'
      : `"${key}" answers a question of a server, and this one asked none. Send the request without it`;
  const message = `${actionOf(call)} was not done: ${why}.`;
  refusals.refuse(call, 'invalid-arguments', noRule(why, call.snapshot.document.contact), message);
  return invalidParams(why);
}

/** A task of a call that nobody had to confirm, under a policy that now wants it confirmed. */
export function notConfirmed(refusals: Refusals, call: KnownCall, verdict: Verdict): Reply {
  const message = sentence(`${actionOf(call)} could not go on: ${confirmFirst}`, askLine(verdict.contact));
  return refusals.refuse(call, 'not-approved-by-person', verdict, message);
}

export function denied(refusals: Refusals, call: KnownCall, decision: Verdict): Reply {
  const message = sentence(
    `${actionOf(call)} was not done: your organisation's policy does not allow it.`,
    decision.reason,
    ruleLine(decision.rules),
    askLine(decision.contact),
  );
  return refusals.refuse(call, 'policy-denied', decision, message);
}

export function definitionChanged(refusals: Refusals, call: KnownCall, verdict: PinVerdict): Reply {
  const { contact } = call.snapshot.document;
  const reason = 'It changed since your organisation approved it, so it is held back.';
  const why = 'it changed since your organisation approved it, and is held back until they approve it again.';
  const message = sentence(
    `${actionOf(call)} was not done: ${why}`,
    askLine(contact),
    `\nWhat changed:\n${clip(changesInWords(verdict), 4_000)}`,
  );
  return refusals.refuse(call, 'definition-changed', noRule(reason, contact), message);
}

/** What its server shows, but not to this app. */
export function keptFromApp(refusals: Refusals, call: KnownCall): Reply {
  const { contact } = call.snapshot.document;
  const { title } = call.subject.server;
  const { name } = call.request.conversation.app;
  const reason = `${title} offers this only to apps that can answer its questions, which ${name} cannot here.`;
  const message = sentence(`${actionOf(call)} was not done: ${reason}`, askLine(contact));
  return refusals.refuse(call, 'backend-unavailable', noRule(reason, contact), message);
}

export function invalidArguments(refusals: Refusals, call: KnownCall, problems: readonly Problem[]): Reply {
  const { document } = call.snapshot;
  const shown = problems.slice(0, 20);
  const reason =
    call.subject.kind === 'tool' ? 'The input does not fit what the tool takes.' : 'The input does not fit.';
  const lines = clip(shown.map(describeProblem).join('\n'), 8_000);
  const message = `${actionOf(call)} was not done: its input does not fit.\n${lines}`;
  // What was found is part of the arguments: where only digests are kept, the record names the fields alone.
  const fields = clip(`${reason} Fields: ${shown.map((problem) => problem.path).join(', ')}`, 8_000);
  const recorded = document.audit.payloads === 'full' ? message : fields;
  return refusals.refuse(call, 'invalid-arguments', noRule(reason, document.contact), message, recorded);
}

export function notReached(refusals: Refusals, call: KnownCall, verdict: Verdict, error: unknown): Reply {
  const stop = stopReasonOf(call.request.conversation.signal);
  if (stop !== undefined) return refusals.stopped(call, verdict, stop);
  const { title } = call.subject.server;
  const message = sentence(
    `${actionOf(call)} was not done: ${title} ${whyNotReached(error)}`,
    askLine(verdict.contact),
  );
  return refusals.refuse(call, 'backend-unavailable', verdict, message);
}

function whyNotReached(error: unknown): string {
  if (error instanceof NoRoom) {
    return 'is at work on as many requests of this app as it takes at once. Try again when one of them has ended.';
  }
  return failureCode(error) === 'revoked'
    ? 'is no longer approved.'
    : 'cannot be reached right now. Try again in a moment.';
}

export function appNotAllowed(refusals: Refusals, call: KnownCall, contact: string): Reply {
  const why = `your organisation no longer allows ${call.request.conversation.app.name} to use Gatehouse.`;
  const message = sentence(`${actionOf(call)} was not done: ${why}`, askLine(contact));
  return refusals.refuse(call, 'app-not-allowed', noRule(message, contact), message);
}

/** Decided anew again and again, and never twice under the same policy. */
export function policyKeptChanging(refusals: Refusals, call: KnownCall): Reply {
  const { contact } = call.snapshot.document;
  const why = 'the policy changed several times while it was being decided. Try again.';
  const message = sentence(`${actionOf(call)} was not done: ${why}`, askLine(contact));
  return refusals.refuse(call, 'policy-denied', noRule(message, contact), message);
}
