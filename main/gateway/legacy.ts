import type { JsonObject } from '../policy/json.ts';
import type { CallRequest } from './call-request.ts';
import type { LegacyMessage } from './era.ts';
import { type Exchange, progressTo, type Service } from './exchange.ts';
import { capabilities, identityOf } from './identity.ts';
import { listTools } from './methods.ts';
import type { LegacySession, LegacySessions } from './session.ts';
import { Answer, EventStream, sendEmpty, sendJson } from './sse.ts';
import {
  batchVersion,
  errorMessage,
  legacyVersions,
  type RpcError,
  type RpcId,
  type RpcRequest,
  resultMessage,
  rpcCode,
} from './wire.ts';

type Request = { readonly kind: 'request' } & RpcRequest;

const sessionHeader = 'mcp-session-id';

/** Callers of the revisions with `initialize` and sessions (2024-11-05 to 2025-11-25). */
export class LegacyCallers {
  readonly #service: Service;
  readonly #sessions: LegacySessions;

  constructor(service: Service, sessions: LegacySessions) {
    this.#service = service;
    this.#sessions = sessions;
  }

  async post(exchange: Exchange, message: LegacyMessage): Promise<void> {
    if (message.kind === 'request' && message.method === 'initialize') return this.#initialize(exchange, message);
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    if (message.kind !== 'request') {
      this.#take(session, message);
      sendEmpty(exchange.response, 202);
      return;
    }
    const answer = new Answer(exchange.response, exchange.request.headers.accept);
    const text = await this.#answerTo(exchange, session, message, answer);
    if (text === undefined) answer.abandon();
    else answer.send(text);
  }

