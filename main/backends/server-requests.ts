import type { Json, JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import type { BackendReply, Origin, ServerRequest } from './backends.ts';

const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;
/** Requests of one server waiting for an answer at a time: each may be a question to the person. */
const UNDER_WAY = 64;
/** Refusals and pongs being delivered at a time: over HTTP each is a request of its own. And how many wait for that. */
const DELIVERING = 16;
const WAITING = 1_000;
/** An id is kept as long as its request, and sent back. */
const ID_CHARACTERS = 256;
/** How long an answer may take to be accepted. */
const DELIVER_MS = 10_000;

interface UnderWay {
  readonly controller: AbortController;
  answered: boolean;
}

export interface ServerRequestsOptions {
  readonly alias: string;
  readonly log: Log;
  /** Undefined where nobody stands behind the session: then only `ping` is served. */
  readonly onRequest: ((request: ServerRequest) => Promise<BackendReply>) | undefined;
  readonly send: (answer: JsonObject, signal: AbortSignal) => Promise<void>;
}

/**
 * The requests a 2025 server makes of its client (sampling, elicitation, roots, tasks of those, and what else it may send): each is answered
 * once, unless the server cancels it. Bounded, because a server may ask for ever.
 */
export class ServerRequests {
  readonly #options: ServerRequestsOptions;
  readonly #underWay = new Map<string | number, UnderWay>();
  readonly #waiting: { readonly id: string | number; readonly reply: BackendReply }[] = [];
  #delivering = 0;
  #ended = false;

  constructor(options: ServerRequestsOptions) {
    this.#options = options;
  }

  /** How many are waiting for an answer. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** `agreed`: the handshake is done, so that the server knows what it may ask for. */
  take(
    id: Json,
    method: string,
    params: JsonObject,
    { origin, agreed }: { readonly origin: Origin | undefined; readonly agreed: boolean },
  ): void {
    if (this.#ended) return;
    const { onRequest } = this.#options;
    if (!isUsableId(id)) this.#drop(method, 'its id cannot be answered to');
    else if (this.#underWay.has(id)) this.#drop(method, 'a request with its id is under way');
    else if (method === 'ping') this.#answerAtOnce(id, method, { ok: true, result: {} });
    else if (!onRequest || !agreed)
      this.#refuse(id, method, METHOD_NOT_FOUND, `Gatehouse does not offer "${method.slice(0, 100)}" to servers.`);
    else if (this.#underWay.size >= UNDER_WAY) this.#refuse(id, method, INTERNAL_ERROR, TOO_MANY);
    else this.#pass(id, { method, params, origin }, onRequest);
  }

  #pass(
    id: string | number,
    request: Omit<ServerRequest, 'signal'>,
    onRequest: (request: ServerRequest) => Promise<BackendReply>,
  ): void {
    const { method } = request;
    const own: UnderWay = { controller: new AbortController(), answered: false };
    this.#underWay.set(id, own);
    this.#ask(onRequest, { ...request, signal: own.controller.signal })
      .then((reply) => {
        // Cancelled, or the session is gone: nobody waits for this answer.
        if (this.#underWay.get(id) !== own) return undefined;
        own.answered = true;
        return this.#deliver(id, reply);
      })
      .catch((error: unknown) => this.#note('backend-undelivered', method, error))
      .finally(() => {
        if (this.#underWay.get(id) === own) this.#underWay.delete(id);
      });
  }

  /** notifications/cancelled of the server: the request is given up and not answered. */
  cancel(id: Json | undefined, reason: Json | undefined): void {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    const request = this.#underWay.get(id);
    if (!request || request.answered) return;
    this.#underWay.delete(id);
    const why = typeof reason === 'string' ? reason.slice(0, 200) : 'no reason given';
    request.controller.abort(new Error(`The server "${this.#options.alias}" cancelled its request: ${why}.`));
  }

  /** The session is gone. */
  end(reason: Error): void {
    this.#ended = true;
    this.#waiting.length = 0;
    const open = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const { controller } of open) controller.abort(reason);
  }

  async #ask(
    onRequest: (request: ServerRequest) => Promise<BackendReply>,
    request: ServerRequest,
  ): Promise<BackendReply> {
    try {
      return await onRequest(request);
    } catch (error) {
      if (!request.signal.aborted) this.#note('backend-request-failed', request.method, error);
      const message = `Gatehouse could not get an answer to "${request.method.slice(0, 100)}".`;
      return { ok: false, error: { code: INTERNAL_ERROR, message } };
    }
  }

  #refuse(id: string | number, method: string, code: number, message: string): void {
    this.#answerAtOnce(id, method, { ok: false, error: { code, message } });
  }

  /** What is answered without asking anybody. */
  #answerAtOnce(id: string | number, method: string, reply: BackendReply): void {
    if (this.#delivering < DELIVERING) this.#deliverNext(id, reply);
    else if (this.#waiting.length < WAITING) this.#waiting.push({ id, reply });
    else this.#drop(method, 'the server does not take up answers');
  }

  #deliverNext(id: string | number, reply: BackendReply): void {
    this.#delivering += 1;
    this.#deliver(id, reply)
      .catch((error: unknown) => this.#note('backend-undelivered', 'refusal', error))
      .finally(() => {
        this.#delivering -= 1;
        const next = this.#waiting.shift();
        if (next) this.#deliverNext(next.id, next.reply);
      });
  }

  #deliver(id: string | number, reply: BackendReply): Promise<void> {
    const answer: JsonObject = reply.ok
      ? { jsonrpc: '2.0', id, result: reply.result }
      : { jsonrpc: '2.0', id, error: { ...reply.error } };
    return this.#options.send(answer, AbortSignal.timeout(DELIVER_MS));
  }

  #drop(method: string, why: string): void {
    this.#options.log.debug('backend-request-dropped', {
      alias: this.#options.alias,
      method: method.slice(0, 100),
      why,
    });
  }

  #note(event: string, method: string, error: unknown): void {
    this.#options.log.debug(event, {
      alias: this.#options.alias,
      method: method.slice(0, 100),
      error: String(error),
    });
  }
}

const TOO_MANY = `Gatehouse already waits for the answers to ${UNDER_WAY} requests of this server. Try again when some are answered.`;

/** A number that is not finite would be written as null. */
function isUsableId(id: Json): id is string | number {
  return typeof id === 'number' ? Number.isFinite(id) : typeof id === 'string' && id.length <= ID_CHARACTERS;
}
