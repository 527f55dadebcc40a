import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { CallAnswer, CallArgs, CallName, EventPayload } from '../preload/contract.ts';
import { BridgeError, type Connection, type Link } from './bridge.ts';
import { words } from './words/current.ts';

export type Changed = EventPayload<'changed'>['what'];

export const LinkContext = createContext<Link | undefined>(undefined);

export function useLink(): Link {
  const link = useContext(LinkContext);
  if (!link) throw new Error('useLink: expected to be inside <LinkContext>, found no link.');
  return link;
}

export function useConnection(): Connection {
  const link = useLink();
  return useSyncExternalStore(link.onConnection, link.connection);
}

/** `value` stays while it is asked for again, so that a page never blinks. */
export interface Live<T> {
  readonly value: T | undefined;
  /** Why the last asking failed, in words; undefined while all is well. */
  readonly error: string | undefined;
  reload(): void;
}

/** At most one asking in this many milliseconds: main may announce a change per call. */
const settleMs = 150;

/** Asks once, and again whenever main says that one of `on` changed or the connection is back. */
export function useLive<N extends CallName>(name: N, args: CallArgs<N>, on: readonly Changed[]): Live<CallAnswer<N>> {
  const link = useLink();
  const connection = useConnection();
  const key = JSON.stringify(args);
  const watched = on.join();
  const [state, setState] = useState<{ key: string; value: CallAnswer<N> | undefined; error: string | undefined }>();
  const ask = useRef<() => void>(() => {});

  useEffect(() => {
    if (connection !== 'open') return;
    let ended = false;
    let running = false;
    let again = false;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const run = async (): Promise<void> => {
      if (running) {
        again = true;
        return;
      }
      running = true;
      again = false;
      try {
        const value = await link.bridge.call(name, JSON.parse(key) as CallArgs<N>);
        if (!ended) setState({ key, value, error: undefined });
      } catch (error) {
        if (!ended)
          setState((old) => ({ key, value: old?.key === key ? old.value : undefined, error: explain(error) }));
      }
      running = false;
      if (again && !ended) soon();
    };
    const soon = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void run();
      }, settleMs);
    };

    ask.current = () => void run();
    void run();
    const stop = link.bridge.on('changed', ({ what }) => {
      if (watched.split(',').includes(what)) soon();
    });
    return () => {
      ended = true;
      clearTimeout(timer);
      stop();
    };
  }, [link, connection, name, key, watched]);

  const reload = useCallback(() => ask.current(), []);
  const fresh = state?.key === key ? state : undefined;
  return useMemo(() => ({ value: fresh?.value, error: fresh?.error, reload }), [fresh, reload]);
}

/** A sentence for a person about a call that did not come back. */
export function explain(error: unknown): string {
  if (error instanceof BridgeError && error.kind !== 'refused') return words.errors[error.kind];
  return error instanceof Error && error.message ? error.message : words.errors.unknown;
}

/** The time now, again every `everyMs` milliseconds: for "2 min ago" and countdowns. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
