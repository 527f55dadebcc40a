import { createHash } from 'node:crypto';
import type { AuditWriter } from '../audit/record.ts';
import type { BackendSession, Backends } from '../backends/backends.ts';
import { userOf } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { Conversation } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { LeasePool, NoRoom } from './lease-pool.ts';
import { knownFlags, passedCapabilities, withoutExtensionTasks } from './passed-capabilities.ts';
import { ServerQuestions } from './server-questions.ts';
import { Side } from './side.ts';
import { seesOnAnyEndpoint, seesServer } from './visible.ts';
import { WatchRules } from './watch-rules.ts';

/** Kinds of callers one app may be to one 2025 server at a time: each has sessions of its own with it. */
const poolsPerAlias = 4;
/** Sessions for requests that may be asked things, once none came for this long. */
const poolIdleMs = 300_000;
/** How long a request waits for its turn where no policy says how long it may take. */
const waitMs = 60_000;

/** A session that carries one request. */
export interface Opened {
  readonly session: BackendSession;
  readonly side: Side;
  /** What the caller can do, as a 2026 server is told with the request. */
  readonly clientCapabilities: JsonObject;
  /** The request is over. */
  release(): void;
}

/**
 * The backend sessions of callers. A legacy caller's session has one of its own with each server. A modern caller has one for its app; where
 * it can be asked things (elicitation, sampling, roots) a 2025 server gets further ones that carry one request at a time, so that what the
 * server asks has only one request it can belong to. They last as long as the caller, and as the policy lets it see something of the server.
 */
export class BackendSides {
  readonly #backends: Backends;
  readonly #questions: ServerQuestions;
  readonly #rules: WatchRules;
  readonly #inForce: () => InForce;
  readonly #account: string;
  readonly #clock: Clock;
  readonly #log: Log;
  /** caller's session → backend key and alias → side. */
  readonly #sides = new Map<string, Map<string, Side>>();
  /** caller's session → its pools. */
  readonly #pools = new Map<string, Set<LeasePool>>();
  /** Which revision a server speaks to 2026 callers: a server of theirs never asks, so its sessions can be shared. */
  readonly #eras = new Map<string, 'legacy' | 'modern'>();

  constructor(parts: {
    readonly backends: Backends;
    readonly inForce: () => InForce;
    readonly account: string;
    readonly clock: Clock;
    readonly audit: AuditWriter;
    readonly log: Log;
  }) {
    this.#backends = parts.backends;
    this.#inForce = parts.inForce;
    this.#account = parts.account;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#questions = new ServerQuestions(parts);
    this.#rules = new WatchRules(parts);
  }

  get questions(): ServerQuestions {
    return this.#questions;
  }

  /** The session that carries a request of this conversation. Rejects with BackendFailure; must be released. */
  async open(conversation: Conversation, alias: string): Promise<Opened> {
    const { session: key, era, signal, standing, app } = conversation;
    // What comes late for a caller that is gone must not bring its sessions back.
    if (signal.aborted) throw new Error('cancelled before a session was opened');
    const inForce = this.#inForce();
    const allowed = inForce.ok ? inForce.snapshot.document.serverRequests.allowed : [];
    const passed = passedCapabilities(conversation.capabilities, allowed);
    if (era === 'legacy') {
      const side = this.#sideOf(key, { key, alias, app, capabilities: passed.legacy, standing });
      if (conversation.logLevel !== undefined) side.setLevel(conversation.logLevel);
      return this.#opened(conversation, key, side, withoutExtensionTasks(passed.modern));
    }
    const canBeAsked = Object.keys(passed.legacy).length > 0;
    if (canBeAsked && this.#eraOf(alias) === 'legacy') {
      return this.#lease(conversation, alias, knownFlags(passed.legacy), passed.modern);
    }
    const side = this.#sideOf(key, { key, alias, app, capabilities: {}, standing: undefined });
    const opened = await this.#opened(conversation, key, side, passed.modern);
    // It may be another server than it was, or one never met before.
    this.#eras.set(alias, opened.session.era);
    if (!canBeAsked || opened.session.era === 'modern') return opened;
    opened.release();
    // Opened to find out which it is; one nobody uses need not stay beside those that will be.
    if (side.idle) this.#end(key, key, side);
    return this.#lease(conversation, alias, knownFlags(passed.legacy), passed.modern);
  }

