import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Clock, Log, Preferences } from '../ports.ts';
import { nameKey, parseAppName } from './app-name.ts';
import { parseStoredApps, type StoredApp } from './stored-apps.ts';

/** An AI app that was given a token. The token itself is never stored, only its SHA-256. */
export interface AppRecord {
  readonly id: string;
  readonly name: string;
  readonly issuedAt: number;
  readonly lastUsedAt?: number;
  /** First characters of the token, so that a person can tell two apart, e.g. "gth_4f9a…". */
  readonly hint: string;
}

export interface Apps {
  /** What was wrong with the stored list at start, as a sentence for the person; the list then starts empty. */
  readonly problem?: string;
  list(): readonly AppRecord[];
  /** A new token for this name; a name already known gets a new token and its old one ends at once. */
  issue(
    name: string,
  ):
    | { readonly ok: true; readonly app: AppRecord; readonly token: string }
    | { readonly ok: false; readonly code: 'invalid-name'; readonly message: string };
  /** False when there is no such app. */
  revoke(id: string): boolean;
  /** Undo of the last revocation of `id` within this run. False when there was none, or its name was given out again since. */
  restore(id: string): boolean;
  /** Constant-time look-up by token. The time of use is not kept up to date in what it answers. */
  identify(token: string): AppRecord | undefined;
  /** Marks use; written to disk lazily, not per call. */
  touch(id: string): void;
  onChange(listener: () => void): () => void;
  /** Writes what is pending. */
  flush(): void;
}

const prefix = 'gth_';
/** 256 bits in base64url. */
const tokenShape = /^gth_[A-Za-z0-9_-]{43}$/;
const hintLength = 8;
const flushDelay = 30_000;

export function createApps(options: {
  readonly preferences: Preferences;
  readonly clock: Clock;
  readonly log?: Log;
}): Apps {
  const { preferences, clock, log } = options;
  const stored = preferences.get('apps');
  const loaded = parseStoredApps(stored);
  if (!loaded.ok) {
    // The next issue() overwrites "apps": what stood there is kept for whoever has to find out why.
    preferences.set('appsBroken', stored);
    log?.error('apps-unreadable', { problem: loaded.problem });
  }
  let apps: readonly StoredApp[] = loaded.ok ? loaded.apps : [];
  let byHash = indexByHash(apps);
  const revoked = new Map<string, StoredApp>();
  /** When apps were used since the list was last made. */
  const used = new Map<string, number>();
  const listeners = new Set<() => void>();
  let pending: ReturnType<typeof setTimeout> | undefined;

  /** Every request notes its app's use: the list is made anew only when somebody looks at it. */
  function current(): readonly StoredApp[] {
    if (used.size === 0) return apps;
    apps = apps.map((app) => {
      const lastUsedAt = used.get(app.id);
      return lastUsedAt === undefined ? app : { ...app, lastUsedAt };
    });
    used.clear();
    return apps;
  }

  /** Disk first: a list that could not be stored is not in force either, and the caller hears of it. */
  function replace(next: readonly StoredApp[]): void {
    preferences.set(
      'apps',
      next.map((app) => ({ ...app })),
    );
    clearTimeout(pending);
    pending = undefined;
    apps = next;
    byHash = indexByHash(apps);
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch (error) {
        log?.error('apps-listener-failed', { error: String(error) });
      }
    }
  }

  function flush(): void {
    if (pending === undefined) return;
    clearTimeout(pending);
    pending = undefined;
    try {
      preferences.set(
        'apps',
        current().map((app) => ({ ...app })),
      );
    } catch (error) {
      // Only times of last use are lost by it; the next change writes them again.
      log?.warn('apps-not-stored', { error: String(error) });
    }
  }

  return {
    ...(loaded.ok ? {} : { problem: loaded.problem }),

    list: () => current().map(publicRecord),

    issue(given) {
      const name = parseAppName(given);
      if (!name.ok) return { ok: false, code: 'invalid-name', message: name.message };
      const token = prefix + randomBytes(32).toString('base64url');
      const known = current().find((app) => nameKey(app.name) === nameKey(name.value));
      const app: StoredApp = {
        id: known?.id ?? randomUUID(),
        name: name.value,
        issuedAt: clock.now(),
        hint: `${token.slice(0, hintLength)}…`,
        tokenSha256: hashToken(token).toString('hex'),
      };
      replace(known === undefined ? [...apps, app] : apps.map((other) => (other === known ? app : other)));
      return { ok: true, app: publicRecord(app), token };
    },

    revoke(id) {
      const app = current().find((candidate) => candidate.id === id);
      if (app === undefined) return false;
      replace(apps.filter((other) => other !== app));
      revoked.set(id, app);
      return true;
    },

    restore(id) {
      const app = revoked.get(id);
      if (app === undefined || current().some((other) => nameKey(other.name) === nameKey(app.name))) return false;
      replace([...apps, app]);
      revoked.delete(id);
      return true;
    },

    identify(token) {
      // Longer or odd text is not hashed: nobody was given such a token, and its length is the caller's to choose.
      if (!tokenShape.test(token)) return undefined;
      const hash = hashToken(token);
      const found = byHash.get(hash.toString('hex'));
      if (found === undefined || !timingSafeEqual(found.hash, hash)) return undefined;
      return found.record;
    },

    touch(id) {
      if (!apps.some((app) => app.id === id)) return;
      used.set(id, clock.now());
      if (pending === undefined) {
        pending = setTimeout(flush, flushDelay);
        pending.unref();
      }
    },

    onChange(listener) {
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },

    flush,
  };
}

/**
 * Looking up by SHA-256 leaks nothing about a token: whoever can choose the hash of a guess so that it is "near" a stored
 * one could as well find the token itself. The final comparison takes the same time for every candidate.
 */
function indexByHash(apps: readonly StoredApp[]): ReadonlyMap<string, { record: AppRecord; hash: Buffer }> {
  return new Map(
    apps.map((app) => [app.tokenSha256, { record: publicRecord(app), hash: Buffer.from(app.tokenSha256, 'hex') }]),
  );
}

function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

function publicRecord(app: StoredApp): AppRecord {
  const { tokenSha256: _, ...record } = app;
  return Object.freeze(record);
}
