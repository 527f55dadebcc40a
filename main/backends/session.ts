import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import type { BackendReply, BackendSession, ListKind, RequestOptions } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { Lists } from './lists.ts';
import { parameterHeaders } from './mcp-headers.ts';
import { type Agreement, type ClientInfo, modernMeta } from './negotiate.ts';
import type { Rpc } from './rpc.ts';

/** Node's largest timer, about 24 days: a listen stream has no end of its own. */
const ENDLESS_MS = 2 ** 31 - 1;
const LISTEN_AGAIN_MS = { first: 1_000, most: 60_000 };

export interface SessionHooks {
  /** A request began or ended. */
  onUse(): void;
  onListChanged(kind: ListKind): void;
  /** The owner called `close`. */
  onClose(): void;
  /** A list equal to one that is kept already, or this one: a hundred sessions with one server show one list. */
  share(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[];
}

/** One negotiated connection. */
export class Session implements BackendSession {
  readonly alias: string;
  readonly era: 'legacy' | 'modern';
  readonly protocolVersion: string;
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
  readonly #rpc: Rpc;
  readonly #clientInfo: ClientInfo;
  readonly #clock: Clock;
  readonly #hooks: SessionHooks;
  readonly #listeners = new Set<(method: string, params: JsonObject) => void>();
  readonly #listening = new AbortController();
  readonly #lists: Lists;
  #working = 0;

  constructor(rpc: Rpc, agreement: Agreement, clientInfo: ClientInfo, clock: Clock, hooks: SessionHooks) {
    this.#rpc = rpc;
    this.#clientInfo = clientInfo;
    this.#clock = clock;
    this.#hooks = hooks;
    this.alias = rpc.alias;
    this.era = agreement.era;
    this.protocolVersion = agreement.protocolVersion;
    this.serverInfo = agreement.serverInfo;
    this.capabilities = agreement.capabilities;
    if (agreement.instructions !== undefined) this.instructions = agreement.instructions;
    this.#lists = new Lists({
      alias: this.alias,
      capabilities: this.capabilities,
      clock,
      request: (method, params, options) => this.request(method, params, options),
      share: (kind, list) => hooks.share(kind, list),
    });
  }

  get busy(): boolean {
    return this.#working > 0;
  }

  async request(method: string, params: JsonObject, options: RequestOptions): Promise<BackendReply> {
    this.#working += 1;
    this.#hooks.onUse();
    try {
      const sent = this.#withMeta(params, options.clientCapabilities ?? {});
      // Only what needs it waits: everything else is on the wire when this returns.
      const needsHeaders = this.era === 'modern' && method === 'tools/call' && this.#rpc.wire.answersWithinSend;
      const headers = needsHeaders ? await this.#headers(params, options.signal) : undefined;
      return await this.#rpc.exchange(method, sent, { ...options, ...(headers && { headers }) });
    } finally {
      this.#working -= 1;
      this.#hooks.onUse();
    }
  }

  async notify(method: string, params: JsonObject): Promise<void> {
    this.#hooks.onUse();
    await this.#rpc.notify(method, this.#withMeta(params, {}));
  }

  tools(maxAgeMs: number, signal?: AbortSignal): Promise<readonly JsonObject[]> {
    return this.list('tools', maxAgeMs, signal);
  }

  async list(kind: ListKind, maxAgeMs: number, signal?: AbortSignal): Promise<readonly JsonObject[]> {
    this.#hooks.onUse();
    if (this.#rpc.failure) throw this.#rpc.failure;
    return this.#lists.read(kind, maxAgeMs, signal);
  }

  async watch(uris: ReadonlySet<string>): Promise<ReadonlyMap<string, BackendReply>> {
    if (uris.size === 0) return new Map();
    throw new BackendFailure('protocol', this.alias, `The server "${this.alias}" cannot be asked for updates yet.`);
  }

  onNotification(listener: (method: string, params: JsonObject) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#hooks.onClose();
    await this.end(
      new BackendFailure('cancelled', this.alias, `The session with the server "${this.alias}" was closed.`),
    );
  }

  /** Closes with the reason that pending and later requests are rejected with. */
  async end(failure: BackendFailure): Promise<void> {
    this.#listening.abort();
    await this.#rpc.close(failure);
  }

  receive(method: string, params: JsonObject): void {
    const changed = CHANGED.get(method);
    if (changed !== undefined) this.#changed(changed);
    for (const listener of [...this.#listeners]) listener(method, params);
  }

  /**
   * The connection is up: takes up what the server says unasked. A 2026 server says it on a `subscriptions/listen` stream, which is opened if
   * the server offers any change notification and again when it ends. Best effort: pins are checked on each call anyway.
   */
  listen(): void {
    const filter: Record<string, boolean> = {};
    for (const [kind, key] of LISTENABLE) {
      const capability = this.capabilities[kind];
      if (isJsonObject(capability) && capability.listChanged === true) filter[key] = true;
    }
    if (this.era === 'modern' && Object.keys(filter).length > 0) {
      this.#listenOn(filter).catch((error: unknown) => this.#rpc.fault('backend-listen', error));
    }
  }

  async #listenOn(filter: JsonObject): Promise<void> {
    const { signal } = this.#listening;
    for (let fruitless = 0; !signal.aborted && fruitless < 10; fruitless += 1) {
      const since = this.#clock.now();
      try {
        const params = this.#withMeta({ notifications: filter }, {});
        const reply = await this.#rpc.exchange('subscriptions/listen', params, { timeoutMs: ENDLESS_MS, signal });
        if (!reply.ok) return;
      } catch (error) {
        if (!(error instanceof BackendFailure)) throw error;
      }
      if (signal.aborted || this.#rpc.failure) return;
      // What changed while nobody listened is unknown.
      this.#lists.forgetAll();
      if (this.#clock.now() - since > LISTEN_AGAIN_MS.most) fruitless = 0;
      const wait = Math.min(LISTEN_AGAIN_MS.first * 2 ** fruitless, LISTEN_AGAIN_MS.most);
      await sleep(wait, undefined, { signal, ref: false }).catch(() => {
        // Aborted: the loop's condition ends it.
      });
    }
  }

  #changed(kind: ListKind): void {
    this.#lists.forget(kind);
    if (kind === 'resources') this.#lists.forget('resourceTemplates');
    this.#hooks.onListChanged(kind);
  }

  #withMeta(params: JsonObject, capabilities: JsonObject): JsonObject {
    if (this.era === 'legacy') return params;
    const own = modernMeta(this.protocolVersion, this.#clientInfo, capabilities);
    return { ...params, _meta: { ...(isJsonObject(params._meta) ? params._meta : {}), ...own } };
  }

  /** Mcp-Param-* need the tool's definition: the last one read, even when a newer one is announced, or else the list read for it. */
  async #headers(params: JsonObject, signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (!this.#lists.last('tools')) {
      await this.tools(0, signal).catch((error: unknown) => {
        // Without the list the call may still be right; if not, the server itself says which header is missing.
        if (!(error instanceof BackendFailure)) throw error;
      });
    }
    const definition = this.#lists.last('tools')?.find((tool) => tool.name === params.name);
    return parameterHeaders(definition, params.arguments);
  }
}

const LISTENABLE = [
  ['tools', 'toolsListChanged'],
  ['prompts', 'promptsListChanged'],
  ['resources', 'resourcesListChanged'],
] as const;

/** Resources' change covers templates. */
const CHANGED: ReadonlyMap<string, ListKind> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/prompts/list_changed', 'prompts'],
  ['notifications/resources/list_changed', 'resources'],
]);
