import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { EventStream } from './sse.ts';
import { metaKey, notificationMessage, type RpcId, resultMessage } from './wire.ts';

/** Streams one app may hold open at once. */
const streamsPerApp = 64;

interface Listener {
  readonly appId: string;
  readonly id: RpcId;
  readonly stream: EventStream;
}

/** What a modern caller asked to hear of: only the kinds that exist here. Undefined when the filter is malformed. */
export function honouredFilter(params: JsonObject): { readonly toolsListChanged?: true } | undefined {
  const filter = params.notifications;
  if (!isJsonObject(filter)) return undefined;
  for (const key of ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged']) {
    const wish = filter[key];
    if (wish !== undefined && typeof wish !== 'boolean') return undefined;
  }
  return filter.toolsListChanged === true ? { toolsListChanged: true } : {};
}

/** Open `subscriptions/listen` streams of modern callers (MCP 2026-07-28, "Subscriptions"). */
export class Listeners {
  readonly #listeners = new Set<Listener>();

  mayOpen(appId: string): boolean {
    let open = 0;
    for (const listener of this.#listeners) if (listener.appId === appId) open++;
    return open < streamsPerApp;
  }

  /** Acknowledges, then stays open; answers how to forget it. A filter with nothing in it is answered and ended at once. */
  open(appId: string, id: RpcId, stream: EventStream, honoured: { readonly toolsListChanged?: true }): () => void {
    const listener: Listener = { appId, id, stream };
    stream.send(stamped('notifications/subscriptions/acknowledged', id, { notifications: { ...honoured } }));
    if (honoured.toolsListChanged !== true) {
      endGracefully(listener);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  announceTools(): void {
    for (const { stream, id } of this.#listeners) stream.send(stamped('notifications/tools/list_changed', id, {}));
  }

  pulse(): void {
    for (const { stream } of this.#listeners) stream.pulse();
  }

  endWhere(ends: (appId: string) => boolean): void {
    for (const listener of [...this.#listeners]) {
      if (!ends(listener.appId)) continue;
      this.#listeners.delete(listener);
      endGracefully(listener);
    }
  }

  addCounts(counts: Map<string, number>): void {
    for (const { appId } of this.#listeners) counts.set(appId, (counts.get(appId) ?? 0) + 1);
  }
}

function stamped(method: string, id: RpcId, params: JsonObject): string {
  return notificationMessage(method, { ...params, _meta: { [metaKey.subscriptionId]: id } });
}

/** The request's own result says that the stream ended on purpose. */
function endGracefully({ stream, id }: Listener): void {
  stream.finish(resultMessage(id, JSON.stringify({ resultType: 'complete', _meta: { [metaKey.subscriptionId]: id } })));
}
