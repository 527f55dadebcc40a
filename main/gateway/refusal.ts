import type { ApprovalOutcome } from '../approvals/approvals.ts';
import type { RefusalCode, RuleRef } from '../audit/record.ts';
import type { Problem } from '../policy/json.ts';
import { metaKey, type RpcError, rpcCode } from './wire.ts';

/** What an AI app may read as the code of a refusal: the record's, and those that end a call already begun. */
export type WireRefusalCode =
  | RefusalCode
  | 'record-unavailable'
  | 'result-refused'
  | 'timeout'
  | 'backend-failed'
  | 'revoked'
  | 'too-many-calls'
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
  return JSON.stringify({
    content: [{ type: 'text', text: refusal.message }],
    isError: true,
    _meta: { [metaKey.refusal]: particulars(refusal) },
  });
}

/** The refusal where a request has no result to say it in: an error whose data is what a tool result has in `_meta`. */
export function refusalError(refusal: Refusal): RpcError {
  const { code, message } = refusal;
  return { code: refusalCode(code), message, data: { [metaKey.refusal]: particulars(refusal) } };
}

function particulars({ code, rules, reason, contact, callId }: Refusal) {
  return { code, rules: rules.map((rule) => rule.id), reason, contact, callId };
}

/** Before 2026-07-28 ("Resources", Error Handling); -32602 since. */
export const legacyResourceNotFound = -32002;

/** Whose fault it is: the request's, a decision against it, or something that broke. */
function refusalCode(code: WireRefusalCode): number {
  switch (code) {
    case 'invalid-arguments':
    case 'unknown-tool':
      return rpcCode.invalidParams;
    case 'policy-denied':
    case 'not-approved-by-person':
    case 'definition-changed':
    case 'no-policy':
    case 'policy-expired':
    case 'app-not-allowed':
    case 'paused':
    case 'shutting-down':
    case 'result-refused':
    case 'revoked':
    case 'too-many-calls':
    case 'cancelled':
      return rpcCode.refused;
    case 'backend-unavailable':
    case 'record-unavailable':
    case 'timeout':
    case 'backend-failed':
      return rpcCode.internalError;
    default:
      return code satisfies never;
  }
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

/** Why an answer that is not a yes is a no. */
export function whyNotApproved({ answer, unasked }: Pick<ApprovalOutcome, 'answer' | 'unasked'>): string {
  if (unasked === 'too-many-waiting') {
    return 'too many questions are waiting for an answer already. Answer those in Gatehouse first, then try again';
  }
  switch (answer) {
    case 'deny':
      return 'you said no';
    case 'timeout':
      return 'nobody answered the question in time, which counts as no';
    case 'closed':
      return 'the question was closed without an answer, which counts as no';
    case 'quit':
      return 'Gatehouse was closed before the question was answered, which counts as no';
    case 'cancelled':
      return 'the app took its request back';
    case 'allow-once':
    case 'allow-session':
      return 'the answer did not arrive as given';
    default:
      return answer satisfies never;
  }
}

/** One field that does not fit, as one line. */
export function describeProblem({ path, expected, found, advice }: Problem): string {
  const where = path === '' ? 'The input' : `"${path.replace(/^\//, '').replaceAll('/', '.')}"`;
  return `- ${where}: expected ${expected}, found ${found}${advice === undefined ? '' : `. ${advice}`}`;
}
