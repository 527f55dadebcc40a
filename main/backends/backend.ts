import type { JsonObject } from '../policy/json.ts';
import type { Launch } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import type { BackendSession, BackendState, BackendStatus, ClientSide, ListKind } from './backends.ts';
import { Backoff } from './backoff.ts';
import { connect } from './connect.ts';
import { BackendFailure } from './failure.ts';
import type { ClientInfo, EraVerdict } from './negotiate.ts';
import { sameJson } from './same-json.ts';
import type { Session } from './session.ts';
import { StderrTail } from './stderr-tail.ts';
import { unlessAborted } from './unless-aborted.ts';

/** How long a known era is trusted before it is asked for again: a server may be upgraded under the same launch (a remote one). */
const ERA_MS = 24 * 60 * 60 * 1_000;
/** Of a failure's words; a server may have its share in them. */
const ERROR_CHARACTERS = 2_000;

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
  readonly callOff: AbortController;
  attempt: Promise<Session>;
  session: Session | undefined;
  idle: NodeJS.Timeout | undefined;
  /** Counts up with each use of any slot. */
  used: number;
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
  readonly #backoff = new Backoff();
  #era: EraVerdict | undefined;
  #last: Session | undefined;
  #lastError: string | undefined;
  #restarts = 0;
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
  }

  /** The session of this key; concurrent callers share one attempt, and one that gives up leaves it to the others. */
  open(key: string, signal?: AbortSignal, _client?: ClientSide): Promise<BackendSession> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    let slot = this.#slots.get(key);
    if (!slot) {
      const now = this.#environment.clock.now();
      const retryAt = this.#backoff.retryAt(now);
      if (retryAt !== undefined) return Promise.reject(this.#backingOff(retryAt - now));
      if (this.#slots.size >= this.#maxSessions) {
        const full = this.#makeRoom();
        if (full) return Promise.reject(full);
      }
      slot = this.#start(key);
    }
    this.#touch(slot);
    return unlessAborted(slot.attempt, signal, this.alias);
  }

  async release(key: string): Promise<void> {
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
    const ended = [...this.#slots.values()].map((slot) => this.#end(slot, failure));
    this.#tell();
    await Promise.all(ended);
    await Promise.all(this.#closing);
  }

  status(): BackendStatus {
    const retryAt = this.#slots.size === 0 ? this.#backoff.retryAt(this.#environment.clock.now()) : undefined;
    const last = this.#last;
    return {
      alias: this.alias,
      state: this.#state(retryAt),
      ...(last && { era: last.era, protocolVersion: last.protocolVersion, serverInfo: last.serverInfo }),
      sessions: [...this.#slots.values()].filter((slot) => slot.session).length,
      restarts: this.#restarts,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(retryAt !== undefined && { retryAt }),
    };
  }

  #state(retryAt: number | undefined): BackendState {
    if (this.#stopped) return 'stopped';
    const slots = [...this.#slots.values()];
    if (slots.some((slot) => slot.session)) return 'running';
    if (slots.length > 0) return 'starting';
    if (retryAt !== undefined) return 'backing-off';
    return this.#lastError === undefined ? 'idle' : 'failed';
  }

  #start(key: string): Slot {
    if (this.#backoff.hasFailed) this.#restarts += 1;
    const callOff = new AbortController();
    // Hooks find the slot by identity: an old session must not speak for the key's next one.
    const own = () => slot;
    const slot: Slot = {
      key,
      callOff,
      attempt: this.#connectWithRoom(own, callOff.signal),
      session: undefined,
      idle: undefined,
      used: 0,
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
    const fresh = this.#era && clock.now() - this.#era.at < ERA_MS ? this.#era.era : undefined;
    return connect({
      alias: this.alias,
      launch: this.launch,
      clientInfo,
      clock,
      log,
      stderr: this.stderr,
      known: fresh,
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
    const now = this.#environment.clock.now();
    slot.session = session;
    this.#last = session;
    this.#lastError = undefined;
    this.#era = { era: session.era, at: now };
    this.#backoff.started(now);
    this.#environment.log.info('backend-started', { alias: this.alias, era: session.era });
    session.listen();
    this.#touch(slot);
    this.#tell();
  }

  #startFailed(slot: Slot, error: unknown): void {
    if (this.#slots.get(slot.key) !== slot) return;
    this.#takeOut(slot);
    this.#era = undefined;
    this.#failed(error instanceof Error ? error.message : String(error));
  }

  #lost(slot: Slot, failure: BackendFailure, atOnce: boolean): void {
    if (this.#slots.get(slot.key) !== slot) return;
    if (slot.session) this.#track(slot.session.end(failure));
    this.#takeOut(slot);
    if (atOnce) this.#environment.log.info('backend-session-lost', { alias: this.alias });
    else this.#failed(failure.message);
    this.#tell();
  }

  #failed(message: string): void {
    this.#lastError = message.slice(0, ERROR_CHARACTERS);
    this.#backoff.failed(this.#environment.clock.now(), Math.random());
    this.#environment.log.warn('backend-failed', { alias: this.alias, error: this.#lastError });
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
    const ended = slot.attempt.then(
      (session) => session.end(failure),
      () => {
        // The start failed by itself or was called off: connect has closed what it opened.
      },
    );
    this.#track(ended);
    this.#tell();
    await Promise.all(this.#closing);
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
    const { session } = slot;
    this.#uses += 1;
    slot.used = this.#uses;
    clearTimeout(slot.idle);
    slot.idle = setTimeout(() => {
      if (session.busy) return this.#touch(slot);
      const text = `The session with the server "${this.alias}" was closed because it was not used.`;
      void this.#end(slot, new BackendFailure('unavailable', this.alias, text));
    }, this.#environment.idleMs);
    slot.idle.unref();
  }

  #backingOff(ms: number): BackendFailure {
    const seconds = Math.max(1, Math.ceil(ms / 1_000));
    const when = seconds === 1 ? 'in about a second' : `in about ${seconds} seconds`;
    const why = this.#lastError ?? `The server "${this.alias}" failed.`;
    return new BackendFailure('unavailable', this.alias, `${why} It can be tried again ${when}.`);
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
