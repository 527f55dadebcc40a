import { FewMap } from '../policy/few.ts';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { BackendReply, Origin, RequestOptions, ServerRequest } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { FailureWords } from './failure-words.ts';
import { LiveTasks } from './live-tasks.ts';
import { answerBytes, OTHER_BYTES, size } from './message.ts';
import { Origins } from './origins.ts';
import { OwedAnswers } from './owed-answers.ts';
import { withProgressToken } from './progress-token.ts';
import { relatedTask } from './related-task.ts';
import { replyOf } from './reply.ts';
import { ServerRequests } from './server-requests.ts';
import { subscriptionOf } from './subscription-id.ts';
import type { CameOn, Wire, WireLoss } from './wire.ts';

/** How long a notification may take to be accepted. */
const NOTIFY_MS = 10_000;

export interface ExchangeOptions extends RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Given up without telling the backend: negotiation probes, whose cancellation an older server may not understand. */
  readonly silent?: boolean;
  /** The notifications of a subscription this request opened (2026-07-28); they are told to nobody else. */
  readonly onSubscribed?: (method: string, params: JsonObject) => void;
}

interface Pending {
  readonly mostBytes: number;
  readonly settle: (reply: BackendReply | BackendFailure) => void;
  readonly onProgress: ((params: JsonObject) => void) | undefined;
  readonly onSubscribed: ((method: string, params: JsonObject) => void) | undefined;
}

export interface RpcEvents {
  onNotification(method: string, params: JsonObject, origin: Origin | undefined): void;
  /** Once, when the connection is gone without `close` having been called. */
  onLoss(failure: BackendFailure, atOnce: boolean): void;
}

export interface RpcOptions {
  readonly alias: string;
  readonly wire: Wire;
  readonly clock: Clock;
  readonly log: Log;
  /** What the server wrote last, for the words of a failure. */
  readonly lastWords: () => string | undefined;
  /** Answers requests of a 2025 server; without it only `ping` is. */
  readonly onRequest?: ((request: ServerRequest) => Promise<BackendReply>) | undefined;
}

/** Counts for every connection together: a 2026 server without sessions sees several of ours as one client, to which an id may be new only once. */
let lastId = 0;

/**
 * JSON-RPC over one wire, without schemas: what it does not govern (ids, progress tokens, cancellation) it hands on as parsed.
 * Ids and progress tokens are numbers of this hop's own, the token equal to its request's id.
 */
export class Rpc {
  readonly wire: Wire;
  readonly alias: string;
  era: 'legacy' | 'modern' | undefined;
  readonly tasks: LiveTasks;
  readonly #log: Log;
  readonly #served: ServerRequests;
  readonly #origins = new Origins();
  readonly #pending = new FewMap<number, Pending>();
  readonly #owed = new OwedAnswers();
  #events: RpcEvents | undefined;
  #failure: BackendFailure | undefined;
  readonly #words: FailureWords;

