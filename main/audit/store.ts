import type { Clock } from '../ports.ts';
import type { AuditReader, AuditRow, AuditWriter } from './record.ts';

/** The record could not be written. The call it was for must not happen. */
export declare class AuditUnavailable extends Error {}

export type AuditOpenCode = 'newer-database' | 'not-a-database' | 'broken-chain' | 'unwritable' | 'in-use';

export interface AuditStore {
  readonly reader: AuditReader;
  readonly writer: AuditWriter;
  /** Called after each row is committed, in order. Returns an unsubscribe. */
  onAppend(listener: (row: AuditRow) => void): () => void;
  close(): void;
}

/** Opens or creates `file` (WAL), migrates, closes calls a crash left open as "interrupted". Never writes a newer or broken database. */
export declare function openAudit(options: {
  readonly file: string;
  readonly clock: Clock;
  readonly nativeBinding?: string;
}):
  | { readonly ok: true; readonly value: AuditStore }
  | { readonly ok: false; readonly code: AuditOpenCode; readonly message: string };
