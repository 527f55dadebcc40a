import type { BackendReply } from '../backends/backends.ts';
import type { Json, JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import { AskFailure, type AskFailureCode } from './ask-failure.ts';
import { offers } from './caller-abilities.ts';
import type { Conversation, Reply } from './conversation.ts';
import type { McpHeaders } from './mcp-headers.ts';
import type { RunningRequest } from './running.ts';
import type { Answer } from './sse.ts';
import { Stop, type StopReason } from './stop.ts';
import { logLevels, metaKey, notificationMessage } from './wire.ts';

/** What one HTTP request of a modern caller brings along ("_meta", "Request Metadata"). */
export interface Envelope {
  readonly headers: McpHeaders;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly progressToken: Json | undefined;
}

export const unknownLogLevel = `"${metaKey.logLevel}" must be one of ${logLevels.join(', ')}`;

/** Undefined where the log level is none ("Logging", Error Handling). */
export function envelopeOf(headers: McpHeaders, params: JsonObject): Envelope | undefined {
  const meta = isJsonObject(params._meta) ? params._meta : {};
  const capabilities = meta[metaKey.clientCapabilities];
  const logLevel = meta[metaKey.logLevel];
  if (logLevel !== undefined && !(logLevels as readonly unknown[]).includes(logLevel)) return undefined;
  return {
    headers,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    logLevel: logLevel as string | undefined,
    progressToken: meta.progressToken,
  };
}

/** How one HTTP request of the conversation ends. */
export type Leg =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** What the caller must answer before the request goes on, by the key its answers are to come under. */
  | { readonly kind: 'input'; readonly requests: Readonly<Record<string, JsonObject>> };

interface Question {
  readonly request: JsonObject;
  settle(reply: BackendReply): void;
  fail(code: AskFailureCode): void;
}

/** The key under which a modern caller's backend sessions and remembered answers are kept: there is no session to name. */
export function modernSession(appId: string): string {
  return `app:${appId}`;
}

/** Questions one request may have open at once. */
const questionLimit = 32;

/** The requests that may be answered with `input_required` ("Supported Requests"). */
const parkable: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/**
 * One request of a modern caller, from its first HTTP request to its result. In between, `input_required` may end an HTTP request while
 * the work waits (2026-07-28, "Multi Round-Trip Requests"): the next one with the answers takes its place.
 */
export class ModernConversation implements Conversation, RunningRequest {
  readonly era = 'modern';
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly method: string;
  readonly params: JsonObject;
  readonly since = Date.now();
  readonly #stop = new Stop();
  readonly #questions = new Map<string, Question>();
  #envelope: Envelope;
  #answer: Answer | undefined;
  #endLeg: ((leg: Leg) => void) | undefined;
  #reply: Reply | undefined;
  #asked = 0;
  #gathering = false;

  constructor(parts: {
    readonly app: CallingApp;
    readonly endpoint: Endpoint;
    readonly method: string;
    readonly params: JsonObject;
    readonly envelope: Envelope;
    /** What the first HTTP request is answered with. */
    readonly answer: Answer;
  }) {
    this.app = parts.app;
    this.endpoint = parts.endpoint;
    this.method = parts.method;
    this.params = parts.params;
    this.#envelope = parts.envelope;
    this.#answer = parts.answer;
  }

  get appId(): string {
    return this.app.id;
  }

  get session(): string {
    return modernSession(this.app.id);
  }

  get headers(): McpHeaders {
    return this.#envelope.headers;
  }

  get capabilities(): JsonObject {
    return this.#envelope.capabilities;
  }

  get logLevel(): string | undefined {
    return this.#envelope.logLevel;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * "Logging": no messages unless the request asks for them, and none below its level. "Progress": under the token of the HTTP request that is
   * open, for each attempt has its own.
   */
  notify(method: string, params: JsonObject): void {
    if (this.#answer === undefined) return;
    const { logLevel, progressToken } = this.#envelope;
    if (method === 'notifications/message' && !isSevere(params.level, logLevel)) return;
    if (method !== 'notifications/progress') this.#answer.tell(notificationMessage(method, params));
    else if (progressToken !== undefined) this.#answer.tell(notificationMessage(method, { ...params, progressToken }));
  }

  ask(method: string, params: JsonObject, signal: AbortSignal): Promise<BackendReply> {
    const refusal = this.#mayAsk(method, params, signal);
    if (refusal !== undefined) return Promise.reject(new AskFailure(refusal));
    return new Promise((resolve, reject) => {
      const key = `input-${++this.#asked}`;
      const done = () => {
        this.#questions.delete(key);
        signal.removeEventListener('abort', withdraw);
      };
      const withdraw = () => {
        done();
        reject(new AskFailure('cancelled'));
      };
      signal.addEventListener('abort', withdraw, { once: true });
      this.#questions.set(key, {
        request: { method, params },
        settle(reply) {
          done();
          resolve(reply);
        },
        fail(code) {
          done();
          reject(new AskFailure(code));
        },
      });
      this.#gather();
    });
  }

  /** Serves an HTTP request until the request is answered or needs input. */
  leg(answer: Answer): Promise<Leg> {
    this.#answer = answer;
    return new Promise((resolve) => {
      this.#endLeg = resolve;
      if (this.#reply !== undefined) this.#end({ kind: 'reply', reply: this.#reply });
      else if (this.#questions.size > 0) this.#gather();
    });
  }

  /** Takes what the next HTTP request of this conversation brings along; unknown keys are ignored ("Error Handling"). */
  resume(envelope: Envelope, responses: Readonly<Record<string, JsonObject>>): void {
    this.#envelope = envelope;
    for (const [key, result] of Object.entries(responses)) this.#questions.get(key)?.settle({ ok: true, result });
  }

  /** The work is done. */
  settle(reply: Reply): void {
    this.#reply = reply;
    this.failQuestions('cancelled');
    this.#end({ kind: 'reply', reply });
  }

  /** Closing the response stream is the cancel ("Cancellation"); a stream that was answered in full is none. */
  hungUp(answer: Answer): void {
    if (this.#answer === answer) this.stop('caller');
  }

  stop(reason: StopReason): void {
    this.#stop.abort(reason);
    this.failQuestions('caller-gone');
  }

  failQuestions(code: AskFailureCode): void {
    for (const question of [...this.#questions.values()]) question.fail(code);
  }

  makeRoom(): boolean {
    const waits = this.#questions.size > 0 && this.#endLeg === undefined && this.#reply === undefined;
    if (!waits || this.#stop.reason !== undefined) return false;
    this.stop('made-room');
    return true;
  }

  pulse(): void {
    this.#answer?.pulse();
  }

  prime(): void {
    // Streams of this era cannot be resumed.
  }

  #mayAsk(method: string, params: JsonObject, signal: AbortSignal): AskFailureCode | undefined {
    if (signal.aborted || this.#reply !== undefined) return 'cancelled';
    if (this.#stop.reason !== undefined) return 'caller-gone';
    if (!offers(this.capabilities, method, params)) return 'not-offered';
    if (!parkable.has(this.method)) return 'nobody-listens';
    return this.#questions.size >= questionLimit ? 'too-many' : undefined;
  }

  /** What is asked in one turn of the event loop goes out together. */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    setImmediate(() => {
      this.#gathering = false;
      if (this.#questions.size === 0 || this.#endLeg === undefined) return;
      const requests = [...this.#questions].map(([key, { request }]) => [key, request] as const);
      this.#end({ kind: 'input', requests: Object.fromEntries(requests) });
    });
  }

  #end(leg: Leg): void {
    const end = this.#endLeg;
    this.#endLeg = undefined;
    this.#answer = undefined;
    end?.(leg);
  }
}

/** A level nobody knows is passed on: it is the caller's to judge. */
function isSevere(level: unknown, wanted: string | undefined): boolean {
  if (wanted === undefined) return false;
  const rank = (logLevels as readonly unknown[]).indexOf(level);
  return rank < 0 || rank >= (logLevels as readonly unknown[]).indexOf(wanted);
}
