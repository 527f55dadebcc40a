import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import type { BackendReply, RequestOptions } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { answerBytes, OTHER_BYTES, size } from './message.ts';
import { type Wire, WireFailure, type WireLoss } from './wire.ts';

const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;
/** How long a notification may take to be accepted. */
const NOTIFY_MS = 10_000;

export interface ExchangeOptions extends RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Given up without telling the backend: negotiation probes, whose cancellation an older server may not understand. */
  readonly silent?: boolean;
}

/** Calls given up that are remembered as still to be answered. */
const OWED = 1_000;

interface Pending {
  readonly mostBytes: number;
  readonly settle: (reply: BackendReply | BackendFailure) => void;
  readonly onProgress: ((params: JsonObject) => void) | undefined;
}

export interface RpcEvents {
  onNotification(method: string, params: JsonObject): void;
  /** Once, when the connection is gone without `close` having been called. */
  onLoss(failure: BackendFailure, atOnce: boolean): void;
}

/**
 * JSON-RPC over one wire, without schemas: what it does not govern (ids, progress tokens, cancellation) it hands on as parsed.
 * Ids and progress tokens are numbers of this hop's own, the token equal to its request's id.
 */
export class Rpc {
  readonly wire: Wire;
  readonly alias: string;
  era: 'legacy' | 'modern' | undefined;
  readonly #log: Log;
  readonly #pending = new Map<number, Pending>();
  /** Calls without an answer, those that were given up too: a large one may be on its way. */
  readonly #owed = new Set<number>();
  #events: RpcEvents | undefined;
  #nextId = 0;
  #failure: BackendFailure | undefined;
  readonly #lastWords: () => string | undefined;

  constructor(alias: string, wire: Wire, log: Log, lastWords: () => string | undefined) {
    this.alias = alias;
    this.wire = wire;
    this.#log = log;
    this.#lastWords = lastWords;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  get failure(): BackendFailure | undefined {
    return this.#failure;
  }

  /** Rejects with BackendFailure when the wire cannot be opened. */
  async start(events: RpcEvents): Promise<void> {
    this.#events = events;
    try {
      await this.wire.start({
        onMessage: (message, bytes) => this.#receive(message, bytes),
        mostBytes: () => this.#mostBytes(),
        onLoss: (loss) => this.#lost(loss),
      });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Sends `params` as given but for the progress token. Rejects with BackendFailure. */
  exchange(method: string, params: JsonObject, options: ExchangeOptions): Promise<BackendReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (options.signal?.aborted) return reject(this.#cancelled());
      this.#nextId += 1;
      const id = this.#nextId;
      const closeStream = new AbortController();
      const cancel = () => giveUp(this.#cancelled(), 'The caller cancelled the request.');
      const timer = setTimeout(() => {
        const seconds = Math.round(options.timeoutMs / 100) / 10;
        const text = `The server "${this.alias}" did not answer within ${seconds} seconds.`;
        giveUp(new BackendFailure('timeout', this.alias, text), 'The request took too long.');
      }, options.timeoutMs);
      const settle = (outcome: BackendReply | BackendFailure) => {
        if (!this.#pending.delete(id)) return;
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', cancel);
        if (outcome instanceof BackendFailure) reject(outcome);
        else resolve(outcome);
      };
      const giveUp = (failure: BackendFailure, reason: string) => {
        settle(failure);
        if (options.silent === true) closeStream.abort();
        else void this.#tellCancelled(id, reason).finally(() => closeStream.abort());
      };
      options.signal?.addEventListener('abort', cancel, { once: true });
      this.#pending.set(id, { settle, onProgress: options.onProgress, mostBytes: answerBytes(method) });
      if (method === 'tools/call') this.#owe(id);
      const message: JsonObject = {
        jsonrpc: '2.0',
        id,
        method,
        params: withProgressToken(params, options.onProgress ? id : undefined),
      };
      const send = this.wire.send(message, {
        signal: closeStream.signal,
        ...(options.headers && { headers: options.headers }),
      });
      send.then(
        () => {
          // By now the answer has come, as it should have.
          if (this.wire.answersWithinSend && this.#pending.has(id))
            settle(this.#failed('protocol', 'it ended its answer without a result'));
        },
        (error: unknown) => settle(this.#explain(error)),
      );
    });
  }

  /** Rejects with BackendFailure when it cannot be delivered. */
  async notify(method: string, params: JsonObject): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      await this.wire.send({ jsonrpc: '2.0', method, params }, { signal: AbortSignal.timeout(NOTIFY_MS) });
    } catch (error) {
      throw this.#explain(error);
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
    for (const pending of [...this.#pending.values()]) pending.settle(failure);
  }

  #lost(loss: WireLoss): void {
    const events = this.#events;
    const failure = this.#failed(loss.code, loss.message);
    this.#events = undefined;
    this.#reject(failure);
    this.#guard(() => events?.onLoss(failure, loss.atOnce === true));
  }

  /** An ordinary message is much smaller than a call's answer may be; which of them a line is, shows only at its end. */
  #mostBytes(): number {
    return this.#owed.size > 0 ? answerBytes('tools/call') : OTHER_BYTES;
  }

  #owe(id: number): void {
    this.#owed.add(id);
    const [oldest] = this.#owed;
    if (this.#owed.size > OWED && oldest !== undefined) this.#owed.delete(oldest);
  }

  #receive(message: JsonObject, bytes: number): void {
    if (typeof message.method === 'string') {
      const params = isJsonObject(message.params) ? message.params : {};
      if (bytes > OTHER_BYTES) this.#log.warn('backend-message-too-large', { alias: this.alias, bytes });
      else if (message.id !== undefined) this.#answer(message.id, message.method);
      else if (message.method === 'notifications/progress') this.#progress(params);
      else this.#tell(message.method, params);
      return;
    }
    const id = typeof message.id === 'number' ? message.id : undefined;
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id !== undefined) this.#owed.delete(id);
    if (!pending) {
      this.#log.debug('backend-late-answer', { alias: this.alias, id: id ?? typeof message.id });
    } else if (bytes > pending.mostBytes) {
      pending.settle(this.#failed('protocol', `its answer is larger than ${size(pending.mostBytes)}`));
    } else if (isJsonObject(message.error)) {
      const { code, message: text } = message.error;
      const error = {
        ...message.error,
        code: typeof code === 'number' ? code : INTERNAL_ERROR,
        message: typeof text === 'string' ? text : 'The server gave no message.',
      };
      pending.settle({ ok: false, error });
    } else if (isJsonObject(message.result)) {
      pending.settle({ ok: true, result: message.result });
    } else {
      pending.settle(this.#failed('protocol', 'its answer has neither a result object nor an error object'));
    }
  }

  #progress(params: JsonObject): void {
    const token = params.progressToken;
    const listener = typeof token === 'number' ? this.#pending.get(token)?.onProgress : undefined;
    if (listener) this.#guard(() => listener(params));
    else this.#log.debug('backend-late-progress', { alias: this.alias });
  }

  #tell(method: string, params: JsonObject): void {
    this.#guard(() => this.#events?.onNotification(method, params));
  }

  /** A listener's fault is not the backend's: it must not end the reading of the stream. */
  #guard(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.fault('backend-listener', error);
    }
  }

