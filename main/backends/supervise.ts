import { isDeepStrictEqual } from 'node:util';
import type { Launch, ManifestServer } from '../policy/manifest.ts';
import { Backend } from './backend.ts';
import type { BackendSession, BackendStatus, Backends, BackendsOptions, ListKind } from './backends.ts';
import { BackendFailure } from './failure.ts';

/** Keeps one Backend per alias in step with the manifest. */
export function superviseBackends(options: BackendsOptions): Backends {
  const backends = new Map<string, Backend>();
  /** Aliases that were once served, for a truer refusal. */
  const former = new Map<string, string>();
  const statusListeners = new Set<(status: BackendStatus) => void>();
  const listListeners = new Set<(change: { alias: string; kind: ListKind }) => void>();
  let closed = false;

  const environment = {
    clock: options.clock,
    log: options.log,
    clientInfo: options.clientInfo,
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    idleMs: options.idleMs ?? 300_000,
    maxSessions: options.maxSessions,
    onStatus: (status: BackendStatus) => tell(statusListeners, status),
    onListChanged: (alias: string, kind: ListKind) => tell(listListeners, { alias, kind }),
  };

  function tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of [...listeners]) {
      try {
        listener(value);
      } catch (error) {
        options.log.error('backends-listener', { error: String(error) });
      }
    }
  }

  const ending = new Set<Promise<void>>();
  function end(backend: Backend, why: string): void {
    backends.delete(backend.alias);
    former.set(backend.alias, why);
    const done = backend.stop(new BackendFailure('revoked', backend.alias, why)).finally(() => ending.delete(done));
    ending.add(done);
  }

  return {
    apply(servers) {
      if (closed) return;
      const wanted = new Map<string, { launch: Launch }>();
      for (const server of servers) {
        if (server.state === 'revoked') former.set(server.alias, revokedText(server));
        else wanted.set(server.alias, server);
      }
      // Listed twice, a withdrawal wins.
      for (const server of servers) if (server.state === 'revoked') wanted.delete(server.alias);
      for (const backend of [...backends.values()]) {
        const next = wanted.get(backend.alias);
        const revoked = servers.find((server) => server.alias === backend.alias && server.state === 'revoked');
        if (revoked) end(backend, revokedText(revoked));
        else if (!next) end(backend, removedText(backend.alias));
        else if (!isDeepStrictEqual(next.launch, backend.launch)) end(backend, changedText(backend.alias));
      }
      for (const [alias, { launch }] of wanted) {
        former.delete(alias);
        if (!backends.has(alias)) backends.set(alias, new Backend(alias, launch, environment));
      }
    },

    open(alias, key, signal, client): Promise<BackendSession> {
      if (closed) {
        const text = `The server "${alias}" cannot be used: Gatehouse is shutting down.`;
        return Promise.reject(new BackendFailure('unavailable', alias, text));
      }
      const backend = backends.get(alias);
      if (backend) return backend.open(key, signal, client);
      return Promise.reject(new BackendFailure('revoked', alias, former.get(alias) ?? removedText(alias)));
    },

    async release(key, alias) {
      const meant = [...backends.values()].filter((backend) => alias === undefined || backend.alias === alias);
      await Promise.all(meant.map((backend) => backend.release(key)));
    },

    status: () => [...backends.values()].map((backend) => backend.status()),
    stderr: (alias) => backends.get(alias)?.stderr.lines() ?? [],

    onStatus(listener) {
      statusListeners.add(listener);
      return () => statusListeners.delete(listener);
    },

    onListChanged(listener) {
      const each = ({ alias, kind }: { alias: string; kind: ListKind }) => listener(alias, kind);
      listListeners.add(each);
      return () => listListeners.delete(each);
    },

    async close() {
      closed = true;
      const stops = [...backends.values()].map((backend) =>
        backend.stop(new BackendFailure('unavailable', backend.alias, 'Gatehouse is shutting down.')),
      );
      await Promise.all([...stops, ...ending]);
    },
  };
}

function revokedText(server: ManifestServer): string {
  return `Your organisation has withdrawn the server "${server.title}". Ask its owner: ${server.owner}.`;
}

function removedText(alias: string): string {
  return `The server "${alias}" is not among those your organisation approves. Ask your IT department.`;
}

function changedText(alias: string): string {
  return `Your organisation changed how the server "${alias}" is started; the old session was closed. Please try again.`;
}
