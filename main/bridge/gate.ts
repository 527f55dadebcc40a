import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const firstDelayMs = 50;
const mostDelayMs = 1_000;
const tellEveryMs = 5_000;
/** Gatehouse is started at most this often: one that ends right away must not be started in a circle. */
const startEveryMs = 20_000;

export interface GateParts {
  /** Where Gatehouse answers, as far as its settings say now. */
  readonly endpoint: () => URL;
  /** Starts Gatehouse; undefined where that is not wanted. Answers a sentence when it could not. */
  readonly start: (() => Promise<string | undefined>) | undefined;
  readonly say: (sentence: string) => void;
  /** How long a message waits for Gatehouse, and how long the first one does. */
  readonly waitMs: number;
  readonly startMs: number;
}

/** Knows whether Gatehouse answers, waits for it, and starts it where nobody ended it on purpose. */
export class Gate {
  readonly #parts: GateParts;
  #open = true;
  #knocking: Promise<boolean> | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #endedInOrder = false;
  /** Whether Gatehouse has answered at all. */
  met = false;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  get endpoint(): URL {
    return this.#parts.endpoint();
  }

  /** How long a message waits: a start takes longer than a restart. */
  get patienceMs(): number {
    const { start, startMs, waitMs } = this.#parts;
    return this.met || start === undefined ? waitMs : startMs;
  }

  /** A request was answered. */
  answered(): void {
    if (!this.met) this.#parts.say(`connected to Gatehouse at ${this.endpoint.href}`);
    this.#open = true;
    this.met = true;
    this.#endedInOrder = false;
  }

  /** A request found nobody, or its connection broke. */
  lost(): void {
    this.#open = false;
  }

  /** A stream was ended as a closing Gatehouse ends them. If it is gone then, a person closed it, and only a person starts it again. */
  ended(): void {
    this.#endedInOrder = true;
  }

  /** True once Gatehouse can be asked, at once as far as is known; false when it cannot within the bound. */
  async wait(signal: AbortSignal, patience: 'bounded' | 'endless'): Promise<boolean> {
    if (this.#open) return true;
    const began = Date.now();
    const bound = patience === 'endless' ? Number.POSITIVE_INFINITY : this.patienceMs;
    let delay = firstDelayMs;
    let told = began;
    while (!signal.aborted) {
      if (await this.#knock()) {
        this.#open = true;
        return true;
      }
      const now = Date.now();
      if (now - began >= bound) return false;
      if (patience === 'bounded') {
        if (!(await this.#maybeStart(now))) return false;
        if (now - told >= tellEveryMs) {
          told = now;
          this.#parts.say(`still waiting for Gatehouse (${Math.round((now - began) / 1_000)} s)`);
        }
      }
      // With jitter: several apps lose Gatehouse at one moment.
      await sleep(delay * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      delay = Math.min(delay * 2, mostDelayMs);
    }
    return false;
  }

  /** False where the start itself failed, so that waiting is of no use. */
  async #maybeStart(now: number): Promise<boolean> {
    const { start, say } = this.#parts;
    if (start === undefined || this.#endedInOrder || now - this.#startedAt < startEveryMs) return true;
    this.#startedAt = now;
    say('Gatehouse is not running, so it is started now');
    const failure = await start();
    if (failure === undefined) return true;
    say(failure);
    return this.met;
  }

  /** Whether somebody listens. Several that wait at once knock once. */
  #knock(): Promise<boolean> {
    this.#knocking ??= new Promise<boolean>((resolve) => {
      const { hostname, port } = this.endpoint;
      const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || 80 });
      const answer = (open: boolean) => {
        socket.destroy();
        resolve(open);
      };
      socket.setTimeout(1_000, () => answer(false));
      socket.once('connect', () => answer(true));
      socket.once('error', () => answer(false));
    }).finally(() => {
      this.#knocking = undefined;
    });
    return this.#knocking;
  }
}
