import { idKey, type Message, type RpcId } from './message.ts';

/** A request of the app, or a batch of them, until it is answered. */
export class Flying {
  readonly message: Extract<Message, { kind: 'request' | 'batch' }>;
  readonly #waiting: Map<string, RpcId>;
  readonly #stop = new AbortController();
  readonly #sent: Promise<void>;
  #markSent: () => void = () => undefined;
  /** The app took it back: it wants no answer, and none that comes is news. */
  cancelled = false;
  /** Gatehouse may have it. */
  left = false;

  constructor(message: Flying['message']) {
    this.message = message;
    const ids = message.kind === 'request' ? [message.id] : message.ids;
    this.#waiting = new Map(ids.map((id) => [idKey(id), id]));
    this.#sent = new Promise((resolve) => {
      this.#markSent = resolve;
    });
  }

  get method(): string {
    return this.message.kind === 'request' ? this.message.method : '';
  }

  get modern(): boolean {
    return this.message.kind === 'request' && this.message.era === 'modern';
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves when the request has left, or never will: what the app sent after it may go. */
  get sent(): Promise<void> {
    return this.#sent;
  }

  markSent(): void {
    this.left = true;
    this.#markSent();
  }

  /** Ids not answered yet. */
  get waiting(): readonly RpcId[] {
    return [...this.#waiting.values()];
  }

  get answered(): boolean {
    return this.#waiting.size === 0;
  }

  /** True when this was waited for. */
  answer(id: RpcId): boolean {
    return this.#waiting.delete(idKey(id));
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Whether asking twice does no more than asking once: then a broken connection need not trouble the app. */
  get repeatable(): boolean {
    if (this.message.kind !== 'request' || !repeatable.has(this.message.method)) return false;
    const { params } = this.message;
    // An answer to a server's question is given once (2026-07-28, Multi Round-Trip Requests).
    return params.requestState === undefined && params.inputResponses === undefined;
  }
}

const repeatable: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'subscriptions/listen',
  'logging/setLevel',
  'tools/list',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
  'tasks/get',
  'tasks/list',
  'tasks/result',
]);
