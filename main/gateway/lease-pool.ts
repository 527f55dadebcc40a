import type { BackendFailureCode } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Conversation } from './conversation.ts';
import { stopReasonOf } from './stop.ts';

/** Sessions of one modern caller with one 2025 server that may be asked things: one request at a time each. */
const leasesPerPool = 8;
/** How often one that waits its turn looks whether another came to wait for answers meanwhile. */
const lookMs = 250;

/** All of them are at work, and stayed so. Recognised by its code, as the failures of backends are. */
export class NoRoom extends Error {
  readonly code: BackendFailureCode = 'unavailable';

  constructor(alias: string) {
    super(`every session of this app with the server "${alias}" is at work`);
    this.name = 'NoRoom';
  }
}

/** The numbered sessions that requests which declared the same share, one request at a time each. */
export class LeasePool {
  readonly alias: string;
  /** What their keys begin with. */
  readonly group: string;
  readonly capabilities: JsonObject;
  usedAt = 0;
  readonly #free: number[] = [];
  readonly #waiting: ((n: number) => void)[] = [];
  /** The longest held first. */
  readonly #held = new Map<number, Conversation>();
  #made = 0;

  constructor(alias: string, group: string, capabilities: JsonObject) {
    this.alias = alias;
    this.group = group;
    this.capabilities = capabilities;
  }

  get idle(): boolean {
    return this.#held.size === 0 && this.#waiting.length === 0;
  }

  keys(): readonly string[] {
    return Array.from({ length: this.#made }, (_, n) => this.keyOf(n));
  }

  keyOf(n: number): string {
    return `${this.group}#${n}`;
  }

  /**
   * The lowest number free, so that one request after the other meets the same session. Where all are at work, the longest of those that only
   * wait for their caller's answers makes room: an unanswered question must not keep an app from its server. Rejects with NoRoom after `ms`.
   */
  async take(conversation: Conversation, ms: number): Promise<number> {
    const free = this.#free.sort((a, b) => a - b).shift();
    const n = free ?? (this.#made < leasesPerPool ? this.#made++ : await this.#turn(conversation.signal, ms));
    this.#held.set(n, conversation);
    return n;
  }

  giveBack(n: number): void {
    this.#held.delete(n);
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(n);
    else next(n);
  }

  #turn(signal: AbortSignal, ms: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const over = () => {
        clearTimeout(late);
        clearInterval(looking);
        signal.removeEventListener('abort', leave);
      };
      const turn = (n: number) => {
        over();
        resolve(n);
      };
      const give = (error: Error) => {
        over();
        const at = this.#waiting.indexOf(turn);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(error);
      };
      const leave = () => give(new Error(`cancelled while waiting for a session: ${stopReasonOf(signal)}`));
      // One that waits ends at most one.
      const look = () => {
        if (this.#endOneParked()) clearInterval(looking);
      };
      const late = setTimeout(() => give(new NoRoom(this.alias)), ms);
      const looking = setInterval(look, lookMs);
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(turn);
      look();
    });
  }

  #endOneParked(): boolean {
    for (const conversation of this.#held.values()) if (conversation.makeRoom?.() === true) return true;
    return false;
  }
}
