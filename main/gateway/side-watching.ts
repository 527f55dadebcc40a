import type { Listening } from './conversation.ts';

/** Who hears of changes of which of one server's resources, by the server's own URIs. */
export class SideWatching {
  readonly #by = new Map<Listening, ReadonlySet<string>>();

  of(listening: Listening): ReadonlySet<string> {
    return this.#by.get(listening) ?? new Set();
  }

  set(listening: Listening, uris: ReadonlySet<string>): void {
    if (uris.size === 0) this.#by.delete(listening);
    else this.#by.set(listening, uris);
  }

  without(listening: Listening, uris: ReadonlySet<string>): void {
    this.set(listening, new Set([...this.of(listening)].filter((uri) => !uris.has(uri))));
  }

  get all(): ReadonlySet<string> {
    const all = new Set<string>();
    for (const uris of this.#by.values()) for (const uri of uris) all.add(uri);
    return all;
  }

  /** Drops what may not be watched; answers whether there was any. */
  keep(mayWatch: MayWatch): boolean {
    let dropped = false;
    for (const [listening, uris] of [...this.#by]) {
      const kept = new Set([...uris].filter((uri) => mayWatch(listening, uri)));
      if (kept.size === uris.size) continue;
      dropped = true;
      this.set(listening, kept);
    }
    return dropped;
  }

  /** Who hears that this one changed: it is watched, or is one below what is ("Resources", Subscriptions). */
  hearing(uri: string): readonly Listening[] {
    const hear = (watched: string) => watched === uri || isBelow(watched, uri);
    return [...this.#by].filter(([, uris]) => uris.has(uri) || [...uris].some(hear)).map(([listening]) => listening);
  }
}

/** Whether the policy lets somebody hear of a resource. */
export type MayWatch = (listening: Listening, uri: string) => boolean;

function isBelow(parent: string, uri: string): boolean {
  return uri.startsWith(parent) && (parent.endsWith('/') || '/?#'.includes(uri.charAt(parent.length)));
}
