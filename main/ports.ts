/** What the outside supplies. Electron and Node each build one of these; rooms see nothing else of the platform. */

/** Time, so that verifiers and deadlines can be tested. All values are milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured diagnostics (not the audit record). `event` is a stable kebab-case name. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface Paths {
  /** The data folder: audit.db, trust/, preferences. Created with mode 0700. */
  readonly data: string;
  /** Read-only files shipped with the app (icons, schema base). */
  readonly resources: string;
  /** The built window pages, served by the console. */
  readonly renderer: string;
}

/** Small settings of this person on this machine. electron-store in the desktop app, its base `conf` headless. */
export interface Preferences {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

export interface Notifier {
  /** Shows an operating system notification. Never give it arguments of a call. */
  notify(notice: { title: string; body: string; onClick?: () => void }): void;
}

export interface WindowOpener {
  openMain(page?: string): void;
  /** Brings the approval window up while at least one question is pending. */
  openApproval(): void;
}

export interface Ports {
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: Paths;
  readonly preferences: Preferences;
  readonly notifier: Notifier;
  readonly windows: WindowOpener;
  /** The operating system's name for the person, e.g. "alice". */
  readonly account: string;
  /** Absolute path of a better-sqlite3 binding when the bundled one does not fit this runtime. */
  readonly sqliteBinding?: string;
  /** This build's version, as in package.json. */
  readonly version: string;
}