  /** We declare no client capability, so only ping is served. A modern server has no requests to us and gets no answer. */
  #answer(id: Json, method: string): void {
    if (this.era === 'modern' || (typeof id !== 'string' && typeof id !== 'number')) {
      this.#log.debug('backend-request-dropped', { alias: this.alias, method: method.slice(0, 100) });
      return;
    }
    const answer: JsonObject =
      method === 'ping'
        ? { jsonrpc: '2.0', id, result: {} }
        : {
            jsonrpc: '2.0',
            id,
            error: {
              code: METHOD_NOT_FOUND,
              message: `Gatehouse does not offer "${method.slice(0, 100)}" to servers.`,
            },
          };
    this.wire.send(answer).catch((error: unknown) => this.#undelivered(method, error));
  }

  /** 2025: notifications/cancelled. 2026 over HTTP: the closed stream is the cancellation, nothing is sent. */
  async #tellCancelled(requestId: number, reason: string): Promise<void> {
    if (this.#failure || (this.era === 'modern' && this.wire.answersWithinSend)) return;
    const message: JsonObject = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason } };
    const signal = AbortSignal.timeout(NOTIFY_MS);
    await this.wire
      .send(message, { signal })
      .catch((error: unknown) => this.#undelivered('notifications/cancelled', error));
  }

  #undelivered(method: string, error: unknown): void {
    this.#log.debug('backend-undelivered', { alias: this.alias, method, error: String(error) });
  }

  /** Something of ours went wrong where nobody waits for it. */
  fault(event: string, error: unknown): void {
    this.#log.error(event, { alias: this.alias, error: String(error) });
  }

  #cancelled(): BackendFailure {
    return new BackendFailure('cancelled', this.alias, `The request to the server "${this.alias}" was cancelled.`);
  }

  #failed(code: 'unavailable' | 'protocol', what: string, cause?: unknown): BackendFailure {
    const words = this.#lastWords();
    const last = words === undefined ? '' : ` Its last message: "${words}".`;
    return new BackendFailure(code, this.alias, `The server "${this.alias}" failed: ${what}.${last}`, { cause });
  }

  #explain(error: unknown): BackendFailure {
    if (error instanceof WireFailure) return this.#failed(error.code, error.message, error);
    return this.#failed('unavailable', error instanceof Error ? error.message : String(error), error);
  }
}

/** The caller's own token belongs to another hop and would collide with ours: it is replaced or, where no progress is asked for, removed. */
function withProgressToken(params: JsonObject, token: number | undefined): JsonObject {
  const meta = params._meta;
  if (token !== undefined) return { ...params, _meta: { ...(isJsonObject(meta) ? meta : {}), progressToken: token } };
  if (!isJsonObject(meta) || meta.progressToken === undefined) return params;
  const { progressToken: _, ...rest } = meta;
  return { ...params, _meta: rest };
}
