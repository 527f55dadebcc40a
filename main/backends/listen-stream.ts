import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import type { BackendReply } from './backends.ts';
import { BackendFailure } from './failure.ts';
import type { Rpc } from './rpc.ts';

/** Node's largest timer, about 24 days: a listen stream has no end of its own. */
const ENDLESS_MS = 2 ** 31 - 1;
const AGAIN_MS = { first: 1_000, most: 60_000 };
const FRUITLESS = 10;
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

export interface ListenOptions {
  readonly rpc: Rpc;
  readonly clock: Clock;
  /** Complete params, `_meta` included. */
  readonly params: JsonObject;
  /** What the server says on this stream. */
  readonly onNotification: (method: string, params: JsonObject) => void;
  /** The stream was lost and will be opened again: what changed meanwhile is unknown. */
  readonly onGap?: () => void;
}

/** What the server took up of what it was asked for, or its refusal. */
export type Acknowledgement =
  | { readonly ok: true; readonly notifications: JsonObject }
  | Extract<BackendReply, { ok: false }>;

/** One `subscriptions/listen` (2026-07-28, Subscriptions), opened again when the server ends it or the connection breaks. */
export class ListenStream {
  /** The server's first word. Rejects with BackendFailure where it ended without one. */
  readonly acknowledged: Promise<Acknowledgement>;
  readonly #options: ListenOptions;
  readonly #closing = new AbortController();
  #resolve: (value: Acknowledgement) => void = ignore;
  #reject: (reason: unknown) => void = ignore;
  #ended = false;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.acknowledged = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.acknowledged.catch(() => {
      // Not everybody waits for it.
    });
    this.#run().catch((error: unknown) => options.rpc.fault('backend-listen', error));
  }

  /** False once it is closed, was refused, or could not be opened again. */
  get alive(): boolean {
    return !this.#ended;
  }

  close(): void {
    this.#ended = true;
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    try {
      await this.#keepOpen();
    } finally {
      this.#ended = true;
      const { alias } = this.#options.rpc;
      const text = `The server "${alias}" ended a subscription without taking it up.`;
      this.#reject(this.#options.rpc.failure ?? new BackendFailure('protocol', alias, text));
    }
  }

  async #keepOpen(): Promise<void> {
    const { rpc, clock, params, onGap } = this.#options;
    const { signal } = this.#closing;
    for (let fruitless = 0; fruitless < FRUITLESS; fruitless += 1) {
      const since = clock.now();
      let worthless = false;
      const onSubscribed = (method: string, said: JsonObject) => {
        if (signal.aborted) return;
        if (method === ACKNOWLEDGED) {
          const notifications = isJsonObject(said.notifications) ? said.notifications : {};
          worthless = Object.keys(notifications).length === 0;
          this.#resolve({ ok: true, notifications });
        }
        this.#options.onNotification(method, said);
      };
      try {
        const reply = await rpc.exchange('subscriptions/listen', params, {
          timeoutMs: ENDLESS_MS,
          signal,
          onSubscribed,
        });
        if (!reply.ok) {
          this.#resolve(reply);
          return;
        }
      } catch (error) {
        if (!(error instanceof BackendFailure)) throw error;
        this.#reject(error);
      }
      // A server that takes up nothing of what it is asked for ends the stream at once.
      if (signal.aborted || rpc.failure || worthless) return;
      onGap?.();
      if (clock.now() - since > AGAIN_MS.most) fruitless = 0;
      const wait = Math.min(AGAIN_MS.first * 2 ** fruitless, AGAIN_MS.most);
      await sleep(wait, undefined, { signal, ref: false }).catch(() => {
        // Closed: the next look at the signal ends it.
      });
      if (signal.aborted) return;
    }
  }
}

function ignore(): void {}
