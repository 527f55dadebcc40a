import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import { mediaType, parse, refusalText } from './http-answer.ts';
import { discardBody, explainHttp } from './http-errors.ts';
import { exchange, HttpAgents, type HttpAnswer, readBody, readExcerpt, refuseUrl } from './http-exchange.ts';
import { followStream, resumeStream, type StreamFor, type StreamSource, serverStream } from './http-streams.ts';
import { modernHeaders } from './mcp-headers.ts';
import { answerBytes, parseMessage } from './message.ts';
import { type CameOn, type SendOptions, type Wire, type WireEvents, WireFailure, type WireLoss } from './wire.ts';

const DELETE_MS = 2_000;

/**
 * Streamable HTTP, both revisions: one POST per message; for 2025-11-25 also the session id, the GET stream, resumption by
 * Last-Event-ID and DELETE. Not the SDK's StreamableHTTPClientTransport: its message schema drops unknown keys of error objects
 * and of serverInfo, it swallows an answer whose envelope has an extra key (the request would hang), and bodies and events have no size bound.
 */
export class HttpWire implements Wire {
  readonly transport = 'http';
  readonly answersWithinSend = true;
  readonly #alias: string;
  readonly #url: URL;
  readonly #log: Log;
  readonly #agents = new HttpAgents();
  readonly #closing = new AbortController();
  readonly #streams: StreamSource = {
    get: (headers, signal) =>
      exchange(this.#agents, this.#url, { method: 'GET', headers: { ...this.#headers(false), ...headers }, signal }),
    deliver: (value, bytes, cameOn) => this.#deliver(value, bytes, cameOn),
    note: (event, error) => this.#note(event, error),
  };
  #events: WireEvents | undefined;
  #sessionId: string | undefined;
  #protocolVersion: string | undefined;
  #ending: Promise<void> | undefined;

  constructor(alias: string, url: string, log: Log) {
    this.#alias = alias;
    this.#url = new URL(url);
    this.#log = log;
  }

