import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import { EventStreamParser, type StreamEvent } from './event-stream.ts';
import { mediaType, parse, refusalText } from './http-answer.ts';
import { discardBody, explainHttp } from './http-errors.ts';
import { exchange, HttpAgents, type HttpAnswer, readExcerpt, refuseUrl } from './http-exchange.ts';
import { OTHER_BYTES } from './message.ts';
import { type SendOptions, type Wire, type WireEvents, WireFailure, type WireLoss } from './wire.ts';

const ENDPOINT_CHARACTERS = 8_000;

/**
 * HTTP+SSE of 2024-11-05: everything the server says comes on one GET stream, whose first event names where to POST; a POST is only accepted (202).
 * The session is the stream: when it ends, so does the session. Not the SDK's SSEClientTransport, for the reasons HttpWire names.
 */
export class SseWire implements Wire {
  readonly transport = 'sse';
  readonly answersWithinSend = false;
  readonly #alias: string;
  readonly #url: URL;
  readonly #log: Log;
  readonly #agents = new HttpAgents();
  readonly #closing = new AbortController();
  #events: WireEvents | undefined;
  #endpoint: URL | undefined;
  #protocolVersion: string | undefined;

  constructor(alias: string, url: string, log: Log) {
    this.#alias = alias;
    this.#url = new URL(url);
    this.#log = log;
  }

  /** Resolves when the server has named its endpoint; how long that may take, the caller bounds. */
  async start(events: WireEvents): Promise<void> {
    const refusal = refuseUrl(this.#url);
    if (refusal !== undefined) throw new WireFailure('unavailable', refusal);
    this.#events = events;
    const { signal } = this.#closing;
    const headers = { accept: 'text/event-stream' };
    const answer = await exchange(this.#agents, this.#url, { method: 'GET', headers, signal }).catch(
      (error: unknown) => {
        throw this.#explain(error);
      },
    );
    const status = answer.statusCode;
    if (status !== 200)
      throw new WireFailure('unavailable', refusalText(status), { status, body: await readExcerpt(answer) });
    if (mediaType(answer) !== 'text/event-stream') {
      answer.destroy();
      throw new WireFailure('protocol', 'it answered with something else than an event stream');
    }
    this.#endpoint = await this.#awaitEndpoint(answer);
  }

  async send(message: JsonObject, options: SendOptions = {}): Promise<void> {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) throw new WireFailure('unavailable', 'it has not said where to send messages');
    const controller = new AbortController();
    const abort = () => controller.abort();
    const signals = [options.signal, this.#closing.signal];
    for (const signal of signals) {
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
    }
    try {
      const answer = await exchange(this.#agents, endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(this.#protocolVersion !== undefined && { 'mcp-protocol-version': this.#protocolVersion }),
        },
        body: JSON.stringify(message),
        signal: controller.signal,
      });
      await this.#accepted(answer);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      for (const signal of signals) signal?.removeEventListener('abort', abort);
    }
  }

  agreed(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion;
  }

  async close(): Promise<void> {
    this.#events = undefined;
    this.#closing.abort();
    this.#agents.destroy();
  }

  async #accepted(answer: HttpAnswer): Promise<void> {
    const status = answer.statusCode;
    if (status >= 200 && status <= 299) return discardBody(answer);
    const body = await readExcerpt(answer);
    if (status === 404 || (status === 400 && /session/i.test(body))) {
      this.#lose({ code: 'unavailable', message: 'it has ended the session', atOnce: true });
      throw new WireFailure('unavailable', 'it has ended the session', { status, body });
    }
    throw new WireFailure('unavailable', refusalText(status), { status, body });
  }

  /** Reads the stream as long as it lasts; resolves with the first event of all, which must be the endpoint. */
  #awaitEndpoint(answer: HttpAnswer): Promise<URL> {
    return new Promise((resolve, reject) => {
      let named = false;
      const onEvent = (event: StreamEvent) => {
        if (named) return this.#take(event);
        if (event.type !== 'endpoint') return;
        named = true;
        resolve(this.#endpointOf(event.data));
      };
      const parser = new EventStreamParser(onEvent, () => this.#events?.mostBytes() ?? OTHER_BYTES);
      answer
        .each((chunk) => parser.push(chunk))
        .then(
          () => this.#lose({ code: 'unavailable', message: 'it closed its event stream', atOnce: true }),
          (error: unknown) => {
            if (this.#closing.signal.aborted) return;
            answer.destroy();
            const { failure, loss } = explainHttp(error, this.#url.origin);
            this.#lose(loss ?? { code: failure.code, message: failure.message });
            reject(failure);
          },
        )
        .finally(() => reject(new WireFailure('unavailable', 'it closed its event stream without naming an endpoint')));
    });
  }

  /** Messages hold what the person's apps send: they go to the server IT approved and to no other (2024-11-05, Transports, §HTTP with SSE). */
  #endpointOf(data: string): URL {
    const named = data.trim();
    if (named.length > ENDPOINT_CHARACTERS || !URL.canParse(named, this.#url.href))
      throw new WireFailure('protocol', 'it names an address for messages that is none');
    const endpoint = new URL(named, this.#url);
    if (endpoint.origin !== this.#url.origin || refuseUrl(endpoint) !== undefined)
      throw new WireFailure('protocol', `it wants messages sent to another place than ${this.#url.origin}`);
    return endpoint;
  }

  #take({ type, data }: StreamEvent): void {
    if (type !== 'message') return;
    const value = parse(data);
    for (const message of Array.isArray(value) ? value : [value]) {
      if (isJsonObject(message)) this.#events?.onMessage(message, data.length, 'shared');
      else this.#log.debug('backend-not-json', { alias: this.#alias });
    }
  }

  #explain(error: unknown): WireFailure {
    const { failure, loss } = explainHttp(error, this.#url.origin);
    if (loss) this.#lose(loss);
    return failure;
  }

  #lose(loss: WireLoss): void {
    const events = this.#events;
    if (!events) return;
    void this.close();
    events.onLoss(loss);
  }
}
