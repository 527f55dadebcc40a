import type { Decision, PolicySnapshot } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { McpHeaders } from './mcp-headers.ts';
import type { NamedTool } from './names.ts';
import type { RpcError } from './wire.ts';

/** One tools/call as it came in. */
export interface CallRequest {
  readonly era: 'legacy' | 'modern';
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  /** Opaque id of the caller's session: also the key of its backend sessions and the reach of "for this conversation". */
  readonly session: string;
  readonly params: JsonObject;
  /** Present for modern callers: `Mcp-Param-*` must say what the body says. */
  readonly headers?: McpHeaders;
  /** Takes the raw params of the backend's progress notifications. Present when the caller gave a token. */
  readonly onProgress?: (params: JsonObject) => void;
  /** Aborts when the caller cancels, its app loses its key, or the gateway closes; `reason` is a StopReason. */
  readonly signal: AbortSignal;
}

export type CallAnswer =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly error: RpcError; readonly httpStatus?: number }
  /** The caller cancelled: it wants no answer. */
  | { readonly kind: 'none' };

export interface Extra {
  readonly value: JsonObject;
  readonly text: string;
  /** Hex SHA-256 of its RFC 8785 bytes. */
  readonly digest: string;
}

/** A call whose tool is known, under the policy it is decided by. */
export interface KnownCall {
  readonly callId: string;
  readonly request: CallRequest;
  readonly snapshot: PolicySnapshot;
  readonly named: NamedTool;
  readonly args: JsonObject;
  /** Hex SHA-256 of the RFC 8785 bytes of the arguments. */
  readonly argumentsDigest: string;
  readonly argumentsText: string;
  /** What is sent on beside name and arguments. */
  readonly extra?: Extra;
}

/** Why a call that was decided may not be made after all. */
export interface Lapse {
  readonly message: string;
  readonly answer: CallAnswer;
}

/** What a refusal or a record says of the decision behind it. */
export type Verdict = Pick<Decision, 'effect' | 'rules' | 'reason' | 'contact'>;

/** Either the next step's value, or the answer that ends the call here. */
export type Step<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: CallAnswer };

/** Where something other than a rule of the policy ends a call. */
export function noRule(reason: string, contact: string): Verdict {
  return { effect: 'deny', rules: [], reason, contact };
}

/** Deeper arguments than any real tool takes; recursion further down (validation, canonical bytes) relies on it. */
export const depthLimit = 200;
