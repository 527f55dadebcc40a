import type { AuditEvent, RuleRef } from './record.ts';

/**
 * An event as RFC 8785 JSON text: the bytes that are stored and hashed. With members in order JSON.stringify writes just
 * that, ten times faster than a general serializer, and this runs before every call. Text that is not well-formed is
 * mended, not refused (a lone surrogate in a server's message becomes U+FFFD): a call must not fail over how it is noted.
 */
export function bodyOf(event: AuditEvent): string {
  const text = JSON.stringify(ordered(event));
  // A lone surrogate is the only thing written as an escape that begins so; everything else that looks like it is told apart the slow way.
  return text.includes('\\ud') ? JSON.stringify(inOrder(event)) : text;
}

/** The two rows of every call have their members put in order by hand, which costs a third of sorting them. */
function ordered(event: AuditEvent): unknown {
  if (event.kind === 'call.begin') return beginInOrder(event);
  return event.kind === 'call.end' ? endInOrder(event) : inOrder(event);
}

type Of<K extends AuditEvent['kind']> = Extract<AuditEvent, { readonly kind: K }>;
/** Names every member, so that a new one cannot be forgotten here. Absent ones are left out by JSON.stringify. */
type Every<T> = { readonly [Name in keyof Required<T>]: unknown };

function beginInOrder(event: Of<'call.begin'>): Every<Of<'call.begin'>> {
  return {
    alias: event.alias,
    app: event.app,
    approvedBy: event.approvedBy,
    arguments: event.arguments,
    argumentsBytes: event.argumentsBytes,
    argumentsDigest: event.argumentsDigest,
    callId: event.callId,
    definition: event.definition,
    effect: event.effect,
    era: event.era,
    extra: event.extra,
    extraDigest: event.extraDigest,
    kind: event.kind,
    method: event.method,
    policyDigest: event.policyDigest,
    policyVersion: event.policyVersion,
    profile: event.profile,
    reason: event.reason,
    rules: event.rules.map(({ id, reason }): Every<RuleRef> => ({ id, reason })),
    session: event.session,
    tool: event.tool,
    user: event.user,
  };
}

function endInOrder(event: Of<'call.end'>): Every<Of<'call.end'>> {
  return {
    callId: event.callId,
    durationMs: event.durationMs,
    kind: event.kind,
    message: event.message,
    outcome: event.outcome,
    result: event.result,
    resultBytes: event.resultBytes,
    resultDigest: event.resultDigest,
  };
}

/** Members sorted by name (RFC 8785 §3.2.3), absent ones left out. No event has a member with a number for a name, which JavaScript would move to the front. */
function inOrder(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\ufffd');
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const members = value as Readonly<Record<string, unknown>>;
  const sorted: Record<string, unknown> = {};
  for (const name of Object.keys(members).sort()) {
    if (members[name] !== undefined) sorted[name] = inOrder(members[name]);
  }
  return sorted;
}
