import { randomUUID } from 'node:crypto';
import { NotCanonical, sha256OfJson } from '../policy/canonical.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import { type CallingApp, type Endpoint, endpointKey } from './admit.ts';
import type { ModernConversation } from './modern-conversation.ts';
import { newSealing, openState, sealState } from './sealed-state.ts';
import type { StopReason } from './stop.ts';

interface Waiting {
  readonly conversation: ModernConversation;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Which request is asked again, and by whom. */
export interface Retry {
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly method: string;
  readonly params: JsonObject;
}

/**
 * Requests of modern callers that wait for input. The caller holds a sealed handle that opens once, until it expires, for the same app,
 * endpoint, method and parameters.
 */
export class ParkedRequests {
  readonly #clock: Clock;
  readonly #sealing = newSealing();
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  countOf(appId: string): number {
    let waiting = 0;
    for (const { conversation } of this.#waiting.values()) if (conversation.app.id === appId) waiting++;
    return waiting;
  }

  /** Whether a `requestState` is a handle of this process, whatever it is good for. A server's own goes to the server, however it looks. */
  issued(state: string): boolean {
    return state.startsWith(this.#sealing.marker);
  }

  /** The `requestState` by which the caller goes on; undefined when the parameters have no canonical form to bind it to. */
  park(conversation: ModernConversation, seconds: number): string | undefined {
    const context = contextOf(conversation);
    if (context === undefined) return undefined;
    const id = randomUUID();
    this.#waiting.set(id, { conversation, until: this.#clock.now() + seconds * 1_000 });
    return sealState(this.#sealing, id, context);
  }

  /** The request a handle stands for, if it still waits. Nothing happens to it until it is taken. */
  find(state: string, retry: Retry): { readonly conversation: ModernConversation; take(): void } | undefined {
    const context = contextOf(retry);
    const id = context === undefined ? undefined : openState(this.#sealing, state, context);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined || waiting.until <= this.#clock.now()) return undefined;
    return { conversation: waiting.conversation, take: () => void this.#waiting.delete(id) };
  }

  /** Called now and then: what waited too long ends as if the caller had cancelled it. */
  expire(): void {
    const now = this.#clock.now();
    for (const [id, { conversation, until }] of this.#waiting) if (until <= now) this.#end(id, conversation, 'caller');
  }

  endWhere(ends: (appId: string) => boolean, reason: StopReason): void {
    for (const [id, { conversation }] of this.#waiting) {
      if (ends(conversation.app.id)) this.#end(id, conversation, reason);
    }
  }

  #end(id: string, conversation: ModernConversation, reason: StopReason): void {
    this.#waiting.delete(id);
    conversation.stop(reason);
  }
}

/** What the caller may change between its attempts, and nothing else. */
const changing: ReadonlySet<string> = new Set(['_meta', 'requestState', 'inputResponses']);

function contextOf({ app, endpoint, method, params }: Retry): string | undefined {
  const salient = Object.fromEntries(Object.entries(params).filter(([key]) => !changing.has(key)));
  try {
    return JSON.stringify([app.id, endpointKey(endpoint), method, sha256OfJson(salient)]);
  } catch (error) {
    if (error instanceof NotCanonical) return undefined;
    throw error;
  }
}
