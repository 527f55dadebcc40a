import type { ApprovalAnswer, AuditEvent, AuditRow, CallFacts, CallStory } from './record.ts';

/** The events of one call beside the row it starts with. */
export interface StoryParts {
  readonly end?: AuditEvent | undefined;
  readonly answer?: AuditEvent | undefined;
}

export function isCallStart(kind: AuditEvent['kind']): boolean {
  return kind === 'call.begin' || kind === 'call.refused';
}

/** One call as a person reads it, from its begin or refusal row and what followed. */
export function tellStory(row: AuditRow, start: AuditEvent, parts: StoryParts): CallStory {
  if (start.kind !== 'call.begin' && start.kind !== 'call.refused') {
    throw new Error(`Row ${row.seq} starts no call: it is ${start.kind}.`);
  }
  const approval = approvalOf(start, parts.answer);
  const common = {
    seq: row.seq,
    callId: start.callId,
    at: row.at,
    facts: factsOf(start),
    hash: row.hash,
    ...(approval === undefined ? {} : { approval }),
  };
  if (start.kind === 'call.refused') {
    return { ...common, status: 'refused', refusal: start.code, message: start.message };
  }
  const { end } = parts;
  if (end?.kind !== 'call.end') return { ...common, status: 'running' };
  return {
    ...common,
    status: 'done',
    outcome: end.outcome,
    durationMs: end.durationMs,
    ...(end.message === undefined ? {} : { message: end.message }),
    ...(end.result === undefined ? {} : { result: end.result }),
  };
}

function approvalOf(start: AuditEvent, answer: AuditEvent | undefined): ApprovalAnswer | undefined {
  if (answer?.kind === 'approval.answered') return answer.answer;
  // A remembered answer asks nobody, so the call has no approval rows of its own.
  if (start.kind !== 'call.begin') return undefined;
  if (start.approvedBy === 'person-session') return 'allow-session';
  return start.approvedBy === 'person-once' ? 'allow-once' : undefined;
}

function factsOf(start: CallFacts): CallFacts {
  const { callId, user, app, profile, era, session, alias, tool, definition, argumentsDigest, effect, rules } = start;
  return {
    callId,
    user,
    app,
    era,
    session,
    alias,
    tool,
    argumentsDigest,
    effect,
    rules,
    reason: start.reason,
    policyVersion: start.policyVersion,
    policyDigest: start.policyDigest,
    ...(profile === undefined ? {} : { profile }),
    ...(start.method === undefined ? {} : { method: start.method }),
    ...(definition === undefined ? {} : { definition }),
    ...(start.arguments === undefined ? {} : { arguments: start.arguments }),
    ...(start.argumentsBytes === undefined ? {} : { argumentsBytes: start.argumentsBytes }),
    ...(start.extra === undefined ? {} : { extra: start.extra }),
    ...(start.extraDigest === undefined ? {} : { extraDigest: start.extraDigest }),
  };
}
