import type { Json, JsonObject } from '../policy/json.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { superviseBackends } from './supervise.ts';

export type BackendState = 'idle' | 'starting' | 'running' | 'backing-off' | 'failed' | 'stopped';

export interface BackendStatus {
  readonly alias: string;
  readonly state: BackendState;
  readonly era?: 'legacy' | 'modern';
  readonly protocolVersion?: string;
  /** What the backend said of itself, names cut to 200 characters, large members left out. */
  readonly serverInfo?: JsonObject;
  readonly sessions: number;
  readonly restarts: number;
  readonly lastError?: string;
  /** When the next start will be tried, while backing off. */
  readonly retryAt?: number;
}

/** The backend's own answer, raw. An error is the backend's JSON-RPC error object. */
export type BackendReply =
  | { readonly ok: true; readonly result: JsonObject }
  | { readonly ok: false; readonly error: { readonly code: number; readonly message: string; readonly data?: Json } };

export type BackendFailureCode = 'unavailable' | 'timeout' | 'cancelled' | 'protocol' | 'revoked';

// The backend did not answer. Not the caller's fault and not a JSON-RPC error of the backend's.
export { BackendFailure } from './failure.ts';

/** What a server lists. */
export type ListKind = 'tools' | 'prompts' | 'resources' | 'resourceTemplates';

/**
 * Stands for one request of a caller, whatever the gateway keeps about it. It is handed back, by identity, with what the server sends while
 * that request is under way: over HTTP what came on the request's own stream, over stdio and HTTP+SSE what came while it was the only one with
 * an origin. A server's request on no request's stream is taken for a single one's as well: SDKs send there what they do not relate. What is said
 * of the server itself (list_changed, resources/updated) has none.
 */
export type Origin = object;

/** A request of a 2025 server to its client: sampling/createMessage, elicitation/create, roots/list, and tasks of those. */
export interface ServerRequest {
  readonly method: string;
  readonly params: JsonObject;
  readonly origin: Origin | undefined;
  /** Aborts when the server cancels it, or its session is gone. */
  readonly signal: AbortSignal;
}

/** What stands behind a key. A key keeps the ClientSide it was first opened with for as long as its session lives. */
export interface ClientSide {
  /** Declared to a 2025 server in `initialize`, as given. */
  readonly capabilities: JsonObject;
  /**
   * The revision its caller speaks, to be spoken to a server that knows both: what a server does only in sessions (ask in the middle of a call,
   * say things unasked) reaches a 2025 caller only where the server has one. Default: 2026 where the server knows it.
   */
  readonly prefers?: 'legacy' | 'modern';
  /** Answers a server's request. What it throws becomes an internal error for the server. Never called for `ping`. */
  onRequest(request: ServerRequest): Promise<BackendReply>;
  /** Everything a server says unasked, raw but for this hop's own subscription id, except progress (see RequestOptions) and cancellation (see ServerRequest). */
  onNotification(method: string, params: JsonObject, origin: Origin | undefined): void;
  /**
   * The session is up: also after it was lost and opened again, so that levels and subscriptions can be set anew. One that was lost while it
   * watched is opened again without being asked for.
   */
  onOpen?(session: BackendSession): void;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly origin?: Origin;
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Raw params of each notifications/progress for this request. Asking for it adds a progressToken for this hop. */
  readonly onProgress?: (params: JsonObject) => void;
  /** The server ended the stream of its answer on purpose and names the milliseconds after which to come back (2025-11-25, Streamable HTTP, `retry`). */
  readonly onPolling?: (retryMs: number) => void;
  /** What the caller can fulfil, declared to a modern backend with this request. Default {}: nothing. */
  readonly clientCapabilities?: JsonObject;
  /** Sent to a modern backend as the request's `_meta` log level; a 2025 server is told with logging/setLevel. */
  readonly logLevel?: string;
}

/** One connection to one backend. Ids, progress tokens and cancellation are this hop's own. */
export interface BackendSession {
  readonly alias: string;
  readonly era: 'legacy' | 'modern';
  readonly protocolVersion: string;
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
  /** Sends `params` untouched but for _meta.progressToken and, to a modern backend, the protocol's own _meta keys. Rejects with BackendFailure. */
  request(method: string, params: JsonObject, options: RequestOptions): Promise<BackendReply>;
  notify(method: string, params: JsonObject): Promise<void>;
  /** All raw tool definitions, every page. Cached; fetched again when older than `maxAgeMs` or after tools/list_changed. */
  tools(maxAgeMs: number, signal?: AbortSignal): Promise<readonly JsonObject[]>;
  /** Raw definitions of one kind, every page, with the bounds of `tools`; [] where the server does not offer the kind. Cached like `tools`, forgotten after its list_changed. */
  list(kind: ListKind, maxAgeMs: number, signal?: AbortSignal): Promise<readonly JsonObject[]>;
  /**
   * Which resources the server should report updates of, all of them each time: a 2025 server gets resources/subscribe and unsubscribe, a 2026 one
   * a `subscriptions/listen` stream. Updates arrive as `notifications/resources/updated`. `tasks`: ids of a 2026 server's tasks to hear of as well
   * (`notifications/tasks`); a 2025 one tells unasked. Rejects with BackendFailure; answers the server's refusals by URI or id.
   */
  watch(
    uris: ReadonlySet<string>,
    signal?: AbortSignal,
    tasks?: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, BackendReply>>;
  onNotification(listener: (method: string, params: JsonObject) => void): () => void;
  close(): Promise<void>;
}

export interface Backends {
  /** Takes up the manifest: revoked, removed or relaunched servers are closed and their requests rejected ('revoked'); unchanged ones go on. */
  apply(servers: readonly ManifestServer[]): void;
  /** The session of this key with this backend, opened on demand. Concurrent opens of one key share one attempt. Rejects with BackendFailure. */
  open(alias: string, key: string, signal?: AbortSignal, client?: ClientSide): Promise<BackendSession>;
  /** Closes every session of this key, or the one with this backend. */
  release(key: string, alias?: string): Promise<void>;
  status(): readonly BackendStatus[];
  /** The last lines a backend wrote to stderr, oldest first, at most 200. */
  stderr(alias: string): readonly string[];
  onStatus(listener: (status: BackendStatus) => void): () => void;
  /** A backend said that something it lists changed ("resources" stands for templates, too). */
  onListChanged(listener: (alias: string, kind: ListKind) => void): () => void;
  /** Ends every process and connection; resolves when they are gone (bounded, then killed). */
  close(): Promise<void>;
}

export interface BackendsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly clientInfo: { readonly name: string; readonly title: string; readonly version: string };
  /** How long to start and negotiate one backend. Default 30000 ms. */
  readonly startTimeoutMs?: number;
  /** A session unused for this long is closed. Default 300000 ms. */
  readonly idleMs?: number;
  /** Sessions with one server at a time; for another one the longest unused is closed. Default 32 processes, or 256 over HTTP. */
  readonly maxSessions?: number;
}

/** Starts nothing by itself: `apply` names the servers, `open` starts them. */
export function createBackends(options: BackendsOptions): Backends {
  return superviseBackends(options);
}