  async start(events: WireEvents): Promise<void> {
    const refusal = refuseUrl(this.#url);
    if (refusal !== undefined) throw new WireFailure('unavailable', refusal);
    this.#events = events;
  }

  /** Resolves when the answer's stream has ended, a resumed one included. */
  async send(message: JsonObject, options: SendOptions = {}): Promise<void> {
    try {
      if (this.#ending) throw new Error('its connections were closed');
      const answer = await exchange(this.#agents, this.#url, {
        method: 'POST',
        headers: {
          ...this.#headers(message.method === 'initialize'),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...options.headers,
          ...modernHeaders(message),
        },
        body: JSON.stringify(message),
        ...(options.signal && { signal: options.signal }),
      });
      await this.#receive(message, answer, options);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  agreed(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion;
  }

  /** The stream on which a 2025 server sends what belongs to no request. Best effort; a server may have none (405). */
  openServerStream(): void {
    let opened = false;
    const source: StreamSource = {
      ...this.#streams,
      get: async (headers, signal) => {
        const answer = await this.#streams.get(headers, signal);
        opened ||= answer.statusCode === 200;
        return answer;
      },
    };
    resumeStream(source, undefined, serverStream, this.#closing.signal)
      .then((status) => {
        // The stream was there before, so it is the session that is not (§Session management).
        if (status === 404 && opened && this.#sessionId !== undefined) this.#loseSession();
      })
      .catch((error: unknown) => this.#note('backend-stream', this.#explain(error)));
  }

  close(): Promise<void> {
    this.#events = undefined;
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#closing.abort();
    this.#agents.abortOpen();
    if (this.#sessionId !== undefined) {
      try {
        const signal = AbortSignal.timeout(DELETE_MS);
        const headers = this.#headers(false);
        const answer = await exchange(this.#agents, this.#url, { method: 'DELETE', headers, signal });
        answer.destroy();
      } catch (error) {
        this.#note('backend-delete', error);
      }
    }
    this.#agents.destroy();
  }

  #headers(handshake: boolean): Record<string, string> {
    const headers: Record<string, string> = {};
    if (this.#sessionId !== undefined && !handshake) headers['mcp-session-id'] = this.#sessionId;
    if (this.#protocolVersion !== undefined && !handshake) headers['mcp-protocol-version'] = this.#protocolVersion;
    return headers;
  }

  async #receive(message: JsonObject, answer: HttpAnswer, { signal, onPolling }: SendOptions): Promise<void> {
    const { id, method } = message;
    const status = answer.statusCode;
    if (status < 200 || status > 299) return this.#refused(message, status, await readExcerpt(answer));
    if (method === 'initialize') this.#sessionId = answer.header('mcp-session-id');
    const isRequest = id !== undefined && method !== undefined;
    if (!isRequest || status === 202) return discardBody(answer);
    const cameOn = typeof id === 'number' ? id : 'server';
    const most = answerBytes(method);
    const type = mediaType(answer);
    if (type === 'application/json') {
      const body = await readBody(answer, most);
      this.#deliver(parseMessage(body.toString('utf8')), body.length, cameOn);
    } else if (type === 'text/event-stream') {
      await this.#follow(answer, { id, cameOn, most, onPolling }, signal);
    } else {
      answer.destroy();
      throw new WireFailure(
        'protocol',
        `it answered with the content type "${type}" instead of JSON or an event stream`,
      );
    }
  }

  /** What broke off is resumed until the request or the session ends. Not AbortSignal.any: in older Node versions it leaks beside a signal that lives as long as the session. */
  async #follow(answer: HttpAnswer, what: StreamFor, signal: AbortSignal | undefined): Promise<void> {
    const either = new AbortController();
    const abort = () => either.abort();
    const signals = [this.#closing.signal, ...(signal ? [signal] : [])];
    for (const each of signals) each.addEventListener('abort', abort, { once: true });
    if (signals.some((each) => each.aborted)) abort();
    try {
      await followStream(this.#streams, answer, what, either.signal);
    } finally {
      for (const each of signals) each.removeEventListener('abort', abort);
    }
  }

  /** A refusal whose body is a JSON-RPC error for this very request is an answer (2026-07-28: 400 and 404 carry one). */
  #refused(message: JsonObject, status: number, body: string): void {
    const lost = this.#sessionId !== undefined && (status === 404 || (status === 400 && /session/i.test(body)));
    if (lost) {
      this.#loseSession();
      throw new WireFailure('unavailable', ENDED_SESSION, { status, body });
    }
    const answer = parse(body);
    const certain = status >= 400 && status < 500 && status !== 401 && status !== 403;
    if (
      certain &&
      isJsonObject(answer) &&
      isJsonObject(answer.error) &&
      typeof message.id === 'number' &&
      answer.id === message.id
    ) {
      this.#deliver(answer, body.length, message.id);
      return;
    }
    throw new WireFailure('unavailable', refusalText(status), { status, body });
  }

  #deliver(value: unknown, bytes: number, cameOn: CameOn): void {
    for (const message of Array.isArray(value) ? value : [value]) {
      if (isJsonObject(message)) this.#events?.onMessage(message, bytes, cameOn);
      else this.#log.debug('backend-not-json', { alias: this.#alias });
    }
  }

  #explain(error: unknown): WireFailure {
    const { failure, loss } = explainHttp(error, this.#url.origin);
    if (loss) this.#lose(loss);
    return failure;
  }

  #loseSession(): void {
    this.#lose({ code: 'unavailable', message: ENDED_SESSION, atOnce: true });
  }

  #lose(loss: WireLoss): void {
    const events = this.#events;
    if (!events) return;
    // The server no longer knows the session: there is nothing to DELETE.
    if (loss.atOnce === true) this.#sessionId = undefined;
    void this.close();
    events.onLoss(loss);
  }

  #note(event: string, error: unknown): void {
    if (this.#ending && event !== 'backend-delete') return;
    this.#log.debug(event, { alias: this.#alias, error: error instanceof Error ? error.message : String(error) });
  }
}

const ENDED_SESSION = 'it has ended the session';
