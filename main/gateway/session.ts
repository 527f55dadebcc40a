import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../ports.ts';
import { type Endpoint, endpointKey } from './admit.ts';
import type { EventStream } from './sse.ts';
import { notificationMessage, type RpcId } from './wire.ts';

/** Sessions one app may hold; beyond it the one idle the longest is ended. */
const sessionsPerApp = 256;
/** A session without a request, a running call or an open stream for this long is ended. */
const idleMs = 3_600_000;
/** Streams one session may hold open; an app that reconnects leaves dead ones behind for a while. */
const streamsPerSession = 4;

/** One conversation of a legacy caller (MCP 2025-11-25, Streamable HTTP, "Session Management"). */
export interface LegacySession {
  /** The Mcp-Session-Id: 256 random bits, worth nothing without the token it was issued to. */
  readonly id: string;
  /** What record, approvals and backends see instead. */
  readonly key: string;
  readonly appId: string;
  readonly endpoint: Endpoint;
  readonly version: string;
  readonly running: Map<RpcId, AbortController>;
  readonly streams: EventStream[];
  lastUsedAt: number;
}

export class LegacySessions {
  readonly #clock: Clock;
  readonly #onEnd: (key: string) => void;
  readonly #sessions = new Map<string, LegacySession>();

  constructor(parts: { readonly clock: Clock; readonly onEnd: (key: string) => void }) {
    this.#clock = parts.clock;
    this.#onEnd = parts.onEnd;
  }

  /** A new session, or undefined when this app's sessions are all busy. */
  start(appId: string, endpoint: Endpoint, version: string): LegacySession | undefined {
    const own = this.ofApp(appId);
    if (own.length >= sessionsPerApp) {
      const idle = own.filter((session) => session.running.size === 0);
      const quiet = idle.filter((session) => session.streams.length === 0);
      const oldest = leastUsed(quiet.length > 0 ? quiet : idle);
      if (oldest === undefined) return undefined;
      this.end(oldest);
    }
    const session: LegacySession = {
      id: randomBytes(32).toString('base64url'),
      key: randomUUID(),
      appId,
      endpoint,
      version,
      running: new Map(),
      streams: [],
      lastUsedAt: this.#clock.now(),
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Another app's id, or one of another endpoint, is answered as one that never was ("Session Hijacking"). */
  find(id: string, appId: string, endpoint: Endpoint): LegacySession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined || session.appId !== appId) return undefined;
    if (endpointKey(session.endpoint) !== endpointKey(endpoint)) return undefined;
    session.lastUsedAt = this.#clock.now();
    return session;
  }

  attach(session: LegacySession, stream: EventStream): void {
    session.streams.push(stream);
  }

  /** False when this session has as many streams as it may. */
  mayAttach(session: LegacySession): boolean {
    return session.streams.length < streamsPerSession;
  }

  detach(session: LegacySession, stream: EventStream): void {
    const index = session.streams.indexOf(stream);
    if (index >= 0) session.streams.splice(index, 1);
    session.lastUsedAt = this.#clock.now();
  }

  /** To every session, on its newest stream that takes it: a message goes out on one stream only. */
  announce(method: string): void {
    const message = notificationMessage(method);
    for (const session of this.#sessions.values()) {
      for (let i = session.streams.length - 1; i >= 0; i--) if (session.streams[i]?.send(message)) break;
    }
  }

  pulse(): void {
    for (const session of this.#sessions.values()) for (const stream of session.streams) stream.pulse();
  }

  end(session: LegacySession): void {
    if (!this.#sessions.delete(session.id)) return;
    for (const running of session.running.values()) running.abort('caller');
    for (const stream of [...session.streams]) stream.end();
    this.#onEnd(session.key);
  }

  endIdle(): void {
    const limit = this.#clock.now() - idleMs;
    for (const session of [...this.#sessions.values()]) {
      const busy = session.running.size > 0 || session.streams.length > 0;
      if (!busy && session.lastUsedAt < limit) this.end(session);
    }
  }

  endWhere(ends: (session: LegacySession) => boolean): void {
    for (const session of [...this.#sessions.values()]) if (ends(session)) this.end(session);
  }

  ofApp(appId: string): readonly LegacySession[] {
    return [...this.#sessions.values()].filter((session) => session.appId === appId);
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { appId } of this.#sessions.values()) counts.set(appId, (counts.get(appId) ?? 0) + 1);
    return counts;
  }
}

function leastUsed(sessions: readonly LegacySession[]): LegacySession | undefined {
  let least: LegacySession | undefined;
  for (const session of sessions) if (least === undefined || session.lastUsedAt < least.lastUsedAt) least = session;
  return least;
}
