import type { BackendReply } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import { AskFailure, type AskFailureCode } from './ask-failure.ts';
import { offers } from './caller-abilities.ts';
import type { Conversation } from './conversation.ts';
import type { RunningRequest } from './running.ts';
import type { LegacySession } from './session.ts';
import type { Answer } from './sse.ts';
import { Stop, type StopReason } from './stop.ts';
import { notificationMessage } from './wire.ts';

/** One request of a legacy caller. A lost connection does not end it; the caller says so if it should. */
export class LegacyConversation implements Conversation, RunningRequest {
  readonly era = 'legacy';
  readonly standing: LegacySession;
  readonly since = Date.now();
  readonly #answer: Answer;
  readonly #stop = new Stop();

  constructor(session: LegacySession, answer: Answer) {
    this.standing = session;
    this.#answer = answer;
  }

  get app(): CallingApp {
    return this.standing.app;
  }

  get appId(): string {
    return this.standing.app.id;
  }

  get endpoint(): Endpoint {
    return this.standing.endpoint;
  }

  get session(): string {
    return this.standing.session;
  }

  get capabilities(): JsonObject {
    return this.standing.capabilities;
  }

  get logLevel(): string | undefined {
    return this.standing.logLevel;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  notify(method: string, params: JsonObject): void {
    this.tell(notificationMessage(method, params));
  }

  /** False when it was dropped: this answer cannot be a stream, or nobody reads it. */
  tell(messageText: string): boolean {
    return this.#answer.tell(messageText);
  }

  pause(ms: number): void {
    if (this.standing.events.primes) this.#answer.pause(ms);
  }

  ask(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress?: (params: JsonObject) => void,
  ): Promise<BackendReply> {
    const { standing } = this;
    if (!offers(standing.capabilities, method, params)) return Promise.reject(new AskFailure('not-offered'));
    if (this.#stop.reason !== undefined) return Promise.reject(new AskFailure('cancelled'));
    // Where this answer cannot be a stream, the session's own stream still can be asked on.
    const send = (text: string) => this.tell(text) || standing.events.tellNow(text);
    return standing.asks.ask(send, this, method, params, signal, onProgress);
  }

  stop(reason: StopReason): void {
    this.#stop.abort(reason);
    this.#withdraw('caller-gone');
  }

  pulse(): void {
    this.#answer.pulse();
  }

  prime(): void {
    if (this.standing.events.primes) this.#answer.stream();
  }

  /** It was answered: what was asked for its sake needs no answer any more. */
  over(): void {
    this.#withdraw('cancelled');
  }

  #withdraw(code: AskFailureCode): void {
    if (this.standing.asks.size > 0) this.standing.asks.fail(code, this);
  }
}
