import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { BackendReply } from './backends.ts';
import { BackendFailure } from './failure.ts';
import type { ListenStream } from './listen-stream.ts';
import { unlessAborted } from './unless-aborted.ts';

/** Of one session, resources and tasks together. */
const WATCHED = 1_000;
/** Subscriptions asked for at a time. */
const AT_A_TIME = 8;
const REQUEST_MS = 60_000;
/** How long a server may take to say which subscriptions it takes up. */
const ACKNOWLEDGE_MS = 30_000;
const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;
/** What a client that asks for news of tasks must declare (Tasks extension, §Task status notifications). */
const TASKS_EXTENSION: JsonObject = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

type Refused = Extract<BackendReply, { ok: false }>;

export interface WatchSource {
  readonly alias: string;
  readonly era: 'legacy' | 'modern';
  readonly capabilities: JsonObject;
  request(
    method: string,
    params: JsonObject,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<BackendReply>;
  /** Opens a `subscriptions/listen` stream for these notifications. */
  listen(notifications: JsonObject, clientCapabilities: JsonObject): ListenStream;
}

/** What one session's server should report updates of, kept equal to what is wanted. */
export class Watches {
  readonly #source: WatchSource;
  /** Taken up by the server. */
  #watched: ReadonlySet<string> = new Set();
  #stream: ListenStream | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(source: WatchSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.era === 'modern' && this.#stream?.alive !== true ? 0 : this.#watched.size;
  }

  /** Answers what the server refused, by URI or task. One change after the other. Rejects with BackendFailure. */
  set(
    uris: ReadonlySet<string>,
    tasks: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, BackendReply>> {
    const work = this.#turn.then(() => this.#change(uris, tasks, signal));
    this.#turn = work.catch(() => undefined);
    return work;
  }

  end(): void {
    this.#stream?.close();
  }

  async #change(
    uris: ReadonlySet<string>,
    tasks: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, BackendReply>> {
    const refused = new Map<string, BackendReply>();
    const wanted = new Set<string>();
    const { resources } = this.#source.capabilities;
    const offered = isJsonObject(resources) && resources.subscribe === true;
    for (const uri of uris) {
      if (!offered) refused.set(uri, this.#refusal(METHOD_NOT_FOUND, 'does not report updates of its resources'));
      else if (wanted.size >= WATCHED) refused.set(uri, this.#refusal(INTERNAL_ERROR, TOO_MANY));
      else wanted.add(uri);
    }
    if (this.#source.era === 'legacy') {
      await this.#subscribe(wanted, refused, signal);
      return refused;
    }
    const wantedTasks = new Set<string>();
    for (const task of tasks) {
      if (wanted.size + wantedTasks.size >= WATCHED) refused.set(task, this.#refusal(INTERNAL_ERROR, TOO_MANY));
      else wantedTasks.add(task);
    }
    await this.#listen(wanted, wantedTasks, refused, signal);
    return refused;
  }

  /** 2025-11-25, Resources, §Subscriptions: one request per URI. */
  async #subscribe(
    wanted: ReadonlySet<string>,
    refused: Map<string, BackendReply>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const watched = new Set(this.#watched);
    this.#watched = watched;
    const ask = (method: string, uri: string) =>
      this.#source.request(method, { uri }, { timeoutMs: REQUEST_MS, ...(signal && { signal }) });
    await inTurns(
      [...wanted].filter((uri) => !watched.has(uri)),
      async (uri) => {
        const reply = await ask('resources/subscribe', uri);
        if (reply.ok) watched.add(uri);
        else refused.set(uri, reply);
      },
    );
    await inTurns(
      [...watched].filter((uri) => !wanted.has(uri)),
      async (uri) => {
        watched.delete(uri);
        // Refused or not: what comes for it is not wanted any more.
        await ask('resources/unsubscribe', uri);
      },
    );
  }

  /** 2026-07-28, Subscriptions: one stream for all of them. The old one goes when the new one is taken up, so that nothing is missed between. */
  async #listen(
    uris: ReadonlySet<string>,
    tasks: ReadonlySet<string>,
    refused: Map<string, BackendReply>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const wanted = new Set([...uris, ...tasks]);
    if (this.size === wanted.size && [...wanted].every((each) => this.#watched.has(each))) return;
    let stream: ListenStream | undefined;
    let taken: readonly string[] = [];
    if (wanted.size > 0) {
      const notifications: JsonObject = {
        ...(uris.size > 0 && { resourceSubscriptions: [...uris] }),
        ...(tasks.size > 0 && { taskIds: [...tasks] }),
      };
      stream = this.#source.listen(notifications, tasks.size > 0 ? TASKS_EXTENSION : {});
      try {
        taken = await this.#takenUp(stream, wanted, refused, signal);
      } catch (error) {
        stream.close();
        throw error;
      }
    }
    this.#stream?.close();
    this.#stream = stream;
    this.#watched = new Set(taken);
    if (taken.length === 0) stream?.close();
  }

  async #takenUp(
    stream: ListenStream,
    wanted: ReadonlySet<string>,
    refused: Map<string, BackendReply>,
    signal: AbortSignal | undefined,
  ): Promise<readonly string[]> {
    const { alias } = this.#source;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const text = `The server "${alias}" did not say within ${ACKNOWLEDGE_MS / 1_000} seconds which updates it will report.`;
        reject(new BackendFailure('timeout', alias, text));
      }, ACKNOWLEDGE_MS);
    });
    const first = Promise.race([stream.acknowledged, late]).finally(() => clearTimeout(timer));
    const answer = await unlessAborted(first, signal, alias);
    if (!answer.ok) {
      for (const each of wanted) refused.set(each, answer);
      return [];
    }
    const { resourceSubscriptions, taskIds } = answer.notifications;
    const taken = new Set<unknown>([resourceSubscriptions, taskIds].filter((list) => Array.isArray(list)).flat());
    for (const each of wanted)
      if (!taken.has(each)) refused.set(each, this.#refusal(INTERNAL_ERROR, 'does not report updates of this'));
    return [...wanted].filter((each) => taken.has(each));
  }

  #refusal(code: number, why: string): Refused {
    return { ok: false, error: { code, message: `The server "${this.#source.alias}" ${why}.` } };
  }
}

const TOO_MANY = `is asked for updates of ${WATCHED} resources already, which is as many as Gatehouse asks for`;

/** A few at a time; ends with the first that fails. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}
