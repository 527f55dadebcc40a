import { randomBytes } from 'node:crypto';
import type { EventStream, Outlet } from './sse.ts';

/** What keeps the events of a stream. */
export interface Keeper {
  /** Whether this caller understands an event without data (2025-11-25, "Sending Messages to the Server"). */
  readonly primes: boolean;
  keep(stream: KeptStream, seq: number, text: string): void;
  /** What is still kept of a stream after an event of it, oldest first. */
  after(stream: KeptStream, seq: number): readonly { readonly seq: number; readonly text: string }[];
  ended(stream: KeptStream): void;
}

/**
 * One stream of messages to a legacy caller, which outlives the connection that carries it: what is sent while there is none
 * waits for a GET with Last-Event-ID (MCP 2025-11-25, Streamable HTTP, "Resumability and Redelivery").
 */
export class KeptStream implements Outlet {
  /** Random, so that an id of one session means nothing in another. */
  readonly id = randomBytes(9).toString('base64url');
  /** Opened by a GET, for what belongs to no request. */
  readonly standing: boolean;
  readonly #keeper: Keeper;
  #connection: EventStream | undefined;
  #byGet: boolean;
  #last = 0;
  #ended = false;

  constructor(keeper: Keeper, standing: boolean) {
    this.#keeper = keeper;
    this.standing = standing;
    this.#byGet = standing;
  }

  get connected(): boolean {
    return this.#connection?.open === true;
  }

  /** A GET is open that carries it. */
  get listening(): boolean {
    return this.#byGet && this.connected;
  }

  get over(): boolean {
    return this.#ended;
  }

  /** Number of the last event. */
  get last(): number {
    return this.#last;
  }

  /** The first connection of this stream. */
  begin(connection: EventStream): void {
    this.#connection = connection;
    if (this.#keeper.primes) connection.prime(this.#idOf(0));
  }

  /** Another connection takes over, after the event the caller saw last; the one before, if it is still there, ends. */
  resume(connection: EventStream, seen: number): void {
    const before = this.#connection;
    this.#connection = connection;
    this.#byGet = true;
    before?.end();
    for (const { seq, text } of this.#keeper.after(this, seen)) connection.deliver(text, this.#idOf(seq));
    if (this.#ended) connection.end();
  }

  tell(messageText: string): boolean {
    if (this.#ended || (this.connected && this.#connection?.ready !== true)) return false;
    this.deliver(messageText);
    return true;
  }

  deliver(messageText: string): void {
    if (this.#ended) return;
    this.#last++;
    this.#keeper.keep(this, this.#last, messageText);
    this.#connection?.deliver(messageText, this.#idOf(this.#last));
  }

  pulse(): void {
    this.#connection?.pulse();
  }

  /** Its caller, which must be one that was primed, is to come back for the rest ("Resumability and Redelivery"). */
  pause(ms: number): void {
    if (!this.#ended) this.#connection?.pause(ms);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection?.end();
    this.#keeper.ended(this);
  }

  #idOf(seq: number): string {
    return `${this.id}.${seq}`;
  }
}
