import type { Clock, Log } from '../ports.ts';

export { createTrust } from './client.ts';
export { parseEnrolment } from './enrolment.ts';

/** The verified target files of one TUF snapshot. */
export interface VerifiedTargets {
  readonly organisation: string;
  /** TUF snapshot version. */
  readonly version: number;
  /** Hex SHA-256 over the three target digests in a fixed order. */
  readonly digest: string;
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
  /** Earliest expiry of all metadata in the chain, ms since the epoch. */
  readonly expires: number;
  /** Key ids that signed each role, for the record and the window. */
  readonly signers: { readonly policy: readonly string[]; readonly servers: readonly string[] };
}

/** org.json: enrolment. Written by `gatehouse-admin init` and `publish`. */
export interface Enrolment {
  readonly schema: 1;
  readonly name: string;
  /** https:, http: (loopback only) or file: URL of the directory that holds metadata/ and targets/. */
  readonly repository: string;
  /** The first trusted root.json, inline. */
  readonly root: unknown;
}

export type TrustCode =
  | 'not-enrolled'
  | 'unreachable'
  | 'expired'
  | 'rollback'
  | 'bad-signature'
  | 'tampered'
  | 'invalid-policy'
  | 'clock-wrong'
  | 'invalid-enrolment'
  | 'unwritable';

export interface TrustProblem {
  readonly code: TrustCode;
  /** One plain sentence: what, where, expected, found, what to do. */
  readonly message: string;
  readonly since: number;
}

export interface TrustState {
  readonly enrolment?: {
    readonly name: string;
    readonly repository: string;
    readonly rootKeyIds: readonly string[];
    readonly managed: boolean;
  };
  /** In force now; undefined means every tool is refused. */
  readonly current?: VerifiedTargets;
  readonly checkedAt?: number;
  /** Why nothing is in force, or why the last refresh was not taken up (the last good one stays). */
  readonly problem?: TrustProblem;
}

export type RefreshResult =
  | { readonly ok: true; readonly changed: boolean }
  | { readonly ok: false; readonly problem: TrustProblem };

export interface Trust {
  state(): TrustState;
  /** Loads and re-verifies what is on disk, then starts timers and file watching. Never throws for bad data. */
  start(): Promise<void>;
  refresh(): Promise<RefreshResult>;
  /** Parses org.json text and enrols: fetches and verifies before anything is kept. A managed enrolment cannot be replaced. */
  enrol(orgJson: string): Promise<RefreshResult>;
  /** Removes a personal enrolment and its last good policy. False when managed. */
  leave(): boolean;
  /** After each change of state(). */
  onChange(listener: (state: TrustState) => void): () => void;
  close(): void;
}

export interface TrustOptions {
  /** Folder of our own: DATA/trust. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Machine policy's org.json text, where there is one. */
  readonly managedEnrolment?: string;
  /** Asked before a snapshot replaces the last good one: a signed policy that cannot be compiled is not taken up. Returns a sentence or undefined. */
  readonly accept: (targets: VerifiedTargets) => string | undefined | Promise<string | undefined>;
  /** How often to refresh, read after each accept. Seconds. */
  readonly refreshSeconds: () => number;
  readonly graceSeconds: () => number;
  /** Milliseconds one file of the repository may take to arrive. Default 15000. */
  readonly fileTimeoutMs?: number;
  /** Used for http: and https: repositories; the desktop app passes one that knows the system's proxy. */
  readonly fetch?: typeof globalThis.fetch;
}
