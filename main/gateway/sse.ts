import type { ServerResponse } from 'node:http';

/** Beyond this many unsent bytes a reader has stopped reading: what may be dropped is dropped, a stream is ended. */
const backlogLimit = 1 << 20;

/** One text/event-stream answer. JSON text has no raw line breaks, so a message is always one `data:` line. */
export class EventStream {
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

  /** False when the reader is gone or has stopped reading. */
  send(messageText: string): boolean {
    if (!this.open || this.#response.writableLength > backlogLimit) return false;
    this.#response.write(`event: message\ndata: ${messageText}\n\n`);
    return true;
  }

  /** A comment: keeps connections that would time out in silence. */
  pulse(): void {
    if (this.open && this.#response.writableLength === 0) this.#response.write(': waiting\n\n');
  }

  end(): void {
    if (this.open) this.#response.end();
  }

  /** The last message, whatever the backlog, then the end. */
  finish(messageText: string): void {
    if (this.open) this.#response.end(`event: message\ndata: ${messageText}\n\n`);
  }
}

/**
 * The answer to one POST: plain JSON, unless something has to go out before the result (progress, or a sign of life
 * while a person decides). Then it turns into a stream (Streamable HTTP, "Sending Messages to the Server").
 */
export class Answer {
  readonly #response: ServerResponse;
  readonly #streams: boolean;
  #stream: EventStream | undefined;

  /** `accept` is the caller's Accept header: a caller that cannot read streams is never sent one. */
  constructor(response: ServerResponse, accept: string | undefined) {
    this.#response = response;
    this.#streams = accept === undefined || accept.includes('text/event-stream') || accept.includes('*/*');
  }

  /** Sends a notification ahead of the result; dropped for a caller that cannot take one. */
  notify(messageText: string): void {
    this.#openStream()?.send(messageText);
  }

  /** Called now and then while the answer is outstanding. Callers commonly give up on headers that take minutes. */
  pulse(): void {
    this.#openStream()?.pulse();
  }

  send(messageText: string, httpStatus = 200): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (this.#stream !== undefined) {
      this.#stream.finish(messageText);
      return;
    }
    sendJson(this.#response, httpStatus, messageText);
  }

  /** Ends without a response: the caller cancelled, and wants none. */
  abandon(): void {
    const stream = this.#openStream();
    if (stream === undefined) this.#response.destroy();
    else stream.end();
  }

  #openStream(): EventStream | undefined {
    if (!this.#streams || this.#response.destroyed || this.#response.writableEnded) return undefined;
    this.#stream ??= new EventStream(this.#response);
    return this.#stream;
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
