import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { LegacyMessage } from './era.ts';
import { type Exchange, refuse, type Service, tooManyMessages, tooManyRequests } from './exchange.ts';
import { identityOf } from './identity.ts';
import { LegacyConversation } from './legacy-conversation.ts';
import type { LegacySession, LegacySessions } from './session.ts';
import { Answer, acceptsJson, acceptsStream, EventStream, sendEmpty, sendJson } from './sse.ts';
import { timed } from './timing.ts';
import {
  batchVersion,
  errorMessage,
  legacyVersions,
  logLevels,
  methodNotFound,
  type RpcId,
  type RpcRequest,
  resultMessage,
  rpcCode,
} from './wire.ts';

type Request = { readonly kind: 'request' } & RpcRequest;

const sessionHeader = 'mcp-session-id';

/** What an app says of itself is kept as long as its session: characters of JSON text. */
const introductionLimit = 65_536;

/** Callers of the revisions with `initialize` and sessions (2024-11-05 to 2025-11-25). */
export class LegacyCallers {
  readonly #service: Service;
  readonly #sessions: LegacySessions;

  constructor(service: Service, sessions: LegacySessions) {
    this.#service = service;
    this.#sessions = sessions;
  }

  async post(exchange: Exchange, message: LegacyMessage): Promise<void> {
    const { request, response } = exchange;
    const { accept } = request.headers;
    if (message.kind === 'request' && !acceptsJson(accept) && !acceptsStream(accept)) {
      return refuse(response, 406, message.id, 'Not acceptable: answers are application/json or text/event-stream');
    }
    if (message.kind === 'request' && message.method === 'initialize') return this.#initialize(exchange, message);
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    if (message.kind !== 'request') {
      if (!this.#take(session, message)) return refuse(response, 429, null, tooManyMessages.message);
      return sendEmpty(response, 202);
    }
    const answer = answerOf(exchange, session);
    const text = await this.#answerTo(exchange, session, message, answer);
    if (text === undefined) answer.abandon();
    else timed('serialise', () => answer.send(text));
  }

  /** Batches existed in one revision only; there each message is answered as if it had come alone. */
  async batch(exchange: Exchange, messages: readonly LegacyMessage[]): Promise<void> {
    const { response } = exchange;
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    if (session.version !== batchVersion) {
      const why = `protocol revision ${session.version} has no batches. Send one message at a time`;
      return refuse(response, 400, null, `Invalid request: ${why}`, rpcCode.invalidRequest);
    }
    const requests: Request[] = [];
    const ids = new Set<RpcId>();
    for (const message of messages) {
      if (message.kind !== 'request') continue;
      if (message.method === 'initialize' || ids.has(message.id)) {
        const initialize = message.method === 'initialize';
        const why = initialize ? '"initialize" may not be part of a batch' : 'an id stands twice in the batch';
        return refuse(response, 400, null, `Invalid request: ${why}`, rpcCode.invalidRequest);
      }
      ids.add(message.id);
      requests.push(message);
    }
    for (const message of messages) {
      if (message.kind === 'request') continue;
      if (!this.#take(session, message)) return refuse(response, 429, null, tooManyMessages.message);
    }
    if (requests.length === 0) return sendEmpty(response, 202);
    const answer = answerOf(exchange, session);
    const answers = await Promise.all(requests.map((each) => this.#answerTo(exchange, session, each, answer)));
    answer.sendBatch(answers.filter((text) => text !== undefined));
  }

  /** The stream on which a session hears of what belongs to no request ("Listening for Messages from the Server"), or the rest of one that broke off. */
  get(exchange: Exchange): void {
    const { request, response } = exchange;
    if (!acceptsStream(request.headers.accept)) {
      refuse(response, 406, null, 'Not acceptable: this stream is text/event-stream');
      return;
    }
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    const lastEventId = request.headers['last-event-id'];
    if (lastEventId === undefined) {
      const connection = this.#connect(exchange, session, false);
      if (connection !== undefined) session.events.begin(connection, true);
      return;
    }
    const found = session.events.find(String(lastEventId));
    if (found === undefined) {
      const message = 'Bad Request: this Last-Event-ID is not one of this session, or too old. Open a new stream';
      refuse(response, 400, null, message);
      return;
    }
    const { stream, seen } = found;
    if (stream.over && seen === stream.last) {
      // Everything was received. 204 is how an event stream says "do not reconnect" (HTML, "Server-sent events").
      sendEmpty(response, 204, { 'content-type': 'text/event-stream' });
      return;
    }
    const connection = this.#connect(exchange, session, stream.listening);
    if (connection !== undefined) stream.resume(connection, seen);
  }

  delete(exchange: Exchange): void {
    const session = this.#sessionOf(exchange);
    if (session === undefined) return;
    this.#sessions.end(session);
    sendEmpty(exchange.response, 204);
  }

  async #initialize({ app, endpoint, response, limits }: Exchange, message: Request): Promise<void> {
    const { protocolVersion: requested, capabilities = {}, clientInfo = {} } = message.params;
    const invalid = (why: string) =>
      sendJson(
        response,
        200,
        errorMessage(message.id, { code: rpcCode.invalidParams, message: `Invalid params: ${why}` }),
      );
    if (typeof requested !== 'string') return invalid('"protocolVersion" must be text');
    if (!isJsonObject(capabilities)) return invalid('"capabilities" must be an object');
    if (!isJsonObject(clientInfo)) return invalid('"clientInfo" must be an object');
    if (JSON.stringify([capabilities, clientInfo]).length > introductionLimit) {
      return invalid(`"capabilities" and "clientInfo" are longer than ${introductionLimit} characters`);
    }
    const known = (legacyVersions as readonly string[]).includes(requested);
    const version = known ? requested : legacyVersions[0];
    const { serverInfo, instructions } = await identityOf(this.#service, this.#snapshot(), endpoint);
    const offered = this.#service.answering.capabilities(app, endpoint);
    const introduction = { app, endpoint, version, capabilities, clientInfo, offered };
    const session = this.#sessions.start(introduction, limits.sessionsPerApp);
    if (session === undefined) {
      const text = 'Too many conversations of this app are busy at once. Close one and try again.';
      return refuse(response, 503, message.id, text);
    }
    const result: JsonObject = { protocolVersion: version, capabilities: offered, serverInfo, instructions };
    sendJson(response, 200, resultMessage(message.id, JSON.stringify(result)), { [sessionHeader]: session.id });
  }

  /** The response's text; undefined where the caller cancelled and wants none. */
  async #answerTo(
    { limits }: Exchange,
    session: LegacySession,
    { id, method, params }: Request,
    answer: Answer,
  ): Promise<string | undefined> {
    const { answering, running, allowances } = this.#service;
    if (method === 'ping' || method === 'logging/setLevel') {
      if (!allowances.take(session.app.id)) return errorMessage(id, tooManyMessages);
      return method === 'ping' ? resultMessage(id, '{}') : this.#setLevel(session, id, params);
    }
    if (session.running.has(id)) {
      const message = 'Invalid request: this id belongs to a request that is still running';
      return errorMessage(id, { code: rpcCode.invalidRequest, message });
    }
    // A call is refused where it is recorded; whatever else there is too much of, here.
    if (method !== 'tools/call' && running.countOf(session.app.id) >= limits.callsPerApp) {
      return errorMessage(id, tooManyRequests(limits.callsPerApp));
    }
    const conversation = new LegacyConversation(session, answer);
    const pending = answering.answer(conversation, method, params);
    if (pending === undefined) return errorMessage(id, methodNotFound(method));
    session.running.set(id, conversation);
    running.start(conversation);
    try {
      const reply = await pending;
      switch (reply.kind) {
        case 'result':
          return resultMessage(id, reply.text);
        case 'error':
          return errorMessage(id, reply.error);
        case 'none':
          return undefined;
        default:
          return reply satisfies never;
      }
    } finally {
      conversation.over();
      session.running.delete(id);
      running.finish(conversation);
    }
  }

  /** 2025-11-25, "Logging", "Setting Log Level". */
  #setLevel(session: LegacySession, id: RpcId, { level }: JsonObject): string {
    if (session.offered.logging === undefined) return errorMessage(id, methodNotFound('logging/setLevel'));
    if (typeof level !== 'string' || !(logLevels as readonly string[]).includes(level)) {
      const message = `Invalid params: "level" must be one of ${logLevels.join(', ')}`;
      return errorMessage(id, { code: rpcCode.invalidParams, message });
    }
    session.logLevel = level;
    this.#service.answering.logLevelChanged(session.session, level);
    return resultMessage(id, '{}');
  }

  /** False when this app sends more than it may. Answers to open questions are as many as the questions, and each is waited for. */
  #take(session: LegacySession, message: Exclude<LegacyMessage, { kind: 'request' }>): boolean {
    if (message.kind === 'response' && session.asks.settle(message.id, message.reply)) return true;
    if (!this.#service.allowances.take(session.app.id)) return false;
    if (message.kind === 'notification') this.#hear(session, message);
    return true;
  }

  #hear(session: LegacySession, message: Extract<LegacyMessage, { kind: 'notification' }>): void {
    switch (message.method) {
      case 'notifications/cancelled': {
        const { requestId } = message.params;
        if (typeof requestId === 'string' || typeof requestId === 'number') {
          session.running.get(requestId)?.stop('caller');
        }
        return;
      }
      case 'notifications/progress':
        session.asks.progress(message.params);
        return;
      case 'notifications/roots/list_changed':
        this.#service.answering.rootsChanged(session.session);
        return;
      default:
      // Nothing else a caller may say asks for anything.
    }
  }

  /** A connection for a GET stream, unless there are as many as there may be; one that takes another's place counts as that one. */
  #connect({ response, app, limits }: Exchange, session: LegacySession, inPlace: boolean): EventStream | undefined {
    const before = inPlace ? 1 : 0;
    if (session.events.listening - before >= limits.streamsPerSession) {
      refuse(response, 409, null, 'Conflict: this session already has as many open streams as it may');
      return undefined;
    }
    if (this.#service.streamsOf(app.id) - before >= limits.streamsPerApp) {
      refuse(response, 409, null, 'Conflict: this app already has as many open streams as it may');
      return undefined;
    }
    response.on('close', () => this.#sessions.left(session));
    return new EventStream(response);
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
      refuse(response, 400, null, message);
      return undefined;
    }
    const session = this.#sessions.find(id, app.id, endpoint);
    if (session === undefined) {
      refuse(response, 404, null, 'Session not found. Send "initialize" again');
      return undefined;
    }
    const version = request.headers['mcp-protocol-version'];
    if (version !== undefined && !(legacyVersions as readonly unknown[]).includes(version)) {
      const supported = legacyVersions.join(', ');
      const message = `Bad Request: unsupported protocol version ${String(version).slice(0, 40)}. Supported: ${supported}`;
      refuse(response, 400, null, message);
      return undefined;
    }
    return session;
  }
}

/** An answer that can be resumed once it is a stream. */
function answerOf({ request, response }: Exchange, session: LegacySession): Answer {
  return new Answer(response, request.headers.accept, (connection) => session.events.begin(connection, false));
}
