import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { Hears } from './announcements.ts';
import type { Listening } from './conversation.ts';
import { type Exchange, refuse, type Service } from './exchange.ts';
import type { McpHeaders } from './mcp-headers.ts';
import { envelopeOf, modernSession, unknownLogLevel } from './modern-conversation.ts';
import { acceptsStream, EventStream, sendJson } from './sse.ts';
import {
  errorMessage,
  metaKey,
  notificationMessage,
  type RpcId,
  type RpcRequest,
  resultMessage,
  rpcCode,
} from './wire.ts';

/** What changes on its own and can be told. */
export type ListedKind = 'tools' | 'prompts' | 'resources';

export const listChanged = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
} as const satisfies Record<ListedKind, string>;

const filterKey = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
} as const satisfies Record<ListedKind, string>;

const kinds = Object.keys(filterKey) as readonly ListedKind[];

/** Resources one stream may watch, and characters in each of their URIs. */
const watchLimit = 256;
const uriLimit = 8_192;
/** Messages that wait for an acknowledgement. */
const earlyLimit = 64;

interface Filter {
  readonly kinds: ReadonlySet<ListedKind>;
  readonly uris: readonly string[];
}

/** What a modern caller asked to hear of ("Notification Filter"); or what is wrong with it. */
export function filterOf(params: JsonObject): Filter | string {
  const filter = params.notifications;
  if (!isJsonObject(filter)) return '"notifications" is required, and says true or false for each kind';
  const wanted = new Set<ListedKind>();
  for (const kind of kinds) {
    const wish = filter[filterKey[kind]];
    if (wish !== undefined && typeof wish !== 'boolean') return `"${filterKey[kind]}" must be true or false`;
    if (wish === true) wanted.add(kind);
  }
  const uris: unknown = filter.resourceSubscriptions ?? [];
  const fits = (uri: unknown): uri is string => typeof uri === 'string' && uri.length <= uriLimit;
  if (!Array.isArray(uris) || uris.length > watchLimit || !uris.every(fits)) {
    return `"resourceSubscriptions" must be at most ${watchLimit} URIs of at most ${uriLimit} characters`;
  }
  return { kinds: wanted, uris };
}

/** One `subscriptions/listen` stream. */
class Listener implements Listening {
  readonly era = 'modern';
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly session: string;
  readonly capabilities: JsonObject;
  readonly #left = new AbortController();
  readonly #id: RpcId;
  readonly #stream: EventStream;
  readonly #kinds: ReadonlySet<ListedKind>;
  #watches: boolean;
  /** Until the acknowledgement went out nothing else may: it waits here. */
  #early: string[] | undefined = [];

  constructor({ app, endpoint }: Exchange, id: RpcId, stream: EventStream, filter: Filter, capabilities: JsonObject) {
    this.app = app;
    this.endpoint = endpoint;
    this.session = modernSession(app.id);
    this.capabilities = capabilities;
    this.#id = id;
    this.#stream = stream;
    this.#kinds = filter.kinds;
    this.#watches = filter.uris.length > 0;
  }

  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /** Nobody hears this any more: what was begun for its sake is not gone on with. */
  left(): void {
    this.#left.abort('caller');
  }

