import type { BackendReply, BackendSession, ClientSide, Origin, ServerRequest } from '../backends/backends.ts';
import { FewSet } from '../policy/few.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import { CallOrigin } from './call-origin.ts';
import type { Conversation, Listening } from './conversation.ts';
import type { InForce } from './gateway.ts';
import type { ServerQuestions } from './server-questions.ts';
import { type MayWatch, SideWatching } from './side-watching.ts';
import { uriNames } from './uris.ts';
import { logLevels, rpcCode } from './wire.ts';

/** How long a server may take over what it is told beside requests. */
const tellMs = 10_000;
/** Tasks of callers that one server may know of. */
const callerTaskLimit = 1_000;

/** What servers say unasked that never reaches a caller as it is: lists are announced by the catalog, the rest belongs to the hop. */
const ownToTheHop: ReadonlySet<string> = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/subscriptions/acknowledged',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
]);

/** What a caller of 2026-07-28 does not know any more, or hears of on streams that ask for it only. */
const legacyOnly: ReadonlySet<string> = new Set(['notifications/elicitation/complete', 'notifications/tasks/status']);

/** What stands behind one backend session of a caller: it answers for the caller, and passes on to it. */
export class Side implements ClientSide {
  readonly alias: string;
  readonly app: CallingApp;
  readonly capabilities: JsonObject;
  readonly prefers: 'legacy' | 'modern';
  /** Requests of the caller that are under way in this session. */
  readonly running = new FewSet<CallOrigin>();
  readonly #standing: Listening | undefined;
  readonly #questions: ServerQuestions;
  readonly #inForce: () => InForce;
  readonly #log: Log;
  readonly #watching = new SideWatching();
  readonly #mayWatch: MayWatch;
  /** Tasks the caller made of this server's requests: of others' it learns nothing. */
  readonly #callerTasks = new Set<string>();
  /** Requests that hold a session of it, or wait for one. */
  uses = 0;
  /** The policy lets its caller see nothing of the server any more: it ends with the last request under way. */
  hidden = false;
  #ended = false;
  /** The server was not told what is watched now. */
  #untold = false;
  #session: BackendSession | undefined;
  #level: string | undefined;

  /** `mayWatch` is asked about what is watched whenever the server is to be told anew. */
  constructor(parts: {
    readonly alias: string;
    readonly app: CallingApp;
    readonly capabilities: JsonObject;
    readonly standing: Listening | undefined;
    readonly questions: ServerQuestions;
    readonly inForce: () => InForce;
    readonly mayWatch: MayWatch;
    readonly log: Log;
  }) {
    this.alias = parts.alias;
    this.app = parts.app;
    this.capabilities = parts.capabilities;
    this.prefers = parts.standing?.era ?? 'modern';
    this.#standing = parts.standing;
    this.#questions = parts.questions;
    this.#inForce = parts.inForce;
    this.#mayWatch = parts.mayWatch;
    this.#log = parts.log;
  }

  /** Whether the server was told of anything it may ask. */
  get asks(): boolean {
    for (const _capability in this.capabilities) return true;
    return false;
  }

  /** The session last opened; it may be gone by now. */
  get session(): BackendSession | undefined {
    return this.#session;
  }

  /** The endpoint of the one caller there is; undefined where requests of several share it. */
  get endpoint(): Endpoint | undefined {
    return this.#standing?.endpoint;
  }

  /** Neither a request nor a watch needs it. */
  get idle(): boolean {
    return this.uses === 0 && this.#watching.all.size === 0;
  }

