import type { ApprovalOutcome, Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { Decision } from '../policy/decide.ts';
import { ended, type KnownCall, type Step } from './call-request.ts';
import type { Approval } from './carry.ts';
import { askLine, ruleLine, sentence, whyNotApproved } from './refusal.ts';
import { actionOf, type Refusals } from './refuse.ts';
import { stopReasonOf } from './stop.ts';

/** Puts the call to the person and records question and answer; anything but a yes is the answer that ends the call. */
export async function askPerson(
  deps: {
    readonly account: string;
    readonly approvals: Approvals;
    readonly audit: AuditWriter;
    readonly refusals: Refusals;
  },
  call: KnownCall,
  decision: Decision,
): Promise<Step<Approval>> {
  const { snapshot, subject, callId, extra } = call;
  const { app, session, signal } = call.request.conversation;
  const { approvals, audit, refusals } = deps;
  const { message, timeoutSeconds } = snapshot.document.approvals;
  const withdraw = new AbortController();
  const asking = approvals.ask(
    {
      callId,
      app: app.name,
      user: deps.account,
      session,
      alias: subject.server.alias,
      serverTitle: subject.server.title,
      ...(subject.kind !== 'tool' && { kind: subject.kind }),
      tool: subject.name,
      definition: subject.pin?.definition ?? {},
      definitionSha256: subject.pin?.sha256 ?? '',
      args: call.args,
      ...(extra !== undefined && { extra: extra.value }),
      labels: subject.pin?.labels ?? [],
      reason: decision.reason,
      rules: decision.rules.map((rule) => rule.id),
      policyDigest: snapshot.digest,
      message,
      remember: offered(call),
      timeoutMs: timeoutSeconds * 1000,
    },
    AbortSignal.any([signal, withdraw.signal]),
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
    return ended(refusals.unrecorded(call, decision, error));
  }
  if (outcome.allowed) {
    return { ok: true, value: outcome.answer === 'allow-once' ? 'person-once' : 'person-session' };
  }
  const stop = stopReasonOf(signal);
  if (stop !== undefined) return ended(refusals.stopped(call, decision, stop));
  const words = sentence(
    `${actionOf(call)} was not done: ${whyNotApproved(outcome)}.`,
    decision.reason,
    ruleLine(decision.rules),
    askLine(decision.contact),
  );
  return ended(refusals.refuse(call, 'not-approved-by-person', decision, words));
}

/** What a yes may cover. Modern callers have no conversation: one yes there would last as long as the app's key. */
function offered({ request, snapshot }: KnownCall): readonly ('call' | 'session')[] {
  const { remember } = snapshot.document.approvals;
  return request.conversation.era === 'modern' && remember.length > 0 ? ['call'] : remember;
}