  /** Nothing is sent that was not asked for; and what belongs to a request flows on that request's own stream. */
  notify(method: string, params: JsonObject): void {
    if (method === 'notifications/resources/updated' && this.#watches) this.#send(this.#stamped(method, params));
  }

  announce(kind: ListedKind): void {
    if (this.#kinds.has(kind)) this.#send(this.#stamped(listChanged[kind], {}));
  }

  /** "Acknowledgment": the first message says what will be told. False when that is nothing. */
  acknowledge(uris: readonly string[]): boolean {
    this.#watches = uris.length > 0;
    const notifications = {
      ...Object.fromEntries([...this.#kinds].map((kind) => [filterKey[kind], true])),
      ...(this.#watches && { resourceSubscriptions: uris }),
    };
    this.#stream.tell(this.#stamped('notifications/subscriptions/acknowledged', { notifications }));
    for (const text of this.#early ?? []) this.#stream.tell(text);
    this.#early = undefined;
    return this.#watches || this.#kinds.size > 0;
  }

  pulse(): void {
    this.#stream.pulse();
  }

  /** "Graceful Closure": the request's own result says that the stream ended on purpose. */
  end(): void {
    const result = { resultType: 'complete', _meta: { [metaKey.subscriptionId]: this.#id } };
    this.#stream.deliver(resultMessage(this.#id, JSON.stringify(result)));
    this.#stream.end();
  }

  #send(text: string): void {
    if (this.#early === undefined) this.#stream.tell(text);
    else if (this.#early.length < earlyLimit) this.#early.push(text);
  }

  #stamped(method: string, params: JsonObject): string {
    const meta = isJsonObject(params._meta) ? params._meta : {};
    return notificationMessage(method, { ...params, _meta: { ...meta, [metaKey.subscriptionId]: this.#id } });
  }
}

/** Open `subscriptions/listen` streams of modern callers (MCP 2026-07-28, "Subscriptions"). */
export class Listeners {
  readonly #service: Service;
  readonly #listeners = new Set<Listener>();

  constructor(service: Service) {
    this.#service = service;
  }

  async listen(exchange: Exchange, { id, params }: RpcRequest): Promise<void> {
    const { request, response, app, endpoint, limits } = exchange;
    const { answering, streamsOf, log } = this.#service;
    const filter = filterOf(params);
    const envelope = envelopeOf(request.headers as McpHeaders, params);
    if (typeof filter === 'string' || envelope === undefined) {
      const message = `Invalid params: ${typeof filter === 'string' ? filter : unknownLogLevel}`;
      return sendJson(response, 200, errorMessage(id, { code: rpcCode.invalidParams, message }));
    }
    if (!acceptsStream(request.headers.accept)) {
      return refuse(response, 406, id, 'Not acceptable: this stream is text/event-stream');
    }
    if (streamsOf(app.id) >= limits.streamsPerApp) {
      const message = 'This app already listens on as many streams as it may';
      return sendJson(response, 200, errorMessage(id, { code: rpcCode.refused, message }));
    }
    const wanted = offeredOf(filter, answering.capabilities(app, endpoint));
    const listener = new Listener(exchange, id, new EventStream(response), wanted, envelope.capabilities);
    this.#listeners.add(listener);
    response.on('close', () => this.#left(listener));
    if (response.destroyed) return this.#left(listener);
    let uris: readonly string[] = [];
    try {
      if (wanted.uris.length > 0) uris = await answering.watch(listener, wanted.uris);
    } catch (error) {
      // What cannot be watched is not promised: the acknowledgement leaves it out.
      log.warn('resources-not-watched', { error: String(error) });
    }
    if (!this.#listeners.has(listener) || listener.acknowledge(uris)) return;
    this.#listeners.delete(listener);
    listener.end();
  }

  /** Open streams of one app. */
  countOf(appId: string): number {
    let open = 0;
    for (const { app } of this.#listeners) if (app.id === appId) open++;
    return open;
  }

  announce(kind: ListedKind, hears: Hears): void {
    for (const listener of this.#listeners) if (hears(listener)) listener.announce(kind);
  }

  pulse(): void {
    for (const listener of this.#listeners) listener.pulse();
  }

  endWhere(ends: (appId: string) => boolean): void {
    for (const listener of [...this.#listeners]) {
      if (!ends(listener.app.id)) continue;
      this.#left(listener);
      listener.end();
    }
  }

  addCounts(counts: Map<string, number>): void {
    for (const { app } of this.#listeners) counts.set(app.id, (counts.get(app.id) ?? 0) + 1);
  }

  #left(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return;
    listener.left();
    this.#service.answering.watch(listener, []).catch((error: unknown) => {
      this.#service.log.warn('resources-still-watched', { error: String(error) });
    });
  }
}

/** Only what this endpoint said it tells of. */
function offeredOf(filter: Filter, capabilities: JsonObject): Filter {
  const says = (kind: string, what: string) => {
    const declared = capabilities[kind];
    return isJsonObject(declared) && declared[what] === true;
  };
  return {
    kinds: new Set([...filter.kinds].filter((kind) => says(kind, 'listChanged'))),
    uris: says('resources', 'subscribe') ? filter.uris : [],
  };
}