  constructor({ alias, wire, clock, log, lastWords, onRequest }: RpcOptions) {
    this.alias = alias;
    this.wire = wire;
    this.tasks = new LiveTasks(clock);
    this.#log = log;
    this.#words = new FailureWords(alias, lastWords);
    const send = (answer: JsonObject, signal: AbortSignal) => wire.send(answer, { signal });
    this.#served = new ServerRequests({ alias, log, onRequest, send });
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** Requests of the server that wait for an answer. */
  get asked(): number {
    return this.#served.underWay;
  }

  get failure(): BackendFailure | undefined {
    return this.#failure;
  }

  /** Rejects with BackendFailure when the wire cannot be opened. */
  async start(events: RpcEvents): Promise<void> {
    this.#events = events;
    try {
      await this.wire.start({
        onMessage: (message, bytes, cameOn) => this.#receive(message, bytes, cameOn),
        mostBytes: () => this.#owed.mostBytes,
        onLoss: (loss) => this.#lost(loss),
      });
    } catch (error) {
      throw this.#words.explain(error);
    }
  }

  /** Sends `params` as given but for the progress token. Rejects with BackendFailure. */
  exchange(method: string, params: JsonObject, options: ExchangeOptions): Promise<BackendReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (options.signal?.aborted) return reject(this.#words.cancelled());
      lastId += 1;
      const id = lastId;
      const { onProgress, onSubscribed } = options;
      const closeStream = new AbortController();
      const cancel = () => giveUp(this.#words.cancelled(), 'The caller cancelled the request.');
      const late = () => giveUp(this.#words.late(options.timeoutMs), 'The request took too long.');
      // Unreferenced timers share one list per length that stays; for others Node makes and ends one with each call that is alone.
      const timer = setTimeout(late, options.timeoutMs).unref();
      const settle = (outcome: BackendReply | BackendFailure) => {
        if (!this.#pending.delete(id)) return;
        this.#origins.remove(id);
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', cancel);
        if (outcome instanceof BackendFailure) return reject(outcome);
        this.tasks.answered(id, method, params, outcome, onProgress);
        resolve(outcome);
      };
      const giveUp = (failure: BackendFailure, reason: string) => {
        settle(failure);
        if (options.silent === true) closeStream.abort();
        else void this.#tellCancelled(id, reason).finally(() => closeStream.abort());
      };
      options.signal?.addEventListener('abort', cancel, { once: true });
      this.#pending.set(id, { settle, onProgress, onSubscribed, mostBytes: answerBytes(method) });
      if (options.origin !== undefined) this.#origins.add(id, options.origin, taskIdOf(method, params));
      this.#owed.sent(id, method);
      const token = onProgress ? id : undefined;
      const message: JsonObject = { jsonrpc: '2.0', id, method, params: withProgressToken(params, token) };
      const send = this.wire.send(message, {
        signal: closeStream.signal,
        ...(options.headers && { headers: options.headers }),
        ...(options.onPolling && { onPolling: options.onPolling }),
      });
      send.then(
        () => {
          // By now the answer has come, as it should have.
          if (this.wire.answersWithinSend && this.#pending.has(id))
            settle(this.#words.failed('protocol', 'it ended its answer without a result'));
        },
        (error: unknown) => settle(this.#words.explain(error)),
      );
    });
  }

  /** Rejects with BackendFailure when it cannot be delivered. */
  async notify(method: string, params: JsonObject): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      await this.wire.send({ jsonrpc: '2.0', method, params }, { signal: AbortSignal.timeout(NOTIFY_MS) });
    } catch (error) {
      throw this.#words.explain(error);
    }
  }

  /** Ends the connection; what is pending is rejected with `failure`. */
  async close(failure: BackendFailure): Promise<void> {
    this.#events = undefined;
    this.#reject(failure);
    await this.wire.close();
  }

  #reject(failure: BackendFailure): void {
    this.#failure ??= failure;
    this.#served.end(failure);
    for (const pending of this.#pending.values()) pending.settle(failure);
  }

  #lost(loss: WireLoss): void {
    const events = this.#events;
    const failure = this.#words.failed(loss.code, loss.message);
    this.#events = undefined;
    this.#reject(failure);
    this.#guard(() => events?.onLoss(failure, loss.atOnce === true));
  }

  #receive(message: JsonObject, bytes: number, cameOn: CameOn): void {
    if (typeof message.method === 'string') {
      const params = isJsonObject(message.params) ? message.params : {};
      if (bytes > OTHER_BYTES) this.#log.warn('backend-message-too-large', { alias: this.alias, bytes });
      else if (message.id === undefined) this.#tell(message.method, params, cameOn);
      // A modern server has no requests to us and gets no answer.
      else if (this.era === 'modern') this.#log.debug('backend-request-dropped', { alias: this.alias });
      else this.#serve(message.id, message.method, params, cameOn);
      return;
    }
    const id = typeof message.id === 'number' ? message.id : undefined;
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id !== undefined) this.#owed.came(id);
    if (!pending) {
      this.#log.debug('backend-late-answer', { alias: this.alias, id: id ?? typeof message.id });
    } else if (bytes > pending.mostBytes) {
      pending.settle(this.#words.failed('protocol', `its answer is larger than ${size(pending.mostBytes)}`));
    } else {
      const broken = () => this.#words.failed('protocol', 'its answer has neither a result object nor an error object');
      pending.settle(replyOf(message) ?? broken());
    }
  }

  /**
   * Nobody is asked before the handshake has said what this side can do. SDKs send what a server asks without naming the request it is for
   * on the stream beside all requests, so that a single request under way is taken for its cause there, too.
   */
  #serve(id: Json, method: string, params: JsonObject, cameOn: CameOn): void {
    const origin = this.#originOf(cameOn === 'server' ? 'shared' : cameOn, params);
    this.#served.take(id, method, params, { origin, agreed: this.era !== undefined });
  }

