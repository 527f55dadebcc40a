import type { JsonObject } from '../policy/json.ts';
import type { Launch } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import type { BackendSession, BackendStatus, ClientSide, ListKind } from './backends.ts';
import { connect } from './connect.ts';
import { BackendFailure } from './failure.ts';
import { Health } from './health.ts';
import type { ClientInfo } from './negotiate.ts';
import { Reopening } from './reopening.ts';
import { sameJson } from './same-json.ts';
import type { Session } from './session.ts';
import { StderrTail } from './stderr-tail.ts';
import { unlessAborted } from './unless-aborted.ts';

export interface BackendEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  readonly clientInfo: ClientInfo;
  readonly startTimeoutMs: number;
  readonly idleMs: number;
  /** Sessions at a time; undefined for what suits the transport. */
  readonly maxSessions: number | undefined;
  readonly onStatus: (status: BackendStatus) => void;
  readonly onListChanged: (alias: string, kind: ListKind) => void;
}

/** Each stdio session is a process of its own; one over HTTP is little more than an id. */
const MAX_SESSIONS = { stdio: 32, http: 256, sse: 256 } as const;

/** One caller's connection: being started, or up. */
interface Slot {
  readonly key: string;
  readonly client: ClientSide | undefined;
  readonly callOff: AbortController;
  attempt: Promise<Session>;
  session: Session | undefined;
  idle: NodeJS.Timeout | undefined;
  /** Counts up with each use of any slot. */
  used: number;
  /** When that was, by the clock that only goes forward. */
  usedAt: number;
}

/** One approved server: its sessions by key, its health, its last words. */
export class Backend {
  readonly alias: string;
  readonly launch: Launch;
  readonly stderr = new StderrTail();
  readonly #environment: BackendEnvironment;
  readonly #maxSessions: number;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new Set<Promise<void>>();
  readonly #health: Health;
  readonly #reopening: Reopening;
  #stopped: BackendFailure | undefined;
  #told = '';
  #uses = 0;
  /** The last list of each kind that a session read. */
  readonly #lists = new Map<ListKind, readonly JsonObject[]>();

