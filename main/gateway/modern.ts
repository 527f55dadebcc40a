import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { Reply } from './conversation.ts';
import { type Exchange, refuse, type Service, tooManyRequests } from './exchange.ts';
import { identityOf } from './identity.ts';
import type { Listeners } from './listeners.ts';
import type { McpHeaders } from './mcp-headers.ts';
import { envelopeOf, ModernConversation, unknownLogLevel } from './modern-conversation.ts';
import type { ParkedRequests } from './parked.ts';
import { Answer, acceptsJson, acceptsStream } from './sse.ts';
import {
  errorMessage,
  metaKey,
  methodNotFound,
  modernVersions,
  type RpcId,
  type RpcRequest,
  resultMessage,
  rpcCode,
} from './wire.ts';

/** Callers of 2026-07-28: every request stands alone. */
export class ModernCallers {
  readonly #service: Service;
  readonly #listeners: Listeners;
  readonly #parked: ParkedRequests;

  constructor(service: Service, listeners: Listeners, parked: ParkedRequests) {
    this.#service = service;
    this.#listeners = listeners;
    this.#parked = parked;
  }

  async post(exchange: Exchange, message: RpcRequest): Promise<void> {
    const { request, response } = exchange;
    const { accept } = request.headers;
    if (!acceptsJson(accept) && !acceptsStream(accept)) {
      return refuse(response, 406, message.id, 'Not acceptable: answers are application/json or text/event-stream');
    }
    switch (message.method) {
      case 'server/discover':
        return new Answer(response, accept).send(await this.#discover(exchange, message));
      case 'subscriptions/listen':
        return this.#listeners.listen(exchange, message);
      default: {
        const { requestState } = message.params;
        const ours = typeof requestState === 'string' && this.#parked.issued(requestState);
        return ours ? this.#resume(exchange, message, requestState) : this.#begin(exchange, message);
      }
    }
  }

  async #discover({ app, endpoint }: Exchange, { id }: RpcRequest): Promise<string> {
    const inForce = this.#service.inForce();
    const { serverInfo, instructions } = await identityOf(
      this.#service,
      inForce.ok ? inForce.snapshot : undefined,
      endpoint,
    );
    const result = {
      resultType: 'complete',
      supportedVersions: modernVersions,
      capabilities: this.#service.answering.capabilities(app, endpoint),
      instructions,
      // It depends on who asks and may change at any publish: nobody may share it, and nobody need keep it.
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { [metaKey.serverInfo]: serverInfo },
    };
    return resultMessage(id, JSON.stringify(result));
  }

  async #begin(exchange: Exchange, { id, method, params }: RpcRequest): Promise<void> {
    const { request, response, app, endpoint, limits } = exchange;
    const { answering, running } = this.#service;
    const answer = new Answer(response, request.headers.accept);
    // A call is refused where it is recorded; whatever else there is too much of, here.
    if (method !== 'tools/call' && running.countOf(app.id) >= limits.callsPerApp) {
      return answer.send(errorMessage(id, tooManyRequests(limits.callsPerApp)));
    }
    const envelope = envelopeOf(request.headers as McpHeaders, params);
    if (envelope === undefined) return answer.send(invalidParams(id, unknownLogLevel));
    const conversation = new ModernConversation({ app, endpoint, method, params, envelope, answer });
    const pending = answering.answer(conversation, method, params);
    // "Server Validation": a method this server does not have is 404 with -32601.
    if (pending === undefined) return answer.send(errorMessage(id, methodNotFound(method)), 404);
    running.start(conversation);
    pending.then(
      (reply) => {
        running.finish(conversation);
        conversation.settle(reply);
      },
      (error: unknown) => {
        this.#service.log.error('request-failed', { method, error: String(error) });
        running.finish(conversation);
        conversation.settle({ kind: 'error', error: ourFailure });
      },
    );
    await this.#serve(exchange, conversation, answer, id);
  }

  /** The caller asks again and brings the answers. A handle that is not good for exactly this changes nothing. */
  async #resume(exchange: Exchange, { id, method, params }: RpcRequest, state: string): Promise<void> {
    const { request, response, app, endpoint } = exchange;
    const answer = new Answer(response, request.headers.accept);
    const invalid = (why: string) => answer.send(invalidParams(id, why));
    const waiting = this.#parked.find(state, { app, endpoint, method, params });
    if (waiting === undefined) {
      return invalid('this "requestState" is not known, was used already, is too old, or belongs to another request');
    }
    const responses = responsesOf(params.inputResponses);
    if (responses === undefined) return invalid('"inputResponses" must hold an object for each answer');
    const envelope = envelopeOf(request.headers as McpHeaders, params);
    if (envelope === undefined) return invalid(unknownLogLevel);
    const { conversation } = waiting;
    waiting.take();
    const refused = this.#service.answering.stillAllowed(conversation);
    if (refused !== undefined) {
      conversation.stop('caller');
      return sendReply(answer, id, refused);
    }
    conversation.resume(envelope, responses);
    await this.#serve(exchange, conversation, answer, id);
  }

  async #serve(
    { response, limits }: Exchange,
    conversation: ModernConversation,
    answer: Answer,
    id: RpcId,
  ): Promise<void> {
    response.on('close', () => conversation.hungUp(answer));
    for (;;) {
      const next = conversation.leg(answer);
      if (response.destroyed) conversation.hungUp(answer);
      const leg = await next;
      if (leg.kind === 'reply') return sendReply(answer, id, leg.reply);
      const room = this.#parked.countOf(conversation.app.id) < limits.parkedPerApp;
      const requestState = room ? this.#parked.park(conversation, limits.parkedSeconds) : undefined;
      if (requestState !== undefined) {
        const result = { resultType: 'input_required', inputRequests: leg.requests, requestState };
        return answer.send(resultMessage(id, JSON.stringify(result)));
      }
      conversation.failQuestions('too-many');
    }
  }
}

const ourFailure = {
  code: rpcCode.internalError,
  message: 'Gatehouse failed to answer. Try again; if it happens again, ask your IT team.',
};

function invalidParams(id: RpcId, why: string): string {
  return errorMessage(id, { code: rpcCode.invalidParams, message: `Invalid params: ${why}` });
}

function sendReply(answer: Answer, id: RpcId, reply: Reply): void {
  switch (reply.kind) {
    case 'result':
      answer.send(resultMessage(id, reply.text));
      return;
    case 'error':
      answer.send(errorMessage(id, reply.error), reply.httpStatus);
      return;
    case 'none':
      answer.abandon();
      return;
    default:
      reply satisfies never;
  }
}

/** Undefined when malformed; none at all means that nothing was answered yet. */
function responsesOf(value: unknown): Readonly<Record<string, JsonObject>> | undefined {
  if (value === undefined) return {};
  if (!isJsonObject(value)) return undefined;
  return Object.values(value).every(isJsonObject) ? (value as Readonly<Record<string, JsonObject>>) : undefined;
}
