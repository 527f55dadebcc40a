import type { Bridge, CallAnswer, CallArgs, CallName, EventName, EventPayload } from '../preload/contract.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';

declare global {
  interface Window {
    /** Exposed by the preload script in the desktop app; absent in the console. */
    readonly gatehouse?: Bridge;
  }
}

/** 'lost': main cannot be reached now. 'ended': this console's link is used up; only a new link helps. */
export type Connection = 'open' | 'lost' | 'ended';

/** The bridge and what is known of the way to it. */
export interface Link {
  readonly bridge: Bridge;
  /** In the desktop app questions have their own window; in the console they appear on the page. */
  readonly place: 'desktop' | 'console';
  connection(): Connection;
  onConnection(listener: () => void): () => void;
  /** Tries to reach main again now. */
  retry(): void;
}

/** Main did not answer, or refused to. `message` is fit for a person. */
export class BridgeError extends Error {
  readonly kind: 'lost' | 'ended' | 'refused';
  constructor(kind: BridgeError['kind'], message: string) {
    super(message);
    this.name = 'BridgeError';
    this.kind = kind;
  }
}

type Listeners = { readonly [N in EventName]: Set<(payload: EventPayload<N>) => void> };

const retryDelays = [1_000, 2_000, 5_000, 10_000];

export function openLink(): Link {
  const preloaded = window.gatehouse;
  return preloaded ? desktopLink(preloaded) : consoleLink('./api/');
}

function desktopLink(bridge: Bridge): Link {
  return { bridge, place: 'desktop', connection: () => 'open', onConnection: () => () => {}, retry: () => {} };
}

const PAGE_KEY = 'gatehouse-page-key';

/**
 * The key of this console, kept in storage: that belongs to this port alone, which a cookie does not. The one-time link
 * brought it in the document; both leave the page here.
 */
function takePageKey(): string {
  const given = document.querySelector<HTMLMetaElement>(`meta[name="${PAGE_KEY}"]`);
  if (given) {
    localStorage.setItem(PAGE_KEY, given.content);
    given.remove();
    history.replaceState(null, '', `./${location.hash}`);
  }
  return localStorage.getItem(PAGE_KEY) ?? '';
}

/** The console's way to main: POST per call, one event stream, both on our own origin with our cookie and key. */
function consoleLink(base: string): Link {
  const listeners: Listeners = { changed: new Set(), setup: new Set(), navigate: new Set() };
  const watchers = new Set<() => void>();
  let connection: Connection = 'open';
  const headers = { [`x-${PAGE_KEY}`]: takePageKey() };
  let stream: AbortController | undefined;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function become(next: Connection): void {
    if (connection === next || connection === 'ended') return;
    connection = next;
    for (const watcher of watchers) watcher();
  }

  function dispatch<N extends EventName>(name: N, payload: EventPayload<N>): void {
    for (const listener of listeners[name]) listener(payload);
  }

  function receive({ name, data }: StreamEvent): void {
    if (name in listeners) dispatch(name as EventName, JSON.parse(data));
  }

  function connect(): void {
    clearTimeout(timer);
    stream?.abort();
    if (connection === 'ended') return;
    const mine = new AbortController();
    stream = mine;
    const ended = () => {
      // Replaced by a newer stream, there is nothing to do.
      if (stream === mine) scheduleAgain();
    };
    follow(mine).then(ended, ended);
  }

  /** Not an EventSource: that can send no header and hides the status. */
  async function follow({ signal }: AbortController): Promise<void> {
    const response = await fetch(`${base}events`, { headers, credentials: 'same-origin', cache: 'no-store', signal });
    if (response.status === 401) return become('ended');
    if (!response.ok || !response.body) return;
    failures = 0;
    become('open');
    for await (const event of readEvents(response.body)) receive(event);
  }

  function scheduleAgain(): void {
    if (connection === 'ended') return;
    become('lost');
    timer = setTimeout(connect, retryDelays[Math.min(failures, retryDelays.length - 1)]);
    failures += 1;
  }

  async function call<N extends CallName>(name: N, args: CallArgs<N>): Promise<CallAnswer<N>> {
    let response: Response;
    try {
      response = await fetch(`${base}call/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(args),
        credentials: 'same-origin',
        cache: 'no-store',
      });
    } catch {
      // fetch rejects for one reason here: the other side is not there.
      become('lost');
      throw new BridgeError('lost', '');
    }
    if (response.status === 401) {
      stream?.abort();
      become('ended');
      throw new BridgeError('ended', '');
    }
    const body = (await response.json().catch(() => undefined)) as
      | { ok: true; value: CallAnswer<N> }
      | { ok: false; message: string }
      | undefined;
    if (body?.ok !== true) throw new BridgeError('refused', body?.message ?? `HTTP ${response.status}`);
    return body.value;
  }

  connect();
  return {
    bridge: {
      call,
      on: (name, listener) => {
        listeners[name].add(listener);
        return () => listeners[name].delete(listener);
      },
    },
    place: 'console',
    connection: () => connection,
    onConnection: (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    retry: () => {
      failures = 0;
      connect();
    },
  };
}
