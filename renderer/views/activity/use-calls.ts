import { useCallback, useEffect, useRef, useState } from 'react';
import type { CallArgs, CallView } from '../../../preload/contract.ts';
import { explain, useConnection, useLink } from '../../live.ts';

export type Filter = Omit<CallArgs<'activity'>, 'beforeSeq' | 'limit'>;

const pageSize = 200;
const settleMs = 250;
/** Calls still running that the newest page no longer holds are asked for one by one, at most this many at a time. */
const maxRunning = 20;

export interface Calls {
  /** Newest first; undefined until the first page is there. */
  readonly rows: readonly CallView[] | undefined;
  /** New calls kept aside while the reader is further down. */
  readonly fresh: number;
  readonly complete: boolean;
  readonly error: string | undefined;
  readonly more: () => void;
  readonly takeFresh: () => void;
  readonly reload: () => void;
}

interface State {
  readonly key: string;
  readonly rows: readonly CallView[];
  readonly fresh: readonly CallView[];
  readonly complete: boolean;
}

/** Pages through the record backwards as the reader scrolls, and keeps the top of it live. `held`: the reader is not at the top. */
export function useCalls(filter: Filter, held: boolean): Calls {
  const { bridge } = useLink();
  const connection = useConnection();
  const key = JSON.stringify(filter);
  const [state, setState] = useState<State>();
  const [error, setError] = useState<string>();
  const [round, setRound] = useState(0);
  const latest = useRef<State>(undefined);
  const paging = useRef(false);
  const heldRef = useRef(held);
  heldRef.current = held;

  const put = useCallback((next: State) => {
    latest.current = next;
    setState(next);
  }, []);

  // `round` is only counted up to start this again.
  useEffect(() => {
    if (connection !== 'open' || round < 0) return;
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wanted = JSON.parse(key) as Filter;
    paging.current = false;

    const newest = async (): Promise<void> => {
      try {
        const page = await bridge.call('activity', { ...wanted, limit: pageSize });
        if (ended) return;
        setError(undefined);
        const old = latest.current;
        if (old?.key !== key) {
          put({ key, rows: page, fresh: [], complete: page.length < pageSize });
          return;
        }
        const known = new Map([...old.fresh, ...old.rows].map((call) => [call.callId, call]));
        const updates = new Map(page.map((call) => [call.callId, call]));
        const added = page.filter((call) => !known.has(call.callId));
        if (page.length === pageSize && added.length === pageSize) {
          // More happened than one page holds: what lies between is not known, so begin again from the top.
          put({ key, rows: page, fresh: [], complete: false });
          return;
        }
        for (const call of await finished([...known.values()], updates)) updates.set(call.callId, call);
        if (ended) return;
        const now = latest.current ?? old;
        const fresh = [...added, ...now.fresh.map((call) => updates.get(call.callId) ?? call)];
        const rows = now.rows.map((call) => updates.get(call.callId) ?? call);
        put(heldRef.current ? { ...now, rows, fresh } : { ...now, rows: [...fresh, ...rows], fresh: [] });
      } catch (failure) {
        if (!ended) setError(explain(failure));
      }
    };
    const finished = async (
      known: readonly CallView[],
      updates: ReadonlyMap<string, CallView>,
    ): Promise<CallView[]> => {
      const open = known.filter((call) => call.status === 'running' && !updates.has(call.callId)).slice(0, maxRunning);
      const asked = await Promise.all(open.map(({ callId }) => bridge.call('call', { callId })));
      return asked.filter((call) => call !== null);
    };

    void newest();
    const stop = bridge.on('changed', ({ what }) => {
      if (what !== 'activity') return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void newest();
      }, settleMs);
    });
    return () => {
      ended = true;
      clearTimeout(timer);
      stop();
    };
  }, [bridge, connection, key, round, put]);

  const more = useCallback(() => {
    const old = latest.current;
    const last = old?.rows.at(-1);
    if (!old || !last || old.complete || paging.current) return;
    paging.current = true;
    bridge
      .call('activity', { ...(JSON.parse(old.key) as Filter), beforeSeq: last.seq, limit: pageSize })
      .then((page) => {
        const now = latest.current;
        if (now?.key !== old.key) return;
        put({ ...now, rows: [...now.rows, ...page], complete: page.length < pageSize });
      })
      .catch((failure: unknown) => setError(explain(failure)))
      .finally(() => {
        paging.current = false;
      });
  }, [bridge, put]);

  const takeFresh = useCallback(() => {
    const now = latest.current;
    if (now && now.fresh.length > 0) put({ ...now, rows: [...now.fresh, ...now.rows], fresh: [] });
  }, [put]);

  const current = state?.key === key ? state : undefined;
  return {
    rows: current?.rows,
    fresh: current?.fresh.length ?? 0,
    complete: current?.complete ?? false,
    error,
    more,
    takeFresh,
    reload: () => setRound((count) => count + 1),
  };
}
