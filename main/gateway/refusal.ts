import type { RefusalCode, RuleRef } from '../audit/record.ts';
import { metaKey } from './wire.ts';

/** What an AI app may read as the code of a refusal: the record's, and those that end a call already begun. */
export type WireRefusalCode =
  | RefusalCode
  | 'record-unavailable'
  | 'result-refused'
  | 'timeout'
  | 'backend-failed'
  | 'revoked'
  | 'cancelled';

export interface Refusal {
  readonly code: WireRefusalCode;
  /** Plain words for the person: what was refused, why, whom to ask. */
  readonly message: string;
  readonly rules: readonly RuleRef[];
  readonly reason: string;
  readonly contact: string;
  readonly callId: string;
}

/** The refusal as a tool result an AI app can show (MCP, Tools, "Error Handling": tool execution errors). JSON text. */
export function refusalResult(refusal: Refusal): string {
  const { code, message, rules, reason, contact, callId } = refusal;
  return JSON.stringify({
    content: [{ type: 'text', text: message }],
    isError: true,
    _meta: { [metaKey.refusal]: { code, rules: rules.map((rule) => rule.id), reason, contact, callId } },
  });
}

/** "Create issue" in GitHub. */
export function nameAction(action: string, serverTitle: string): string {
  return serverTitle === '' ? `"${action}"` : `"${action}" in ${serverTitle}`;
}

export function askLine(contact: string): string {
  return contact === '' ? 'Questions? Ask your IT team.' : `Questions? Ask ${contact}.`;
}

/** One paragraph: what, why, whom to ask. Empty parts are left out. */
export function sentence(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

/** The rules behind a decision, for people who will quote them to IT. */
export function ruleLine(rules: readonly RuleRef[]): string {
  if (rules.length === 0) return '';
  return `(${rules.length === 1 ? 'Rule' : 'Rules'}: ${rules.map((rule) => rule.id).join(', ')}.)`;
}
