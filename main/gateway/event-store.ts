import type { Clock } from '../ports.ts';
import { type Keeper, KeptStream } from './kept-stream.ts';
import type { EventStream } from './sse.ts';

/** How much is kept for callers whose connection broke. Sizes in characters of JSON text. */
export interface EventLimits {
  readonly eventsPerSession: number;
  readonly sizePerSession: number;
  readonly sizeInAll: number;
  readonly ageMs: number;
  /** Streams that may be resumed, per session. */
  readonly streamsPerSession: number;
}

export const eventLimits: EventLimits = {
  eventsPerSession: 1_000,
  sizePerSession: 16 << 20,
  sizeInAll: 64 << 20,
  ageMs: 300_000,
  streamsPerSession: 512,
};

/** Standing streams left behind that a caller may come back to. */
const standingLimit = 16;

interface KeptEvent {
  readonly stream: KeptStream;
  readonly seq: number;
  readonly text: string;
  readonly at: number;
}

/** All that is kept for legacy callers to resume; in memory, bounded in number, size and age. */
export class EventStore {
  readonly #clock: Clock;
  readonly #limits: EventLimits;
  readonly #sessions = new Set<SessionEvents>();
  #size = 0;

  constructor(clock: Clock, limits = eventLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The streams of one session. `primes`: whether its caller understands an event without data. */
  open(primes: boolean): SessionEvents {
    const session: SessionEvents = new SessionEvents(this.#clock, this.#limits, primes, {
      resized: (by) => {
        this.#size += by;
        if (this.#size > this.#limits.sizeInAll) this.#shrink();
      },
      closed: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Called now and then. */
  expire(): void {
    for (const session of this.#sessions) session.expire();
  }

  /** Whoever keeps the most gives back first, so that one session cannot take the place of all others. */
  #shrink(): void {
    while (this.#size > this.#limits.sizeInAll) {
      let largest: SessionEvents | undefined;
      for (const session of this.#sessions) {
        if (largest === undefined || session.size > largest.size) largest = session;
      }
      if (largest?.forgetOldest() !== true) return;
    }
  }
}

interface Shelf {
  resized(by: number): void;
  closed(): void;
}

/** The streams of one session, and what is kept of them. */
export class SessionEvents implements Keeper {
  readonly primes: boolean;
  readonly #clock: Clock;
  readonly #limits: EventLimits;
  readonly #shelf: Shelf;
  readonly #streams = new Map<string, KeptStream>();
  readonly #endedAt = new Map<KeptStream, number>();
  /** Streams opened by a GET, oldest first. */
  #standing: KeptStream[] = [];
  #events: KeptEvent[] = [];
  #size = 0;
  #closed = false;

  constructor(clock: Clock, limits: EventLimits, primes: boolean, shelf: Shelf) {
    this.#clock = clock;
    this.#limits = limits;
    this.primes = primes;
    this.#shelf = shelf;
  }

  get size(): number {
    return this.#size;
  }

  /** Open GETs. */
  get listening(): number {
    let open = 0;
    for (const stream of this.#streams.values()) if (stream.listening) open++;
    return open;
  }

  begin(connection: EventStream, standing: boolean): KeptStream {
    const stream = new KeptStream(this, standing);
    this.#streams.set(stream.id, stream);
    if (standing) this.#standing.push(stream);
    stream.begin(connection);
    if (this.#standing.length > standingLimit) {
      const left = this.#standing.find((each) => !each.connected);
      if (left !== undefined) this.#forgetStream(left);
    }
    for (const each of this.#streams.values()) {
      if (this.#streams.size <= this.#limits.streamsPerSession) break;
      if (!each.connected) this.#forgetStream(each);
    }
    return stream;
  }

  /** The stream a Last-Event-ID belongs to, and the number of that event; undefined for one that this session never sent, or that is too old. */
  find(eventId: string): { readonly stream: KeptStream; readonly seen: number } | undefined {
    this.expire();
    const match = /^([A-Za-z0-9_-]{12})\.(\d{1,9})$/.exec(eventId);
    const stream = match?.[1] === undefined ? undefined : this.#streams.get(match[1]);
    if (stream === undefined) return undefined;
    const seen = Number(match?.[2]);
    if (seen > stream.last) return undefined;
    // Whoever resumes takes it that nothing is missing.
    return this.after(stream, seen).length < stream.last - seen ? undefined : { stream, seen };
  }

  /** To the newest standing stream that takes it: a message goes out on one stream only ("Multiple Connections"). */
  tell(messageText: string): boolean {
    if (this.tellNow(messageText)) return true;
    // Nobody listens: it waits for the caller that was here last.
    const last = this.#standing.at(-1);
    return last !== undefined && !last.connected && last.tell(messageText);
  }

  /** Like `tell`, but only if somebody listens now. */
  tellNow(messageText: string): boolean {
    for (let i = this.#standing.length - 1; i >= 0; i--) {
      const stream = this.#standing[i];
      if (stream?.connected === true && stream.tell(messageText)) return true;
    }
    return false;
  }

  pulse(): void {
    for (const stream of this.#standing) stream.pulse();
  }

  keep(stream: KeptStream, seq: number, text: string): void {
    if (this.#closed) return;
    this.#events.push({ stream, seq, text, at: this.#clock.now() });
    this.#resize(text.length);
    const { eventsPerSession, sizePerSession } = this.#limits;
    while (this.#events.length > eventsPerSession || this.#size > sizePerSession) this.forgetOldest();
  }

  after(stream: KeptStream, seq: number): readonly KeptEvent[] {
    return this.#events.filter((event) => event.stream === stream && event.seq > seq);
  }

  ended(stream: KeptStream): void {
    if (this.#closed) return;
    this.#endedAt.set(stream, this.#clock.now());
  }

  /** False when nothing was left. */
  forgetOldest(): boolean {
    const oldest = this.#events.shift();
    if (oldest !== undefined) this.#resize(-oldest.text.length);
    return oldest !== undefined;
  }

  expire(): void {
    const before = this.#clock.now() - this.#limits.ageMs;
    for (let oldest = this.#events[0]; oldest !== undefined && oldest.at < before; oldest = this.#events[0]) {
      this.forgetOldest();
    }
    for (const [stream, at] of this.#endedAt) if (at < before) this.#forgetStream(stream);
  }

  /** The session is over, and nothing can be resumed any more. A request that still runs ends its own stream, by its answer. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#standing) stream.end();
    this.#streams.clear();
    this.#endedAt.clear();
    this.#standing = [];
    this.#events = [];
    this.#resize(-this.#size);
    this.#shelf.closed();
  }

  #resize(by: number): void {
    this.#size += by;
    this.#shelf.resized(by);
  }

  #forgetStream(stream: KeptStream): void {
    this.#streams.delete(stream.id);
    this.#endedAt.delete(stream);
    if (stream.standing) this.#standing = this.#standing.filter((each) => each !== stream);
  }
}
