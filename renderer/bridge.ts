import type { Bridge, CallAnswer, CallArgs, CallName, EventName, EventPayload } from '../preload/contract.ts';

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

/** The console's way to main: POST per call, one event stream, both on our own origin with our cookie. */
function consoleLink(base: string): Link {
  const listeners: Listeners = { changed: new Set(), setup: new Set(), navigate: new Set() };
  const watchers = new Set<() => void>();
  let connection: Connection = 'open';
  let stream: EventSource | undefined;
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

  function listen<N extends EventName>(source: EventSource, name: N): void {
    source.addEventListener(name, (event: MessageEvent<string>) =>
      dispatch(name, JSON.parse(event.data) as EventPayload<N>),
    );
  }

  function connect(): void {
    clearTimeout(timer);
    stream?.close();
    if (connection === 'ended') return;
    const source = new EventSource(`${base}events`);
    stream = source;
    for (const name of Object.keys(listeners) as EventName[]) listen(source, name);
    source.onopen = () => {
      failures = 0;
      become('open');
    };
    source.onerror = () => {
      source.close();
      if (stream !== source) return;
      // An EventSource hides the status: ask once to tell "unreachable" from "this link has ended".
      call('status', {}).then(scheduleAgain, scheduleAgain);
    };
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
        headers: { 'content-type': 'application/json' },
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
      stream?.close();
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