  onOpen(session: BackendSession): void {
    if (this.#ended) {
      session.close().catch((error: unknown) => this.#note('backend-session-not-closed', error));
      return;
    }
    this.#session = session;
    if (this.#level !== undefined) this.#tellLevel(session, this.#level);
    this.#untold = this.#watching.all.size > 0;
    if (this.#inForce().ok) this.keepWatching(this.#mayWatch);
  }

  /** Drops what may not be watched any more; the server is told of it, and of what a new session of it does not know yet. */
  keepWatching(mayWatch: MayWatch): void {
    const dropped = this.#watching.keep(mayWatch);
    const session = this.#session;
    if (session === undefined || (!dropped && !this.#untold)) return;
    this.#untold = false;
    session.watch(this.#watching.all).catch((error: unknown) => this.#note('backend-not-watched-again', error));
  }

  /** Its caller is gone, or sees nothing of the server: nothing more comes from it, and a session that opens late is closed. */
  end(): void {
    this.#ended = true;
    this.#watching.keep(() => false);
  }

  /** A legacy caller wants messages of this severity and above. */
  setLevel(level: string): void {
    if (this.#level === level) return;
    this.#level = level;
    if (this.#session !== undefined) this.#tellLevel(this.#session, level);
  }

  /** Of several requests that share this session, the one that wants most decides what the server says; each caller is told no more than it wants. */
  async wantLevel(session: BackendSession, level: string): Promise<void> {
    if (session.era === 'modern' || session.capabilities.logging === undefined) return;
    if (this.#level !== undefined && rankOf(this.#level) <= rankOf(level)) return;
    this.#level = level;
    await this.#sendLevel(session, level);
  }

  rootsChanged(): void {
    const { roots } = this.capabilities;
    const session = this.#session;
    if (session === undefined || session.era === 'modern') return;
    if (!isJsonObject(roots) || roots.listChanged !== true) return;
    session
      .notify('notifications/roots/list_changed', {})
      .catch((error: unknown) => this.#note('roots-change-not-told', error));
  }

  watchedBy(listening: Listening): ReadonlySet<string> {
    return this.#watching.of(listening);
  }

  /** Replaces what one listener hears of; answers the server's refusals by URI. Rejects with BackendFailure. */
  async watch(
    session: BackendSession,
    listening: Listening,
    uris: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, BackendReply>> {
    const before = this.#watching.of(listening);
    this.#watching.set(listening, uris);
    let refusals: ReadonlyMap<string, BackendReply>;
    try {
      refusals = await session.watch(this.#watching.all);
    } catch (error) {
      // What was dropped meanwhile does not come back.
      this.#watching.without(listening, new Set([...uris].filter((uri) => !before.has(uri))));
      throw error;
    }
    const refused = [...refusals].filter(([, reply]) => !reply.ok).map(([uri]) => uri);
    if (refused.length > 0) this.#watching.without(listening, new Set(refused));
    return refusals;
  }

  /** Forgets what a listener heard of, without telling the server. */
  unwatch(listening: Listening, kept: ReadonlySet<string>): void {
    this.#watching.set(listening, kept);
  }

  async onRequest({ method, params, origin, signal }: ServerRequest): Promise<BackendReply> {
    if (method.startsWith('tasks/')) return this.#onTaskRequest({ method, params, origin, signal });
    const reply = await this.#ask({ method, params, origin, signal });
    if (reply.ok && isJsonObject(params.task)) this.#learnTask(reply.result.task);
    return reply;
  }

  async #onTaskRequest(request: ServerRequest): Promise<BackendReply> {
    const { taskId } = request.params;
    const known = typeof taskId === 'string' && this.#callerTasks.has(taskId);
    if (request.method !== 'tasks/list' && !known) {
      const message = 'Failed to retrieve task: Task not found';
      return { ok: false, error: { code: rpcCode.invalidParams, message } };
    }
    const reply = await this.#ask(request);
    if (!reply.ok || request.method !== 'tasks/list') return reply;
    const tasks = Array.isArray(reply.result.tasks) ? reply.result.tasks : [];
    const own = tasks.filter((task) => isJsonObject(task) && this.#callerTasks.has(String(task.taskId)));
    return { ok: true, result: { ...reply.result, tasks: own } };
  }

  #learnTask(task: unknown): void {
    if (!isJsonObject(task) || typeof task.taskId !== 'string') return;
    this.#callerTasks.add(task.taskId);
    const [oldest] = this.#callerTasks;
    if (this.#callerTasks.size > callerTaskLimit && oldest !== undefined) this.#callerTasks.delete(oldest);
  }

  async #ask({ method, params, origin, signal }: ServerRequest): Promise<BackendReply> {
    const calls = origin instanceof CallOrigin ? [origin] : this.running.values();
    const [call, another] = calls;
    // Where the connection cannot tell which of several calls a question belongs to, it is their session's, and ends with none of them.
    const asked =
      another === undefined || this.#standing === undefined
        ? { alias: this.alias, caller: call?.conversation ?? this.#heardBy, callId: call?.callId }
        : { alias: this.alias, caller: this.#heardBy, callId: undefined };
    const runOn = calls.map(({ deadline }) => deadline?.hold());
    try {
      return await this.#questions.ask(asked, method, params, signal);
    } finally {
      for (const run of runOn) run?.();
    }
  }

  onNotification(method: string, params: JsonObject, origin: Origin | undefined): void {
    if (ownToTheHop.has(method)) return;
    if (method === 'notifications/resources/updated') {
      this.#resourceUpdated(params);
      return;
    }
    if (method === 'notifications/message' && !this.#mayLog()) return;
    const conversation: Conversation | undefined = origin instanceof CallOrigin ? origin.conversation : undefined;
    const listener = conversation ?? this.#heardBy;
    if (listener === undefined || (listener.era === 'modern' && legacyOnly.has(method))) return;
    listener.notify(method, params);
  }

  /** Whom what belongs to no request goes to: nobody while its caller may not see the server. */
  get #heardBy(): Listening | undefined {
    return this.hidden || this.#ended || !this.#inForce().ok ? undefined : this.#standing;
  }

  /** Where no logging was declared when the server was pinned, callers were told of none ("Capability Negotiation"). */
  #mayLog(): boolean {
    const inForce = this.#inForce();
    const server = inForce.ok && inForce.snapshot.manifest.servers.find(({ alias }) => alias === this.alias);
    return server ? server.capabilities.logging !== undefined : false;
  }

  /** As the server says it but for the URI: what it says beside it reaches only who may watch this. */
  #resourceUpdated(params: JsonObject): void {
    const { uri } = params;
    const inForce = this.#inForce();
    if (typeof uri !== 'string' || !inForce.ok) return;
    for (const listening of this.#watching.hearing(uri)) {
      const rename = uriNames(inForce.snapshot.manifest, listening.endpoint).renamerOf(this.alias);
      listening.notify(
        'notifications/resources/updated',
        rename === undefined ? params : { ...params, uri: rename(uri) },
      );
    }
  }

  #tellLevel(session: BackendSession, level: string): void {
    if (session.era === 'modern' || session.capabilities.logging === undefined) return;
    void this.#sendLevel(session, level);
  }

  async #sendLevel(session: BackendSession, level: string): Promise<void> {
    try {
      const reply = await session.request('logging/setLevel', { level }, { timeoutMs: tellMs });
      if (!reply.ok) this.#note('log-level-refused', reply.error.message);
    } catch (error) {
      // Messages are a courtesy: the call they belong to goes on without.
      this.#note('log-level-not-told', error);
    }
  }

  #note(event: string, error: unknown): void {
    this.#log.debug(event, { alias: this.alias, error: String(error) });
  }
}

/** The least severe first. */
function rankOf(level: string): number {
  return (logLevels as readonly string[]).indexOf(level);
}
