import { randomBytes, randomUUID } from 'node:crypto';
import type { BackendReply } from '../backends/backends.ts';
import { FewMap } from '../policy/few.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import { type CallingApp, type Endpoint, endpointKey } from './admit.ts';
import type { Hears } from './announcements.ts';
import { AskFailure } from './ask-failure.ts';
import { Asks } from './asks.ts';
import { offers } from './caller-abilities.ts';
import type { Listening } from './conversation.ts';
import { EventStore, type SessionEvents } from './event-store.ts';
import type { StopReason } from './stop.ts';
import { notificationMessage, type RpcId } from './wire.ts';

/** A session without a request, a running one or an open stream for this long is ended. */
const idleMs = 3_600_000;

/** What a caller said of itself in `initialize`, and what it was told. */
export interface Introduction {
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly version: string;
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonObject;
  /** The capabilities it was answered. */
  readonly offered: JsonObject;
}

/** One conversation of a legacy caller (MCP 2025-11-25, Streamable HTTP, "Session Management"). */
export class LegacySession implements Listening {
  /** The Mcp-Session-Id: 256 random bits, worth nothing without the token it was issued to. */
  readonly id = randomBytes(32).toString('base64url');
  /** What record, approvals and backends see instead. */
  readonly session = randomUUID();
  readonly era = 'legacy';
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly version: string;
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonObject;
  readonly offered: JsonObject;
  readonly running = new FewMap<RpcId, { stop(reason: StopReason): void; tell(messageText: string): boolean }>();
  readonly asks: Asks;
  readonly events: SessionEvents;
  /** Undefined until the caller set one. */
  logLevel: string | undefined;
  lastUsedAt: number;

  constructor(introduction: Introduction, events: SessionEvents, clock: Clock) {
    this.app = introduction.app;
    this.endpoint = introduction.endpoint;
    this.version = introduction.version;
    this.capabilities = introduction.capabilities;
    this.clientInfo = introduction.clientInfo;
    this.offered = introduction.offered;
    this.events = events;
    this.asks = new Asks(clock);
    this.lastUsedAt = clock.now();
  }

  notify(method: string, params: JsonObject): void {
    this.events.tell(notificationMessage(method, params));
  }

  ask(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress?: (params: JsonObject) => void,
  ): Promise<BackendReply> {
    if (!offers(this.capabilities, method, params)) return Promise.reject(new AskFailure('not-offered'));
    return this.asks.ask((text) => this.#tellNow(text), this, method, params, signal, onProgress);
  }

  /** On the stream that is there for it, or else on that of any request under way. */
  #tellNow(messageText: string): boolean {
    if (this.events.tellNow(messageText)) return true;
    for (const running of this.running.values()) if (running.tell(messageText)) return true;
    return false;
  }
}

export class LegacySessions {
  readonly #clock: Clock;
  readonly #onEnd: (session: string) => void;
  readonly #store: EventStore;
  readonly #sessions = new Map<string, LegacySession>();

  constructor(parts: { readonly clock: Clock; readonly onEnd: (session: string) => void }) {
    this.#clock = parts.clock;
    this.#onEnd = parts.onEnd;
    this.#store = new EventStore(parts.clock);
  }

  /** A new session, or undefined when this app has as many as it may and all are busy; otherwise the one idle the longest makes room. */
  start(introduction: Introduction, sessionsPerApp: number): LegacySession | undefined {
    const own = this.ofApp(introduction.app.id);
    if (own.length >= sessionsPerApp) {
      const idle = own.filter((session) => session.running.size === 0);
      const quiet = idle.filter((session) => session.events.listening === 0);
      const oldest = leastUsed(quiet.length > 0 ? quiet : idle);
      if (oldest === undefined) return undefined;
      this.end(oldest);
    }
    // Earlier revisions' clients take an event without data for a broken message.
    const events = this.#store.open(introduction.version >= '2025-11-25');
    const session = new LegacySession(introduction, events, this.#clock);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Another app's id, or one of another endpoint, is answered as one that never was ("Session Hijacking"). */
  find(id: string, appId: string, endpoint: Endpoint): LegacySession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined || session.app.id !== appId) return undefined;
    if (endpointKey(session.endpoint) !== endpointKey(endpoint)) return undefined;
    session.lastUsedAt = this.#clock.now();
    return session;
  }

  /** A connection of this session closed. */
  left(session: LegacySession): void {
    session.lastUsedAt = this.#clock.now();
  }

  /** Open GET streams of one app. */
  streamsOf(appId: string): number {
    let open = 0;
    for (const session of this.#sessions.values()) if (session.app.id === appId) open += session.events.listening;
    return open;
  }

  /** To every session that was told it may expect this, and to whom it means something. */
  announce(kind: string, method: string, hears: Hears): void {
    const message = notificationMessage(method);
    for (const session of this.#sessions.values()) {
      if (kind in session.offered && hears(session)) session.events.tell(message);
    }
  }

  /** Called now and then: signs of life, and the end of what was kept or waited for too long. */
  pulse(unansweredMs: number): void {
    for (const { events, asks } of this.#sessions.values()) {
      events.pulse();
      asks.expire(unansweredMs);
    }
    this.#store.expire();
  }

  end(session: LegacySession): void {
    if (!this.#sessions.delete(session.id)) return;
    for (const running of session.running.values()) running.stop('caller');
    session.asks.fail('caller-gone');
    session.events.close();
    this.#onEnd(session.session);
  }

  endIdle(): void {
    const limit = this.#clock.now() - idleMs;
    for (const session of [...this.#sessions.values()]) {
      const busy = session.running.size > 0 || session.events.listening > 0;
      if (!busy && session.lastUsedAt < limit) this.end(session);
    }
  }

  endWhere(ends: (session: LegacySession) => boolean): void {
    for (const session of [...this.#sessions.values()]) if (ends(session)) this.end(session);
  }

  ofApp(appId: string): readonly LegacySession[] {
    return [...this.#sessions.values()].filter((session) => session.app.id === appId);
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { app } of this.#sessions.values()) counts.set(app.id, (counts.get(app.id) ?? 0) + 1);
    return counts;
  }
}

function leastUsed(sessions: readonly LegacySession[]): LegacySession | undefined {
  let least: LegacySession | undefined;
  for (const session of sessions) if (least === undefined || session.lastUsedAt < least.lastUsedAt) least = session;
  return least;
}
