import type { Decision, PolicySnapshot } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Conversation, Reply } from './conversation.ts';
import type { Subject } from './subjects.ts';

/** What goes the whole way: seen, compared, decided, asked, recorded, carried. */
export type CallMethod =
  | 'tools/call'
  | 'prompts/get'
  | 'resources/read'
  | 'resources/subscribe'
  | 'completion/complete'
  | TaskMethod;

/** What is asked of a task that a call was made into. */
export type TaskMethod = 'tasks/get' | 'tasks/result' | 'tasks/update' | 'tasks/cancel';

/** One such request as it came in. */
export interface CallRequest {
  readonly conversation: Conversation;
  readonly method: CallMethod;
  readonly params: JsonObject;
  /** The call was wrapped in another tool's: the caller's `Mcp-Param-*` are about that one. */
  readonly wrapped?: true;
}

export interface Extra {
  readonly value: JsonObject;
  readonly text: string;
  /** Hex SHA-256 of its RFC 8785 bytes. */
  readonly digest: string;
}

/** A call whose subject is known, under the policy it is decided by. */
export interface KnownCall {
  readonly callId: string;
  readonly request: CallRequest;
  readonly snapshot: PolicySnapshot;
  readonly subject: Subject;
  /** What rules read and people are shown: the arguments of a tool or prompt, the URI of a resource, what is to be completed. */
  readonly args: JsonObject;
  /** Hex SHA-256 of the RFC 8785 bytes of the arguments. */
  readonly argumentsDigest: string;
  readonly argumentsText: string;
  /** What is sent on beside that. */
  readonly extra?: Extra;
}

/** Why a call that was decided may not be made after all. */
export interface Lapse {
  readonly message: string;
  readonly answer: Reply;
}

/** What a refusal or a record says of the decision behind it. */
export type Verdict = Pick<Decision, 'effect' | 'rules' | 'reason' | 'contact'>;

/** Either the next step's value, or the answer that ends the call here. */
export type Step<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: Reply };

export function ended<T>(answer: Reply): Step<T> {
  return { ok: false, answer };
}

/** Where something other than a rule of the policy ends a call. */
export function noRule(reason: string, contact: string): Verdict {
  return { effect: 'deny', rules: [], reason, contact };
}
