import type { JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import type { BackendReply, ListKind } from './backends.ts';
import { LISTED, readListPages } from './list-pages.ts';
import { unlessAborted } from './unless-aborted.ts';

/** For one page; a whole list has ten times this. */
const PAGE_MS = 60_000;

export interface ListSource {
  readonly alias: string;
  readonly capabilities: JsonObject;
  readonly clock: Clock;
  request(
    method: string,
    params: JsonObject,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<BackendReply>;
  /** Leaves out what may not be used over this transport. */
  usable?(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[];
  /** A list equal to one that is kept already, or this one: a hundred sessions with one server show one list. */
  share(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[];
}

interface Kept {
  readonly list: readonly JsonObject[];
  readonly at: number;
}

/** What one session's server lists, of all kinds: read when asked for, kept until it is too old or said to have changed. */
export class Lists {
  readonly #source: ListSource;
  readonly #kept = new Map<ListKind, Kept>();
  readonly #last = new Map<ListKind, readonly JsonObject[]>();
  readonly #reads = new Map<ListKind, Promise<readonly JsonObject[]>>();
  /** Counts changes, so that a list read while one came is not kept. */
  readonly #changes = new Map<ListKind, number>();

  constructor(source: ListSource) {
    this.#source = source;
  }

  /** The last definitions read, however old. */
  last(kind: ListKind): readonly JsonObject[] | undefined {
    return this.#last.get(kind);
  }

  /** Rejects with BackendFailure. */
  read(kind: ListKind, maxAgeMs: number, signal?: AbortSignal): Promise<readonly JsonObject[]> {
    const kept = this.#kept.get(kind);
    if (kept && this.#source.clock.now() - kept.at <= maxAgeMs) return Promise.resolve(kept.list);
    // Readers share one walk; one that gives up leaves it to the others.
    let read = this.#reads.get(kind);
    if (!read) {
      const walk: Promise<readonly JsonObject[]> = this.#walk(kind).finally(() => {
        if (this.#reads.get(kind) === walk) this.#reads.delete(kind);
      });
      this.#reads.set(kind, walk);
      read = walk;
    }
    return unlessAborted(read, signal, this.#source.alias);
  }

  /** What is kept of this kind is out of date. */
  forget(kind: ListKind): void {
    this.#changes.set(kind, (this.#changes.get(kind) ?? 0) + 1);
    this.#kept.delete(kind);
    // A walk under way may have read old pages; the next reader starts a new one.
    this.#reads.delete(kind);
  }

  forgetAll(): void {
    for (const kind of Object.keys(LISTED) as ListKind[]) this.forget(kind);
  }

  async #walk(kind: ListKind): Promise<readonly JsonObject[]> {
    const { alias, capabilities, clock } = this.#source;
    const { method, capability } = LISTED[kind];
    const offered = capabilities[capability] !== undefined;
    // Tools are asked for all the same: servers are older than the capability, and what they run must not stay unseen.
    if (!offered && kind !== 'tools') return [];
    const changes = this.#changes.get(kind);
    const deadline = AbortSignal.timeout(PAGE_MS * 10);
    // Resources without templates are common, and servers say so by not knowing the method.
    const lenient = !offered || kind === 'resourceTemplates';
    const read = await readListPages(alias, kind, lenient, (params) =>
      this.#source.request(method, params, { timeoutMs: PAGE_MS, signal: deadline }),
    );
    const list = this.#source.share(kind, this.#source.usable?.(kind, read) ?? read);
    this.#last.set(kind, list);
    if (changes === this.#changes.get(kind)) this.#kept.set(kind, { list, at: clock.now() });
    return list;
  }
}