  constructor(alias: string, launch: Launch, environment: BackendEnvironment) {
    this.alias = alias;
    this.launch = launch;
    this.#environment = environment;
    this.#maxSessions = environment.maxSessions ?? MAX_SESSIONS[launch.transport];
    this.#health = new Health(alias, environment.clock, environment.log);
    this.#reopening = new Reopening({
      clock: environment.clock,
      waitMs: () => this.#health.waitMs ?? 0,
      open: (key, client) => this.open(key, undefined, client),
    });
  }

  /** The session of this key; concurrent callers share one attempt, and one that gives up leaves it to the others. */
  open(key: string, signal?: AbortSignal, client?: ClientSide): Promise<BackendSession> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    let slot = this.#slots.get(key);
    if (!slot) {
      const { waitMs } = this.#health;
      if (waitMs !== undefined) return Promise.reject(this.#health.refusal(waitMs));
      if (this.#slots.size >= this.#maxSessions) {
        const full = this.#makeRoom();
        if (full) return Promise.reject(full);
      }
      slot = this.#start(key, client);
    }
    this.#touch(slot);
    // A session that is up needs no waiting for.
    return slot.session && !signal?.aborted ? slot.attempt : unlessAborted(slot.attempt, signal, this.alias);
  }

  async release(key: string): Promise<void> {
    this.#reopening.forget(key);
    const slot = this.#slots.get(key);
    if (slot)
      await this.#end(
        slot,
        new BackendFailure('cancelled', this.alias, `The session with the server "${this.alias}" was closed.`),
      );
  }

  /** Ends every session and start; later opens are rejected with `failure`. Resolves when processes and connections are gone. */
  async stop(failure: BackendFailure): Promise<void> {
    this.#stopped = failure;
    this.#reopening.forgetAll();
    const ended = [...this.#slots.values()].map((slot) => this.#end(slot, failure));
    this.#tell();
    await Promise.all(ended);
    await Promise.all(this.#closing);
  }

  status(): BackendStatus {
    const up = [...this.#slots.values()].filter((slot) => slot.session).length;
    return this.#health.status({ up, starting: this.#slots.size - up, stopped: this.#stopped !== undefined });
  }

  #start(key: string, client: ClientSide | undefined): Slot {
    this.#health.starting();
    const callOff = new AbortController();
    // Hooks find the slot by identity: an old session must not speak for the key's next one.
    const own = () => slot;
    const slot: Slot = {
      key,
      client,
      callOff,
      attempt: this.#connectWithRoom(own, callOff.signal),
      session: undefined,
      idle: undefined,
      used: 0,
      usedAt: 0,
    };
    this.#slots.set(key, slot);
    slot.attempt
      .then(
        (session) => this.#started(slot, session),
        (error: unknown) => this.#startFailed(slot, error),
      )
      .catch((error: unknown) => this.#broke(slot, error));
    this.#tell();
    return slot;
  }

  /** Ends the session that was unused for longest; where all are at work it says why there is no room. */
  #makeRoom(): BackendFailure | undefined {
    const idle = [...this.#slots.values()].filter((slot) => slot.session && !slot.session.busy);
    const oldest = idle.reduce<Slot | undefined>((a, b) => (a && a.used <= b.used ? a : b), undefined);
    if (!oldest) {
      const text = `The server "${this.alias}" is at work in every session Gatehouse allows it (${this.#slots.size}). Try again when one of your AI apps has finished; if this happens often, ask your IT department.`;
      return new BackendFailure('unavailable', this.alias, text);
    }
    const text = `The session with the server "${this.alias}" was closed to make room for another one. Please try again.`;
    void this.#end(oldest, new BackendFailure('unavailable', this.alias, text));
    return undefined;
  }

  /** A process takes seconds to end: starting and ending sessions in a circle must not raise their number either. */
  async #connectWithRoom(own: () => Slot, signal: AbortSignal): Promise<Session> {
    const calledOff = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    // The slot of this very start counts among the slots once it is there.
    await undefined;
    while (this.#slots.size + this.#closing.size > this.#maxSessions && this.#closing.size > 0 && !signal.aborted)
      await Promise.race([...this.#closing, calledOff]);
    return this.#connect(own, signal);
  }

  #connect(own: () => Slot, signal: AbortSignal): Promise<Session> {
    const { clock, log, clientInfo, startTimeoutMs, onListChanged } = this.#environment;
    return connect({
      alias: this.alias,
      launch: this.launch,
      clientInfo,
      clock,
      log,
      stderr: this.stderr,
      known: this.#health.known(own().client?.prefers ?? 'modern'),
      client: own().client,
      startTimeoutMs,
      signal,
      onClosing: (closing) => this.#track(closing),
      hooks: {
        onUse: () => this.#touch(own()),
        onListChanged: (kind) => onListChanged(this.alias, kind),
        onClose: () => this.#forget(own()),
        share: (kind, list) => this.#share(kind, list),
        onLoss: (failure, atOnce) => this.#lost(own(), failure, atOnce),
      },
    });
  }

  #started(slot: Slot, session: Session): void {
    // Stopped or released in the very moment it came up.
    if (this.#slots.get(slot.key) !== slot) return;
    slot.session = session;
    this.#health.started(session, slot.client?.prefers ?? 'modern');
    this.#reopening.opened(slot.key);
    session.listen();
    this.#touch(slot);
    this.#tell();
    try {
      slot.client?.onOpen?.(session);
    } catch (error) {
      this.#environment.log.error('backend-listener', { alias: this.alias, error: String(error) });
    }
  }

  #startFailed(slot: Slot, error: unknown): void {
    if (this.#slots.get(slot.key) !== slot) return;
    this.#takeOut(slot);
    this.#health.startFailed(error instanceof Error ? error.message : String(error));
    this.#tell();
  }

  #lost(slot: Slot, failure: BackendFailure, atOnce: boolean): void {
    if (this.#slots.get(slot.key) !== slot) return;
    const watching = slot.session?.watching === true;
    if (slot.session) this.#track(slot.session.end(failure));
    this.#takeOut(slot);
    if (atOnce) this.#environment.log.info('backend-session-lost', { alias: this.alias });
    else this.#health.failed(failure.message);
    if (watching && slot.client) this.#reopening.schedule(slot.key, slot.client);
    this.#tell();
  }

  /** Equal lists are one object: kept once, and compared with the pins once. Another list takes the place of this one. */
  #share(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[] {
    const known = this.#lists.get(kind);
    if (known !== undefined && sameJson(known, list)) return known;
    this.#lists.set(kind, list);
    return list;
  }

  /** A fault of our own while a start was taken up: nothing half taken up stays. */
  #broke(slot: Slot, error: unknown): void {
    this.#environment.log.error('backend-start', { alias: this.alias, error: String(error) });
    const text = `The server "${this.alias}" could not be taken up. Please try again.`;
    void this.#end(slot, new BackendFailure('unavailable', this.alias, text));
  }

  /** Whoever has its session holds a closed one. */
  #forget(slot: Slot): void {
    if (this.#takeOut(slot)) this.#tell();
  }

  #takeOut(slot: Slot): boolean {
    if (this.#slots.get(slot.key) !== slot) return false;
    clearTimeout(slot.idle);
    return this.#slots.delete(slot.key);
  }

  /** Never rejects. The ending is under way before anybody is told of it. */
  async #end(slot: Slot, failure: BackendFailure): Promise<void> {
    this.#takeOut(slot);
    slot.callOff.abort(failure);
    this.#track(slot.session ? slot.session.end(failure) : this.#endStarting(slot, failure));
    this.#tell();
    await Promise.all(this.#closing);
  }

  #endStarting(slot: Slot, failure: BackendFailure): Promise<void> {
    return slot.attempt.then(
      (session) => session.end(failure),
      () => {
        // The start failed by itself or was called off: connect has closed what it opened.
      },
    );
  }

  #track(closing: Promise<void>): void {
    const settled = closing
      .catch((error: unknown) =>
        this.#environment.log.warn('backend-close', { alias: this.alias, error: String(error) }),
      )
      .finally(() => this.#closing.delete(settled));
    this.#closing.add(settled);
  }

  #touch(slot: Slot): void {
    if (!slot.session || this.#slots.get(slot.key) !== slot) return;
    this.#uses += 1;
    slot.used = this.#uses;
    slot.usedAt = performance.now();
    if (slot.idle === undefined) this.#watchIdle(slot, slot.session, this.#environment.idleMs);
  }

  /** One timer however often the session is used: where it was used meanwhile, it waits for what is left. */
  #watchIdle(slot: Slot, session: Session, ms: number): void {
    slot.idle = setTimeout(() => {
      slot.idle = undefined;
      if (session.busy) return this.#touch(slot);
      const left = slot.usedAt + this.#environment.idleMs - performance.now();
      if (left > 0) return this.#watchIdle(slot, session, Math.ceil(left));
      const text = `The session with the server "${this.alias}" was closed because it was not used.`;
      void this.#end(slot, new BackendFailure('unavailable', this.alias, text));
    }, ms).unref();
  }

  /** Tells of a change once, however many steps led to it. Never throws: ending a process must not depend on who hears of it. */
  #tell(): void {
    try {
      const status = this.status();
      const text = JSON.stringify(status);
      if (text === this.#told) return;
      this.#told = text;
      this.#environment.onStatus(status);
    } catch (error) {
      this.#environment.log.error('backend-status', { alias: this.alias, error: String(error) });
    }
  }
}
