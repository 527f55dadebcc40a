import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { BackendReply, BackendSession, ClientSide, ListKind, Origin, RequestOptions } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { headerFault } from './header-declarations.ts';
import { ListenStream } from './listen-stream.ts';
import { Lists } from './lists.ts';
import { parameterHeaders } from './mcp-headers.ts';
import { type Agreement, type ClientInfo, modernMeta } from './negotiate.ts';
import { LOG_LEVEL_META_KEY } from './revision-names.ts';
import type { Rpc } from './rpc.ts';
import { withoutSubscription } from './subscription-id.ts';
import { Watches } from './watches.ts';
import type { Wire } from './wire.ts';

export interface SessionHooks {
  /** A request began or ended. */
  onUse(): void;
  onListChanged(kind: ListKind): void;
  /** The owner called `close`. */
  onClose(): void;
  /** A list equal to one that is kept already, or this one: a hundred sessions with one server show one list. */
  share(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[];
}

export interface SessionOptions {
  readonly rpc: Rpc;
  readonly agreement: Agreement;
  readonly clientInfo: ClientInfo;
  readonly clock: Clock;
  readonly log: Log;
  readonly hooks: SessionHooks;
  readonly client: ClientSide | undefined;
}

/** One negotiated connection. */
export class Session implements BackendSession {
  readonly alias: string;
  readonly transport: Wire['transport'];
  readonly era: 'legacy' | 'modern';
  readonly protocolVersion: string;
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
  readonly #rpc: Rpc;
  readonly #clientInfo: ClientInfo;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #hooks: SessionHooks;
  readonly #client: ClientSide | undefined;
  readonly #listeners = new Set<(method: string, params: JsonObject) => void>();
  readonly #lists: Lists;
  readonly #watches: Watches;
  #listening: ListenStream | undefined;
  #working = 0;

  constructor({ rpc, agreement, clientInfo, clock, log, hooks, client }: SessionOptions) {
    this.#rpc = rpc;
    this.#clientInfo = clientInfo;
    this.#clock = clock;
    this.#log = log;
    this.#hooks = hooks;
    this.#client = client;
    this.alias = rpc.alias;
    this.transport = rpc.wire.transport;
    this.era = agreement.era;
    this.protocolVersion = agreement.protocolVersion;
    this.serverInfo = agreement.serverInfo;
    this.capabilities = agreement.capabilities;
    if (agreement.instructions !== undefined) this.instructions = agreement.instructions;
    const { alias, era, capabilities } = this;
    const request: BackendSession['request'] = (method, params, options) => this.request(method, params, options);
    const share: SessionHooks['share'] = (kind, list) => hooks.share(kind, list);
    const usable = (kind: ListKind, list: readonly JsonObject[]) => this.#usable(kind, list);
    this.#lists = new Lists({ alias, capabilities, clock, request, usable, share });
    const listen = (notifications: JsonObject, declared: JsonObject) => this.#listenTo(notifications, declared);
    this.#watches = new Watches({ alias, era, capabilities, request, listen });
  }

  /** At work, asked by its server, or waited for: ending it would take something from its caller. */
  get busy(): boolean {
    return this.#working > 0 || this.#rpc.asked > 0 || this.#watches.size > 0 || this.#rpc.tasks.size > 0;
  }

  /** Updates are awaited. */
  get watching(): boolean {
    return this.#watches.size > 0;
  }

  async request(method: string, params: JsonObject, options: RequestOptions): Promise<BackendReply> {
    this.#working += 1;
    this.#hooks.onUse();
    try {
      const sent = this.#withMeta(params, options.clientCapabilities ?? {}, options.logLevel);
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

  async watch(
    uris: ReadonlySet<string>,
    signal?: AbortSignal,
    tasks: ReadonlySet<string> = new Set(),
  ): Promise<ReadonlyMap<string, BackendReply>> {
    if (this.#rpc.failure) throw this.#rpc.failure;
    this.#working += 1;
    this.#hooks.onUse();
    try {
      return await this.#watches.set(uris, tasks, signal);
    } finally {
      this.#working -= 1;
      this.#hooks.onUse();
    }
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
    this.#listening?.close();
    this.#watches.end();
    await this.#rpc.close(failure);
  }

  receive(method: string, params: JsonObject, origin: Origin | undefined): void {
    const changed = CHANGED.get(method);
    if (changed !== undefined) this.#changed(changed);
    const said = withoutSubscription(params);
    for (const listener of [...this.#listeners]) this.#guard(() => listener(method, said));
    // The acknowledgement answers this hop's own subscription.
    if (method === 'notifications/subscriptions/acknowledged') return;
    this.#guard(() => this.#client?.onNotification(method, said, isOfNoRequest(method) ? undefined : origin));
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
      this.#listening = this.#listenTo(filter, {}, () => this.#lists.forgetAll());
    }
  }

  #listenTo(notifications: JsonObject, declared: JsonObject, onGap?: () => void): ListenStream {
    return new ListenStream({
      rpc: this.#rpc,
      clock: this.#clock,
      params: this.#withMeta({ notifications }, declared),
      onNotification: (method, params) => this.receive(method, params, undefined),
      ...(onGap && { onGap }),
    });
  }

  #usable(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[] {
    if (kind !== 'tools' || this.era !== 'modern' || this.transport !== 'http') return list;
    return list.filter((tool) => {
      const fault = headerFault(tool);
      if (fault === undefined) return true;
      const name = String(tool.name).slice(0, 200);
      this.#log.warn('backend-tool-left-out', { alias: this.alias, tool: name, annotation: 'x-mcp-header', fault });
      return false;
    });
  }

  #changed(kind: ListKind): void {
    this.#lists.forget(kind);
    if (kind === 'resources') this.#lists.forget('resourceTemplates');
    this.#hooks.onListChanged(kind);
  }

  /** One listener's fault is neither the server's nor the other listeners'. */
  #guard(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#rpc.fault('backend-listener', error);
    }
  }

  #withMeta(params: JsonObject, capabilities: JsonObject, logLevel?: string): JsonObject {
    if (this.era === 'legacy') return params;
    const own = modernMeta(this.protocolVersion, this.#clientInfo, capabilities, logLevel);
    if (!isJsonObject(params._meta)) return { ...params, _meta: own };
    const { [LOG_LEVEL_META_KEY]: _, ...meta } = params._meta;
    return { ...params, _meta: { ...meta, ...own } };
  }

  /**
   * Mcp-Param-* need the tool's definition: the last one read, even when a newer one is announced, or else the list read for it. A server's
   * -32020 is handed on, not tried again under a newer definition: that one must be compared with its pin first.
   */
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

/** True of what is said of the server, whatever request it happened to come beside. */
function isOfNoRequest(method: string): boolean {
  return CHANGED.has(method) || method === 'notifications/resources/updated';
}
