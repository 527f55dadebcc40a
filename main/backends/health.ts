import type { Clock, Log } from '../ports.ts';
import type { BackendState, BackendStatus } from './backends.ts';
import { Backoff } from './backoff.ts';
import { BackendFailure } from './failure.ts';
import type { EraVerdict, Known } from './negotiate.ts';
import type { Session } from './session.ts';

/** How long a known era is trusted before it is asked for again: a server may be upgraded under the same launch (a remote one). */
const ERA_MS = 24 * 60 * 60 * 1_000;
/** Of a failure's words; a server may have its share in them. */
const ERROR_CHARACTERS = 2_000;

/** The revision to be spoken where the server knows both. */
export type Preference = 'legacy' | 'modern';

/** How one server has been doing: its era, its failures, when it may be tried again. */
export class Health {
  readonly #alias: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #backoff = new Backoff();
  /** By the revision that was preferred: a server that knows both speaks either. */
  readonly #eras = new Map<Preference, EraVerdict>();
  #last: Session | undefined;
  #lastError: string | undefined;
  #restarts = 0;

  constructor(alias: string, clock: Clock, log: Log) {
    this.#alias = alias;
    this.#clock = clock;
    this.#log = log;
  }

  /** What an earlier start with the same preference found, while it is fresh. */
  known(prefers: Preference): Known | undefined {
    const era = this.#eras.get(prefers);
    return era && this.#clock.now() - era.at < ERA_MS ? era : undefined;
  }

  /** Milliseconds until the next start may be tried. */
  get waitMs(): number | undefined {
    const now = this.#clock.now();
    const retryAt = this.#backoff.retryAt(now);
    return retryAt === undefined ? undefined : retryAt - now;
  }

  starting(): void {
    if (this.#backoff.hasFailed) this.#restarts += 1;
  }

  started(session: Session, prefers: Preference): void {
    const now = this.#clock.now();
    this.#last = session;
    this.#lastError = undefined;
    this.#eras.set(prefers, { era: session.era, sse: session.transport === 'sse', at: now });
    this.#backoff.started(now);
    this.#log.info('backend-started', { alias: this.#alias, era: session.era });
  }

  /** What was known of it may have been the reason. */
  startFailed(message: string): void {
    this.#eras.clear();
    this.failed(message);
  }

  failed(message: string): void {
    this.#lastError = message.slice(0, ERROR_CHARACTERS);
    this.#backoff.failed(this.#clock.now(), Math.random());
    this.#log.warn('backend-failed', { alias: this.#alias, error: this.#lastError });
  }

  refusal(waitMs: number): BackendFailure {
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const when = seconds === 1 ? 'in about a second' : `in about ${seconds} seconds`;
    const why = this.#lastError ?? `The server "${this.#alias}" failed.`;
    return new BackendFailure('unavailable', this.#alias, `${why} It can be tried again ${when}.`);
  }

  status(sessions: { readonly up: number; readonly starting: number; readonly stopped: boolean }): BackendStatus {
    const { up, starting } = sessions;
    const retryAt = up + starting === 0 ? this.#backoff.retryAt(this.#clock.now()) : undefined;
    const last = this.#last;
    return {
      alias: this.#alias,
      state: this.#state(sessions, retryAt),
      ...(last && { era: last.era, protocolVersion: last.protocolVersion, serverInfo: last.serverInfo }),
      sessions: up,
      restarts: this.#restarts,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(retryAt !== undefined && { retryAt }),
    };
  }

  #state(
    { up, starting, stopped }: { readonly up: number; readonly starting: number; readonly stopped: boolean },
    retryAt: number | undefined,
  ): BackendState {
    if (stopped) return 'stopped';
    if (up > 0) return 'running';
    if (starting > 0) return 'starting';
    if (retryAt !== undefined) return 'backing-off';
    return this.#lastError === undefined ? 'idle' : 'failed';
  }
}