  /** Batches existed in one revision only; there each message is answered as if it had come alone. */
  async batch(exchange: Exchange, messages: readonly LegacyMessage[]): Promise<void> {
    const { response } = exchange;
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    if (session.version !== batchVersion) {
      const message = `Invalid request: protocol revision ${session.version} has no batches. Send one message at a time`;
      return refuse(response, 400, null, { code: rpcCode.invalidRequest, message });
    }
    const requests: Request[] = [];
    const ids = new Set<RpcId>();
    for (const message of messages) {
      if (message.kind !== 'request') continue;
      if (message.method === 'initialize' || ids.has(message.id)) {
        const why =
          message.method === 'initialize'
            ? '"initialize" may not be part of a batch'
            : 'an id stands twice in the batch';
        return refuse(response, 400, null, { code: rpcCode.invalidRequest, message: `Invalid request: ${why}` });
      }
      ids.add(message.id);
      requests.push(message);
    }
    for (const message of messages) if (message.kind !== 'request') this.#take(session, message);
    if (requests.length === 0) return sendEmpty(response, 202);
    const answers = await Promise.all(requests.map((each) => this.#answerTo(exchange, session, each, undefined)));
    sendJson(response, 200, `[${answers.filter((text) => text !== undefined).join(',')}]`);
  }

  /** The stream on which a session hears of changes ("Listening for Messages from the Server"). */
  get(exchange: Exchange): void {
    const { request, response } = exchange;
    const { accept } = request.headers;
    if (accept !== undefined && !accept.includes('text/event-stream') && !accept.includes('*/*')) {
      const message = 'Not acceptable: this stream is text/event-stream';
      refuse(response, 406, null, { code: rpcCode.refused, message });
      return;
    }
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    if (!this.#sessions.mayAttach(session)) {
      const message = 'Conflict: this session already has as many open streams as it may';
      refuse(response, 409, null, { code: rpcCode.refused, message });
      return;
    }
    const stream = new EventStream(response);
    this.#sessions.attach(session, stream);
    response.on('close', () => this.#sessions.detach(session, stream));
  }

  delete(exchange: Exchange): void {
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    this.#sessions.end(session);
    sendEmpty(exchange.response, 204);
  }

  async #initialize({ app, endpoint, response }: Exchange, message: Request): Promise<void> {
    const requested = message.params.protocolVersion;
    if (typeof requested !== 'string') {
      const error = { code: rpcCode.invalidParams, message: 'Invalid params: "protocolVersion" must be text' };
      return sendJson(response, 200, errorMessage(message.id, error));
    }
    const known = (legacyVersions as readonly string[]).includes(requested);
    const version = known ? requested : legacyVersions[0];
    const { serverInfo, instructions } = await identityOf(this.#service, this.#snapshot(), endpoint);
    const session = this.#sessions.start(app.id, endpoint, version);
    if (session === undefined) {
      const text = 'Too many conversations of this app are busy at once. Close one and try again.';
      return refuse(response, 503, message.id, { code: rpcCode.refused, message: text });
    }
    const result: JsonObject = { protocolVersion: version, capabilities, serverInfo, instructions };
    sendJson(response, 200, resultMessage(message.id, JSON.stringify(result)), { [sessionHeader]: session.id });
  }

  /** The response's text; undefined where the caller cancelled and wants none. */
  async #answerTo(
    exchange: Exchange,
    session: LegacySession,
    { id, method, params }: Request,
    answer: Answer | undefined,
  ): Promise<string | undefined> {
    switch (method) {
      case 'ping':
        return resultMessage(id, '{}');
      case 'tools/list': {
        const { app, endpoint } = exchange;
        const caller = { app, endpoint, account: this.#service.account };
        const page = await listTools(this.#service.catalog, this.#snapshot(), caller, params);
        if (!page.ok) return errorMessage(id, page.error);
        const next = page.nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(page.nextCursor)}`;
        return resultMessage(id, `{"tools":${page.toolsText}${next}}`);
      }
      case 'tools/call':
        return this.#call(exchange, session, id, params, answer);
      default:
        return errorMessage(id, { code: rpcCode.methodNotFound, message: `Method not found: ${method.slice(0, 200)}` });
    }
  }

  /** A disconnect is not a cancel for this caller: the call goes on, and is recorded, with nobody listening. */
  async #call(
    exchange: Exchange,
    session: LegacySession,
    id: RpcId,
    params: JsonObject,
    answer: Answer | undefined,
  ): Promise<string | undefined> {
    if (session.running.has(id)) {
      const message = 'Invalid request: this id belongs to a call that is still running';
      return errorMessage(id, { code: rpcCode.invalidRequest, message });
    }
    const { app, endpoint } = exchange;
    const running = this.#service.running.start(app.id, answer);
    session.running.set(id, running.stop);
    const onProgress = answer === undefined ? undefined : progressTo(answer, params);
    const request: CallRequest = {
      era: 'legacy',
      app,
      endpoint,
      session: session.key,
      params,
      signal: running.stop.signal,
      ...(onProgress !== undefined && { onProgress }),
    };
    try {
      const outcome = await this.#service.calls.run(request);
      switch (outcome.kind) {
        case 'result':
          return resultMessage(id, outcome.text);
        case 'error':
          return errorMessage(id, outcome.error);
        case 'none':
          return undefined;
        default:
          return outcome satisfies never;
      }
    } finally {
      session.running.delete(id);
      this.#service.running.finish(running);
    }
  }

  #take(session: LegacySession, message: LegacyMessage): void {
    if (message.kind !== 'notification' || message.method !== 'notifications/cancelled') return;
    const { requestId } = message.params;
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return;
    session.running.get(requestId)?.abort('caller');
  }

  #snapshot() {
    const inForce = this.#service.inForce();
    return inForce.ok ? inForce.snapshot : undefined;
  }

  /** The session this request names, or an answer that says why there is none ("Session Management", "Protocol Version Header"). */
  #sessionOf({ request, response, app, endpoint }: Exchange): LegacySession | undefined {
    const id = request.headers[sessionHeader];
    if (typeof id !== 'string') {
      const message = 'Bad Request: no session. Send "initialize" first, then its Mcp-Session-Id with every request';
      refuse(response, 400, null, { code: rpcCode.refused, message });
      return undefined;
    }
    const session = this.#sessions.find(id, app.id, endpoint);
    if (session === undefined) {
      refuse(response, 404, null, { code: rpcCode.refused, message: 'Session not found. Send "initialize" again' });
      return undefined;
    }
    const version = request.headers['mcp-protocol-version'];
    if (version !== undefined && !(legacyVersions as readonly unknown[]).includes(version)) {
      const message = `Bad Request: unsupported protocol version ${String(version).slice(0, 40)}. Supported: ${legacyVersions.join(', ')}`;
      refuse(response, 400, null, { code: rpcCode.refused, message });
      return undefined;
    }
    return session;
  }
}

function refuse(response: Exchange['response'], httpStatus: number, id: RpcId | null, error: RpcError): void {
  sendJson(response, httpStatus, errorMessage(id, error));
}