  #originOf(cameOn: CameOn, params: JsonObject): Origin | undefined {
    if (typeof cameOn === 'number') return this.#origins.of(cameOn);
    if (cameOn === 'server') return undefined;
    const taskId = relatedTask(params);
    return (taskId === undefined ? undefined : this.#origins.ofTask(taskId)) ?? this.#origins.only();
  }

  #tell(method: string, params: JsonObject, cameOn: CameOn): void {
    switch (method) {
      case 'notifications/progress':
        this.#progress(params);
        return;
      case 'notifications/cancelled':
        // It speaks of a request of the server's own.
        this.#served.cancel(params.requestId, params.reason);
        return;
      case 'notifications/tasks/status':
        this.tasks.status(params);
        break;
      default:
    }
    const subscription = this.era === 'modern' ? (subscriptionOf(params) ?? this.#listenStream(cameOn)) : undefined;
    if (subscription === undefined) {
      this.#guard(() => this.#events?.onNotification(method, params, this.#originOf(cameOn, params)));
      return;
    }
    const onSubscribed = this.#pending.get(subscription)?.onSubscribed;
    if (onSubscribed) this.#guard(() => onSubscribed(method, params));
    else this.#log.debug('backend-late-notification', { alias: this.alias });
  }

  /** The stream of a `subscriptions/listen` carries nothing else. */
  #listenStream(cameOn: CameOn): number | undefined {
    return typeof cameOn === 'number' && this.#pending.get(cameOn)?.onSubscribed ? cameOn : undefined;
  }

  #progress(params: JsonObject): void {
    const token = params.progressToken;
    const listener =
      typeof token === 'number' ? (this.#pending.get(token)?.onProgress ?? this.tasks.listener(token)) : undefined;
    if (listener) this.#guard(() => listener(params));
    else this.#log.debug('backend-late-progress', { alias: this.alias });
  }

  /** A listener's fault is not the backend's: it must not end the reading of the stream. */
  #guard(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.fault('backend-listener', error);
    }
  }

  /** 2025: notifications/cancelled. 2026 over HTTP: the closed stream is the cancellation, nothing is sent. */
  async #tellCancelled(requestId: number, reason: string): Promise<void> {
    if (this.#failure || (this.era === 'modern' && this.wire.answersWithinSend)) return;
    const message: JsonObject = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason } };
    const signal = AbortSignal.timeout(NOTIFY_MS);
    await this.wire
      .send(message, { signal })
      .catch((error: unknown) =>
        this.#log.debug('backend-undelivered', { alias: this.alias, method: message.method, error: String(error) }),
      );
  }

  /** Something of ours went wrong where nobody waits for it. */
  fault(event: string, error: unknown): void {
    this.#log.error(event, { alias: this.alias, error: String(error) });
  }
}

/** What comes for a task belongs to whoever waits for its result. */
function taskIdOf(method: string, params: JsonObject): string | undefined {
  return method === 'tasks/result' && typeof params.taskId === 'string' ? params.taskId : undefined;
}
