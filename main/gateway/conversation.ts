import type { BackendReply } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { McpHeaders } from './mcp-headers.ts';
import type { RpcError } from './wire.ts';

/**
 * One request of a caller of either era, from the side of what answers it. The same object is the `Origin` given to backends, so that
 * what a server says or asks while it works finds its way back to the caller that caused it.
 */
export interface Conversation {
  readonly era: 'legacy' | 'modern';
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  /** Opaque id of the caller's session: key of its backend sessions, and the reach of "for this conversation". */
  readonly session: string;
  /** Present for modern callers: `Mcp-Param-*` must say what the body says. */
  readonly headers?: McpHeaders;
  /** What the caller can do for a server, as it declared it, raw. */
  readonly capabilities: JsonObject;
  /** The least severe level of notifications/message the caller wants; undefined for none. */
  readonly logLevel: string | undefined;
  /** Aborts when the caller cancels, its app loses its key, or the gateway closes; `reason` is a StopReason. */
  readonly signal: AbortSignal;
  /** The legacy session this request belongs to: where what belongs to no request goes. Absent for modern callers. */
  readonly standing?: Listening;
  /** Ends a request of a modern caller that only waits for answers, so that others can go on; false for one that does not. */
  makeRoom?(): boolean;
  /** A notification ahead of the result, on this request's own stream; dropped where the caller cannot take one. */
  notify(method: string, params: JsonObject): void;
  /** The server lets go of its stream, and names the milliseconds after which to come back: a legacy caller that can is told the same. */
  pause?(ms: number): void;
  /**
   * Asks the caller (elicitation/create, sampling/createMessage, roots/list) and waits for its answer. For a legacy caller a request on this
   * request's stream; a modern caller gets `input_required` and answers with its next request. Rejects with AskFailure when the caller did not
   * offer to answer this, cannot be asked, is gone or took too long. `onProgress` takes the raw params of a legacy caller's notifications/progress
   * on the question, which are worth something only under the token in `params._meta`; without it that token is not sent.
   */
  ask(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress?: (params: JsonObject) => void,
  ): Promise<BackendReply>;
}

/** What one request is answered with. `text` is the result as JSON text, turned into text once for record and wire alike. */
export type Reply =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly error: RpcError; readonly httpStatus?: number }
  /** The caller cancelled: it wants no answer. */
  | { readonly kind: 'none' };

/** What answers requests, whatever carries them. Never rejects. */
export interface Answering {
  /**
   * Every method but initialize, ping, server/discover, logging/setLevel and subscriptions/listen, which belong to the conversation itself.
   * Undefined: there is no such method for this era.
   */
  answer(conversation: Conversation, method: string, params: JsonObject): Promise<Reply> | undefined;
  /**
   * A modern caller answers what a server asked it (`ask`) while its request was parked: whether the policy in force still lets that
   * request go on, the same thing by the same pin, allowed or agreed to by a person before. Undefined: it does; otherwise the refusal.
   */
  stillAllowed(conversation: Conversation): Reply | undefined;
  /** What this caller's endpoint can do, for initialize and server/discover: what is pinned and visible, as far as the gateway passes it on. */
  capabilities(app: CallingApp, endpoint: Endpoint): JsonObject;
  /** A legacy caller changed its log level: its backend sessions are told. */
  logLevelChanged(session: string, level: string): void;
  /** A legacy caller said its roots changed. */
  rootsChanged(session: string): void;
  /**
   * Replaces what a modern listener wants to hear of; answers the URIs it will hear of. Listeners of one app share its `session` and are told
   * apart as objects: each hands in the same object every time, and an empty list when its stream has ended.
   */
  watch(session: Listening, uris: readonly string[]): Promise<readonly string[]>;
}

/** A caller that listens beside its requests: a legacy session, or a modern subscriptions/listen stream. */
export interface Listening {
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly session: string;
  readonly era: 'legacy' | 'modern';
  /** What the caller can do for a server, as it declared it, raw. */
  readonly capabilities: JsonObject;
  /** Aborts when a modern listener's stream has ended. */
  readonly signal?: AbortSignal;
  /** A notification that belongs to no request. */
  notify(method: string, params: JsonObject): void;
  /** A server's request that belongs to no request of the caller's; legacy only, on its GET stream. Rejects where nobody listens. */
  ask?(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress?: (params: JsonObject) => void,
  ): Promise<BackendReply>;
}
