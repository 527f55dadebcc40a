import type { Clock, Preferences } from '../ports.ts';

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
  list(): readonly AppRecord[];
  /** A new token for this name; a name already known gets a new token and its old one ends at once. */
  issue(
    name: string,
  ):
    | { readonly ok: true; readonly app: AppRecord; readonly token: string }
    | { readonly ok: false; readonly code: 'invalid-name'; readonly message: string };
  /** False when there is no such app. */
  revoke(id: string): boolean;
  /** Undo of the last revocation of `id` within this run. */
  restore(id: string): boolean;
  /** Constant-time look-up by token. */
  identify(token: string): AppRecord | undefined;
  /** Marks use; written to disk lazily, not per call. */
  touch(id: string): void;
  onChange(listener: () => void): () => void;
  /** Writes what is pending. */
  flush(): void;
}

export declare function createApps(options: { readonly preferences: Preferences; readonly clock: Clock }): Apps;
