import type { Problem } from '../policy/json.ts';

/** Why a command of IT's refused. Scripts read these words; a literal test pins them. */
export const ADMIN_CODES = [
  'folder-not-empty',
  'no-organisation',
  'unreadable',
  'unwritable',
  'busy',
  'no-passphrase',
  'weak-passphrase',
  'wrong-passphrase',
  'damaged-key',
  'missing-key',
  'invalid-name',
  'invalid-url',
  'invalid-policy',
  'invalid-manifest',
  'invalid-server',
  'alias-taken',
  'unknown-server',
  'npm',
  'server-failed',
  'repository',
  'record',
] as const;
export type AdminCode = (typeof ADMIN_CODES)[number];

export interface AdminRefusal {
  readonly ok: false;
  readonly code: AdminCode;
  /** One plain sentence each: what, where, expected, found, what to do. Never empty. */
  readonly problems: readonly string[];
}

export type AdminResult<T> = { readonly ok: true; readonly value: T } | AdminRefusal;

/** One line about what is being done now, for a terminal or the setup page. */
export type Progress = (line: string) => void;

export const silent: Progress = () => {};

export function refuse(code: AdminCode, ...problems: readonly string[]): AdminRefusal {
  return { ok: false, code, problems };
}

/** "policy.json at /sync/refreshSeconds: expected …, found …. Advice." */
export function sentenceOf(file: string, problem: Problem): string {
  const where = problem.path === '' ? file : problem.path.startsWith('/') ? `${file} at ${problem.path}` : problem.path;
  const advice = problem.advice ? ` ${problem.advice}` : '';
  return `${where}: expected ${problem.expected}, found ${problem.found}.${advice}`;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
