import type { ServerResponse } from 'node:http';

/** Beyond this many unsent bytes a reader has stopped reading: what may be dropped is dropped. */
const backlogLimit = 1 << 20;

/** Milliseconds after which a caller should reconnect ("Resumability and Redelivery", `retry`). */
const retryMs = 500;

/** Where messages go one after the other, and then no more. */
export interface Outlet {
  /** False when it was dropped: the reader is gone or has stopped reading. */
  tell(messageText: string): boolean;
  /** Whatever the backlog. */
  deliver(messageText: string): void;
  /** A comment: keeps connections that would time out in silence. */
  pulse(): void;
  end(): void;
  /** Ends the connection, not the stream. */
  pause?(ms: number): void;
}

/** One connection that carries text/event-stream. JSON text has no raw line breaks, so a message is always one `data:` line. */
export class EventStream implements Outlet {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
  }

  get open(): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed;
  }

  /** Open, and what was sent so far is being read. */
  get ready(): boolean {
    return this.open && this.#response.writableLength <= backlogLimit;
  }

  tell(messageText: string): boolean {
    if (!this.ready) return false;
    this.deliver(messageText);
    return true;
  }

  /** `id` lets the caller resume after this event. */
  deliver(messageText: string, id?: string): void {
    if (!this.open) return;
    const head = id === undefined ? '' : `id: ${id}\n`;
    this.#response.write(`${head}event: message\ndata: ${messageText}\n\n`);
  }

  /** An event without data, so that a caller that has heard nothing yet can resume, and knows when. */
  prime(id: string): void {
    if (this.open) this.#response.write(`id: ${id}\nretry: ${retryMs}\ndata: \n\n`);
  }

  pulse(): void {
    if (this.open && this.#response.writableLength === 0) this.#response.write(': waiting\n\n');
  }

  /** The caller is to come back after so many milliseconds. */
  pause(ms: number): void {
    if (this.open) this.#response.end(`retry: ${ms}\n\n`);
  }

  end(): void {
    if (this.open) this.#response.end();
  }
}

/** What an Accept header lets an answer be. None at all means anything (RFC 9110 §12.5.1). */
export function acceptsJson(accept: string | undefined): boolean {
  return (
    accept === undefined ||
    accept.includes('application/json') ||
    accept.includes('*/*') ||
    accept.includes('application/*')
  );
}

export function acceptsStream(accept: string | undefined): boolean {
  return (
    accept === undefined || accept.includes('text/event-stream') || accept.includes('*/*') || accept.includes('text/*')
  );
}

/**
 * The answer to one POST: plain JSON, unless something has to go out before the result (progress, a question, or a sign of
 * life). Then it turns into a stream (Streamable HTTP, "Sending Messages to the Server").
 */
export class Answer {
  readonly #response: ServerResponse;
  readonly #accept: string | undefined;
  readonly #keep: ((connection: EventStream) => Outlet) | undefined;
  #outlet: Outlet | undefined;

  /** `accept` is the caller's Accept header: a caller that cannot read streams is never sent one. `keep` makes the stream outlive its connection. */
  constructor(response: ServerResponse, accept: string | undefined, keep?: (connection: EventStream) => Outlet) {
    this.#response = response;
    this.#accept = accept;
    this.#keep = keep;
  }

  /** Sends a message ahead of the result. False when it was dropped: the caller cannot take one, is gone, or has stopped reading. */
  tell(messageText: string): boolean {
    return this.#open()?.tell(messageText) ?? false;
  }

  /** Called now and then while the answer is outstanding. Callers commonly give up on headers that take minutes. */
  pulse(): void {
    this.#open()?.pulse();
  }

  /** Ends the connection of a stream that outlives it: its caller is to come back after so many milliseconds. */
  pause(ms: number): void {
    this.#open()?.pause?.(ms);
  }

  /** Turns the answer into a stream now. */
  stream(): void {
    this.#open();
  }

  send(messageText: string, httpStatus = 200): void {
    const outlet = this.#outlet ?? (acceptsJson(this.#accept) ? undefined : this.#open());
    if (outlet === undefined) {
      sendJson(this.#response, httpStatus, messageText);
      return;
    }
    outlet.deliver(messageText);
    outlet.end();
  }

  /** The answers to a batch, in one array unless a stream was begun. */
  sendBatch(messageTexts: readonly string[]): void {
    const outlet = this.#outlet;
    if (outlet === undefined) {
      this.send(`[${messageTexts.join(',')}]`);
      return;
    }
    for (const text of messageTexts) outlet.deliver(text);
    outlet.end();
  }

  /** Ends without a response: the caller cancelled, and wants none. */
  abandon(): void {
    const outlet = this.#open();
    if (outlet === undefined) this.#response.destroy();
    else outlet.end();
  }

  #open(): Outlet | undefined {
    if (this.#outlet !== undefined) return this.#outlet;
    if (this.#response.destroyed || this.#response.headersSent || !acceptsStream(this.#accept)) return undefined;
    const connection = new EventStream(this.#response);
    this.#outlet = this.#keep === undefined ? connection : this.#keep(connection);
    return this.#outlet;
  }
}

export function sendJson(
  response: ServerResponse,
  httpStatus: number,
  text: string,
  headers?: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(httpStatus, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

export function sendEmpty(
  response: ServerResponse,
  httpStatus: number,
  headers?: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(httpStatus, { 'content-length': 0, ...headers });
  response.end();
}
