import { createHash } from 'node:crypto';
import type { AuditWriter } from '../audit/record.ts';
import type { BackendSession, Backends } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { Conversation, Listening } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { passedCapabilities, withoutExtensionTasks } from './passed-capabilities.ts';
import { ServerQuestions } from './server-questions.ts';
import { Side } from './side.ts';
import { stopReasonOf } from './stop.ts';

/** Sessions of one modern caller with one 2025 server that may be asked things: one request at a time each. */
const leasesPerAlias = 8;

/** A session that carries one request. */
export interface Opened {
  readonly session: BackendSession;
  readonly side: Side;
  /** What the caller can do, as a 2026 server is told with the request. */
  readonly clientCapabilities: JsonObject;
  /** The request is over. */
  release(): void;
}

interface Pool {
  readonly free: number[];
  made: number;
  readonly waiting: ((n: number) => void)[];
}

/**
 * The backend sessions of callers. A legacy caller's session has one of its own with each server. A modern caller has one for its app; where
 * it can be asked things (elicitation, sampling, roots) a 2025 server gets further ones that carry one request at a time, so that what the
 * server asks has only one request it can belong to.
 */
export class BackendSides {
  readonly #backends: Backends;
  readonly #questions: ServerQuestions;
  readonly #inForce: () => InForce;
  readonly #log: Log;
  /** caller's session → backend key and alias → side. */
  readonly #sides = new Map<string, Map<string, Side>>();
  readonly #pools = new Map<string, Pool>();
  /** Which revision a server speaks to 2026 callers: a server of theirs never asks, so its sessions can be shared. */
  readonly #eras = new Map<string, 'legacy' | 'modern'>();

  constructor(parts: {
    readonly clock: Clock;
    readonly backends: Backends;
    readonly inForce: () => InForce;
    readonly audit: AuditWriter;
    readonly log: Log;
  }) {
    this.#backends = parts.backends;
    this.#inForce = parts.inForce;
    this.#log = parts.log;
    this.#questions = new ServerQuestions(parts);
  }

  get questions(): ServerQuestions {
    return this.#questions;
  }

  /** The session that carries a request of this conversation. Rejects with BackendFailure; must be released. */
  async open(conversation: Conversation, alias: string): Promise<Opened> {
    const { session: key, era, signal, standing } = conversation;
    const inForce = this.#inForce();
    const allowed = inForce.ok ? inForce.snapshot.document.serverRequests.allowed : [];
    const passed = passedCapabilities(conversation.capabilities, allowed);
    if (era === 'legacy') {
      const side = this.#sideOf(key, key, alias, passed.legacy, standing);
      if (conversation.logLevel !== undefined) side.setLevel(conversation.logLevel);
      const session = await this.#backends.open(alias, key, signal, side);
      return { session, side, clientCapabilities: withoutExtensionTasks(passed.modern), release: nothing };
    }
    const canBeAsked = Object.keys(passed.legacy).length > 0;
    if (canBeAsked && this.#eras.get(alias) === 'legacy') {
      return this.#lease(conversation, alias, passed.legacy, passed.modern);
    }
    const side = this.#sideOf(key, key, alias, {}, undefined);
    const session = await this.#backends.open(alias, key, signal, side);
    // It may be another server than it was, or one never met before.
    this.#eras.set(alias, session.era);
    return canBeAsked && session.era === 'legacy'
      ? this.#lease(conversation, alias, passed.legacy, passed.modern)
      : { session, side, clientCapabilities: passed.modern, release: nothing };
  }

  async #lease(conversation: Conversation, alias: string, legacy: JsonObject, modern: JsonObject): Promise<Opened> {
    const { session: key, signal } = conversation;
    const group = `${key}#${createHash('sha256').update(JSON.stringify(legacy)).digest('hex').slice(0, 16)}`;
    const name = `${alias} ${group}`;
    const pool = this.#pools.get(name) ?? { free: [], made: 0, waiting: [] };
    this.#pools.set(name, pool);
    const n = await take(pool, signal);
    const side = this.#sideOf(key, `${group}#${n}`, alias, legacy, undefined);
    try {
      const session = await this.#backends.open(alias, `${group}#${n}`, signal, side);
      this.#eras.set(alias, session.era);
      return { session, side, clientCapabilities: modern, release: once(() => giveBack(pool, n)) };
    } catch (error) {
      giveBack(pool, n);
      throw error;
    }
  }

  /** The caller's own session with a server, where one was opened. It may be gone by now. */
  opened(conversation: Conversation, alias: string): BackendSession | undefined {
    return this.#sides.get(conversation.session)?.get(`${conversation.session} ${alias}`)?.session;
  }

  /** Every side of a caller's session, to tell its servers something. */
  of(session: string): readonly Side[] {
    return [...(this.#sides.get(session)?.values() ?? [])];
  }

  /** The caller's session is over: its backend sessions end. */
  forget(session: string): void {
    const keys = new Set([session]);
    for (const name of this.#sides.get(session)?.keys() ?? []) keys.add(name.slice(0, name.lastIndexOf(' ')));
    this.#sides.delete(session);
    for (const name of [...this.#pools.keys()]) if (name.includes(` ${session}#`)) this.#pools.delete(name);
    for (const key of keys) {
      this.#backends.release(key).catch((error: unknown) => {
        this.#log.warn('backend-session-not-released', { error: String(error) });
      });
    }
  }

  #sideOf(
    session: string,
    key: string,
    alias: string,
    capabilities: JsonObject,
    standing: Listening | undefined,
  ): Side {
    let sides = this.#sides.get(session);
    if (sides === undefined) {
      sides = new Map();
      this.#sides.set(session, sides);
    }
    const name = `${key} ${alias}`;
    const known = sides.get(name);
    if (known !== undefined) return known;
    const side = new Side({
      alias,
      capabilities,
      standing,
      questions: this.#questions,
      inForce: this.#inForce,
      log: this.#log,
    });
    sides.set(name, side);
    return side;
  }
}

function nothing(): void {}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}

/** The lowest number free, so that one request after the other meets the same session. Waits its turn where all are at work. */
async function take(pool: Pool, signal: AbortSignal): Promise<number> {
  const free = pool.free.sort((a, b) => a - b).shift();
  if (free !== undefined) return free;
  if (pool.made < leasesPerAlias) return pool.made++;
  return new Promise((resolve, reject) => {
    const turn = (n: number) => {
      signal.removeEventListener('abort', leave);
      resolve(n);
    };
    const leave = () => {
      const at = pool.waiting.indexOf(turn);
      if (at >= 0) pool.waiting.splice(at, 1);
      reject(new Error(`cancelled while waiting for a session: ${stopReasonOf(signal)}`));
    };
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    pool.waiting.push(turn);
  });
}

function giveBack(pool: Pool, n: number): void {
  const next = pool.waiting.shift();
  if (next === undefined) pool.free.push(n);
  else next(n);
}
