import type { BackendReply } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import { AskFailure, type AskFailureCode } from './ask-failure.ts';
import { notificationMessage, requestMessage } from './wire.ts';

/** Questions one session may leave unanswered. */
const unansweredLimit = 64;

/** Sends one message to the caller; false when it cannot be. */
export type Send = (messageText: string) => boolean;

interface Question {
  /** Whoever asked, to withdraw what it asked when it is over. */
  readonly owner: object;
  readonly onProgress: ((params: JsonObject) => void) | undefined;
  readonly at: number;
  settle(reply: BackendReply): void;
  fail(code: AskFailureCode): void;
}

/** What a legacy session was asked and has not answered. The ids are this session's own; a server's never reach the caller. */
export class Asks {
  readonly #clock: Clock;
  readonly #questions = new Map<number, Question>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#questions.size;
  }

  /**
   * Sends a request and waits for its response. Rejects with AskFailure. A server's progress token is replaced by one of this hop, or taken out
   * where nobody wants to hear of progress.
   */
  ask(
    send: Send,
    owner: object,
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress: ((params: JsonObject) => void) | undefined,
  ): Promise<BackendReply> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new AskFailure('cancelled'));
      if (this.#questions.size >= unansweredLimit) return reject(new AskFailure('too-many'));
      const id = ++this.#last;
      if (!send(requestMessage(id, method, ownToken(params, onProgress && id)))) {
        return reject(new AskFailure('nobody-listens'));
      }
      const done = () => {
        this.#questions.delete(id);
        signal.removeEventListener('abort', withdraw);
      };
      const withdraw = () => {
        done();
        send(notificationMessage('notifications/cancelled', { requestId: id }));
        reject(new AskFailure('cancelled'));
      };
      signal.addEventListener('abort', withdraw, { once: true });
      this.#questions.set(id, {
        owner,
        onProgress,
        at: this.#clock.now(),
        settle(reply) {
          done();
          resolve(reply);
        },
        fail(code) {
          done();
          send(notificationMessage('notifications/cancelled', { requestId: id }));
          reject(new AskFailure(code));
        },
      });
    });
  }

  /** The caller's response. False for one to a question never asked, or no longer open: it is nothing. */
  settle(id: unknown, reply: BackendReply): boolean {
    const question = typeof id === 'number' ? this.#questions.get(id) : undefined;
    question?.settle(reply);
    return question !== undefined;
  }

  /** The caller's progress on a question. */
  progress(params: JsonObject): void {
    const { progressToken } = params;
    if (typeof progressToken === 'number') this.#questions.get(progressToken)?.onProgress?.(params);
  }

  /** Withdraws what waited longer than this: nobody will answer it. */
  expire(maxAgeMs: number): void {
    const before = this.#clock.now() - maxAgeMs;
    for (const question of [...this.#questions.values()]) if (question.at < before) question.fail('caller-gone');
  }

  /** Withdraws what `owner` asked, or everything. */
  fail(code: AskFailureCode, owner?: object): void {
    for (const question of [...this.#questions.values()]) {
      if (owner === undefined || question.owner === owner) question.fail(code);
    }
  }
}

/** Progress tokens are chosen per hop by who asks ("Progress"). */
function ownToken(params: JsonObject, token: number | undefined): JsonObject {
  const meta = params._meta;
  if (!isJsonObject(meta) || meta.progressToken === undefined) return params;
  const { progressToken: _theirs, ...rest } = meta;
  return { ...params, _meta: token === undefined ? rest : { ...rest, progressToken: token } };
}
