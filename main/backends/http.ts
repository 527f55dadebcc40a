import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import { EventStreamParser } from './event-stream.ts';
import { answers, EMPTY_END, mediaType, parse, refusalText, type StreamEnd } from './http-answer.ts';
import { exchange, HttpAgents, readBody, readExcerpt, refuseUrl } from './http-exchange.ts';
import { modernHeaders } from './mcp-headers.ts';
import { answerBytes, MessageRefused, OTHER_BYTES, parseMessage } from './message.ts';
import { type SendOptions, type Wire, type WireEvents, WireFailure, type WireLoss } from './wire.ts';

const RESUME_MS = { first: 1_000, most: 30_000 };
const RESUMES = 5;
const DELETE_MS = 2_000;
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/**
 * Streamable HTTP, both revisions: one POST per message; for 2025-11-25 also the session id, the GET stream, resumption by
 * Last-Event-ID and DELETE. Not the SDK's StreamableHTTPClientTransport: its message schema drops unknown keys of error objects
 * and of serverInfo, it swallows an answer whose envelope has an extra key (the request would hang), and bodies and events have no size bound.
 */
export class HttpWire implements Wire {
  readonly answersWithinSend = true;
  readonly #alias: string;
  readonly #url: URL;
  readonly #log: Log;
  readonly #agents = new HttpAgents();
  readonly #closing = new AbortController();
  /** Exchanges under way. */
  readonly #live = new Set<AbortController>();
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
    // Not AbortSignal.any: in older Node versions it leaks beside a signal that lives as long as the session.
    const controller = new AbortController();
    const { signal } = controller;
    const abort = () => controller.abort();
    this.#live.add(controller);
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted || this.#ending) abort();
    try {
      const response = await exchange(this.#agents, this.#url, {
        method: 'POST',
        headers: {
          ...this.#headers(message.method === 'initialize'),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...options.headers,
          ...modernHeaders(message),
        },
        body: JSON.stringify(message),
        signal,
      });
      await this.#receive(message, response, signal);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.#live.delete(controller);
      options.signal?.removeEventListener('abort', abort);
    }
  }

  agreed(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion;
  }

  /** The stream on which a 2025 server sends what belongs to no request. Best effort; a server may have none (405). */
  openServerStream(): void {
    void this.#resume(undefined, undefined, OTHER_BYTES, this.#closing.signal).catch((error: unknown) =>
      this.#note('backend-stream', this.#explain(error)),
    );
  }

  close(): Promise<void> {
    this.#events = undefined;
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#closing.abort();
    for (const controller of this.#live) controller.abort();
    if (this.#sessionId !== undefined) {
      try {
        const signal = AbortSignal.timeout(DELETE_MS);
        const response = await exchange(this.#agents, this.#url, {
          method: 'DELETE',
          headers: this.#headers(false),
          signal,
        });
        response.destroy();
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

  async #receive(message: JsonObject, response: IncomingMessage, signal: AbortSignal): Promise<void> {
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) return this.#refused(message, status, await readExcerpt(response));
    if (message.method === 'initialize') {
      const id = response.headers['mcp-session-id'];
      this.#sessionId = typeof id === 'string' ? id : undefined;
    }
    const type = mediaType(response);
    if (message.id === undefined || status === 202) {
      response.resume();
      return;
    }
    if (type === 'application/json') {
      const body = await readBody(response, answerBytes(message.method));
      this.#deliver(parseMessage(body.toString('utf8')), body.length);
    } else if (type === 'text/event-stream') {
      await this.#follow(response, message.id, answerBytes(message.method), signal);
    } else {
      response.destroy();
      throw new WireFailure(
        'protocol',
        `it answered with the content type "${type}" instead of JSON or an event stream`,
      );
    }
  }

  /** A refusal whose body is a JSON-RPC error for this very request is an answer (2026-07-28: 400 and 404 carry one). */
  #refused(message: JsonObject, status: number, body: string): void {
    const lost = this.#sessionId !== undefined && (status === 404 || (status === 400 && /session/i.test(body)));
    if (lost) {
      this.#lose({ code: 'unavailable', message: 'it has ended the session', atOnce: true });
      throw new WireFailure('unavailable', 'it has ended the session', { status, body });
    }
    const answer = parse(body);
    const certain = status >= 400 && status < 500 && status !== 401 && status !== 403;
    if (
      certain &&
      isJsonObject(answer) &&
      isJsonObject(answer.error) &&
      answer.id === message.id &&
      message.id !== undefined
    ) {
      this.#deliver(answer, body.length);
      return;
    }
    throw new WireFailure('unavailable', refusalText(status), { status, body });
  }

  /** Reads an event stream to its end; one that broke off before the answer is resumed if it had event ids. */
  async #follow(response: IncomingMessage, id: Json, most: number, signal: AbortSignal): Promise<void> {
    const stream = await this.#readStream(response, id, most);
    if (stream.answered || signal.aborted) return;
    if (stream.lastEventId !== undefined) await this.#resume(stream, id, most, signal);
    else if (stream.broken !== undefined) throw stream.broken;
  }

  async #readStream(response: IncomingMessage, id: Json | undefined, most: number): Promise<StreamEnd> {
    let answered = false;
    let events = 0;
    const parser = new EventStreamParser(({ type, data }) => {
      events += 1;
      if (type !== 'message') return;
      const value = parse(data);
      answered ||= id !== undefined && answers(value, id);
      this.#deliver(value, data.length);
    }, most);
    let broken: unknown;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) parser.push(chunk);
    } catch (error) {
      if (error instanceof MessageRefused) {
        response.destroy();
        throw error;
      }
      broken = error;
    }
    return { answered, events, broken, lastEventId: parser.lastEventId, retryMs: parser.retryMs };
  }

  /**
   * GET with Last-Event-ID (2025-11-25, Streamable HTTP, §Resumability), or without for the server's own stream (`id` undefined), which is opened
   * again whenever it ends. Gives up after 5 fruitless tries in a row.
   */
  async #resume(from: StreamEnd | undefined, id: Json | undefined, most: number, signal: AbortSignal): Promise<void> {
    let last = from;
    for (let fruitless = 0; fruitless < RESUMES; ) {
      if (last !== undefined) {
        const wait = last.retryMs ?? Math.min(RESUME_MS.first * 2 ** fruitless, RESUME_MS.most);
        await sleep(wait, undefined, { signal, ref: false });
      }
      const lastId: Record<string, string> =
        last?.lastEventId === undefined ? {} : { 'last-event-id': last.lastEventId };
      const response = await exchange(this.#agents, this.#url, {
        method: 'GET',
        headers: { ...this.#headers(false), accept: 'text/event-stream', ...lastId },
        signal,
      }).catch((error: unknown) => {
        if (signal.aborted) throw error;
        this.#note('backend-resume', error);
        return undefined;
      });
      if (response !== undefined && (response.statusCode !== 200 || mediaType(response) !== 'text/event-stream')) {
        response.destroy();
        if (id === undefined) return;
        throw new WireFailure(
          'unavailable',
          `its answer broke off and could not be resumed (HTTP ${response.statusCode})`,
        );
      }
      const end: StreamEnd = response === undefined ? { ...EMPTY_END } : await this.#readStream(response, id, most);
      if (end.answered || signal.aborted) return;
      fruitless = end.events > 0 ? 0 : fruitless + 1;
      last = { ...end, lastEventId: end.lastEventId ?? last?.lastEventId, retryMs: end.retryMs ?? last?.retryMs };
    }
    if (id !== undefined) throw new WireFailure('unavailable', 'its answer broke off and could not be resumed');
  }

  #deliver(value: unknown, bytes: number): void {
    for (const message of Array.isArray(value) ? value : [value]) {
      if (isJsonObject(message)) this.#events?.onMessage(message, bytes);
      else this.#log.debug('backend-not-json', { alias: this.#alias });
    }
  }

  #explain(error: unknown): WireFailure {
    if (error instanceof WireFailure) return error;
    if (error instanceof MessageRefused) {
      const { message } = error;
      this.#lose({ code: 'protocol', message });
      return new WireFailure('protocol', message, undefined, { cause: error });
    }
    if (error instanceof SyntaxError) {
      return new WireFailure('protocol', 'it answered with something that is not JSON', undefined, { cause: error });
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = error instanceof Error && error.message !== '' ? error.message : code;
    if (UNREACHABLE.has(code)) {
      const message = `${this.#url.origin} cannot be reached (${code})`;
      this.#lose({ code: 'unavailable', message });
      return new WireFailure('unavailable', message, undefined, { cause: error });
    }
    return new WireFailure('unavailable', `the connection to ${this.#url.origin} failed (${why})`, undefined, {
      cause: error,
    });
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