  async #lease(conversation: Conversation, alias: string, legacy: JsonObject, modern: JsonObject): Promise<Opened> {
    const { session, app } = conversation;
    const inForce = this.#inForce();
    const pool = this.#poolOf(session, alias, legacy);
    pool.usedAt = this.#clock.now();
    const n = await pool.take(
      conversation,
      inForce.ok ? inForce.snapshot.document.resilience.deadlineSeconds * 1_000 : waitMs,
    );
    try {
      if (conversation.signal.aborted) throw new Error('cancelled before a session was opened');
      const key = pool.keyOf(n);
      const side = this.#sideOf(session, { key, alias, app, capabilities: pool.capabilities, standing: undefined });
      const opened = await this.#opened(conversation, key, side, modern, () => pool.giveBack(n));
      this.#eras.set(alias, opened.session.era);
      return opened;
    } catch (error) {
      pool.giveBack(n);
      throw error;
    }
  }

  async #opened(
    { session: owner, signal }: Conversation,
    key: string,
    side: Side,
    clientCapabilities: JsonObject,
    after?: () => void,
  ): Promise<Opened> {
    let using = true;
    const done = () => {
      if (!using) return false;
      using = false;
      side.uses--;
      if (side.hidden && side.uses === 0) this.#end(owner, key, side);
      return true;
    };
    side.uses++;
    try {
      const session = await this.#backends.open(side.alias, key, signal, side);
      const release = () => {
        if (done()) after?.();
      };
      return { session, side, clientCapabilities, release };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** What is remembered of the server, or what the backends found when they last started it. */
  #eraOf(alias: string): 'legacy' | 'modern' | undefined {
    return this.#eras.get(alias) ?? this.#backends.status().find((each) => each.alias === alias)?.era;
  }

  #poolOf(session: string, alias: string, capabilities: JsonObject): LeasePool {
    const pools = this.#pools.get(session) ?? new Set<LeasePool>();
    this.#pools.set(session, pools);
    const group = `${session}#${createHash('sha256').update(JSON.stringify(capabilities)).digest('hex').slice(0, 16)}`;
    const ofServer = [...pools].filter((pool) => pool.alias === alias);
    const known = ofServer.find((pool) => pool.group === group);
    if (known !== undefined) return known;
    if (ofServer.length >= poolsPerAlias) {
      const [oldest] = ofServer.filter(({ idle }) => idle).sort((a, b) => a.usedAt - b.usedAt);
      if (oldest === undefined) throw new NoRoom(alias);
      this.#drop(session, oldest);
    }
    const pool = new LeasePool(alias, group, capabilities);
    pools.add(pool);
    return pool;
  }

  /** The caller's own session with a server, where one was opened. It may be gone by now. */
  opened(conversation: Conversation, alias: string): BackendSession | undefined {
    return this.#sides.get(conversation.session)?.get(`${conversation.session} ${alias}`)?.session;
  }

  /** Every side of a caller's session, to tell its servers something. */
  of(session: string): readonly Side[] {
    return [...(this.#sides.get(session)?.values() ?? [])];
  }

  /** What callers may not see any more ends, and what they may not watch is told of no more. Without a policy nothing is passed on meanwhile. */
  policyChanged(): void {
    const inForce = this.#inForce();
    if (!inForce.ok) return;
    const { snapshot } = inForce;
    const rules = this.#rules.under(snapshot);
    const at = this.#clock.now();
    for (const [session, sides] of this.#sides) {
      for (const [name, side] of [...sides]) {
        const { alias, app, endpoint } = side;
        const view = { snapshot, user: userOf(snapshot, this.#account), app: app.name };
        side.hidden = !(endpoint === undefined
          ? seesOnAnyEndpoint(view, alias, at)
          : seesServer({ ...view, endpoint }, alias, at));
        if (side.hidden && side.uses === 0) this.#end(session, keyIn(name), side);
        else side.keepWatching(rules(alias));
      }
    }
  }

  /** Called now and then: sessions for requests that may be asked things end where none came for long. */
  endIdle(): void {
    const before = this.#clock.now() - poolIdleMs;
    for (const [session, pools] of this.#pools) {
      for (const pool of [...pools]) if (pool.idle && pool.usedAt < before) this.#drop(session, pool);
      if (pools.size === 0) this.#pools.delete(session);
    }
  }

  /** The caller's session is over: its backend sessions end. */
  forget(session: string): void {
    const keys = new Set([session]);
    for (const [name, side] of this.#sides.get(session) ?? []) {
      side.end();
      keys.add(keyIn(name));
    }
    this.#sides.delete(session);
    this.#pools.delete(session);
    for (const key of keys) this.#release(key);
  }

  #drop(session: string, pool: LeasePool): void {
    this.#pools.get(session)?.delete(pool);
    for (const key of pool.keys()) {
      const side = this.#sides.get(session)?.get(`${key} ${pool.alias}`);
      if (side !== undefined) this.#end(session, key, side);
    }
  }

  #end(session: string, key: string, side: Side): void {
    side.end();
    const sides = this.#sides.get(session);
    if (sides?.get(`${key} ${side.alias}`) === side) sides.delete(`${key} ${side.alias}`);
    this.#release(key, side.alias);
  }

  #release(key: string, alias?: string): void {
    this.#backends.release(key, alias).catch((error: unknown) => {
      this.#log.warn('backend-session-not-released', { error: String(error) });
    });
  }

  #sideOf(session: string, parts: SideParts): Side {
    let sides = this.#sides.get(session);
    if (sides === undefined) {
      sides = new Map();
      this.#sides.set(session, sides);
    }
    const { alias } = parts;
    const name = `${parts.key} ${alias}`;
    const known = sides.get(name);
    if (known !== undefined) return known;
    const side = new Side({
      ...parts,
      questions: this.#questions,
      inForce: this.#inForce,
      mayWatch: this.#rules.now(alias),
      log: this.#log,
    });
    sides.set(name, side);
    return side;
  }
}

type SideParts = Pick<ConstructorParameters<typeof Side>[0], 'alias' | 'app' | 'capabilities' | 'standing'> & {
  readonly key: string;
};

/** No alias holds a space. */
function keyIn(name: string): string {
  return name.slice(0, name.lastIndexOf(' '));
}
