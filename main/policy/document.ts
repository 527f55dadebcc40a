import type { Result } from './json.ts';

/** A named slice of tools with its own endpoint, /mcp/<name>. Patterns are "alias.*" or "alias.tool_name". */
export interface Profile {
  readonly name: string;
  readonly title: string;
  readonly tools: readonly string[];
}

/** policy.json, parsed and with every default filled in. An unknown field is an error, not a guess. */
export interface PolicyDocument {
  readonly schema: 1;
  readonly organisation: string;
  /** Whom staff ask, shown in every refusal that has no contact of its own. */
  readonly contact: string;
  readonly identity: { readonly users: Readonly<Record<string, readonly string[]>> };
  readonly profiles: readonly Profile[];
  readonly approvals: {
    /** Seconds until silence means no. Default 60, 5–600. */
    readonly timeoutSeconds: number;
    /** What a person may say beside "deny". Default ["call", "session"]. */
    readonly remember: readonly ('call' | 'session')[];
    /** One sentence of the organisation's own, shown in the approval window. Default "". */
    readonly message: string;
  };
  readonly apps: {
    /** Names of AI apps that may connect; "*" for any. Default ["*"]. */
    readonly allowed: readonly string[];
  };
  readonly resilience: {
    /** Seconds a backend may take to answer one call. Default 120, 1–3600. */
    readonly deadlineSeconds: number;
  };
  readonly guard: {
    /** Largest result passed on, in bytes. Default 10485760; larger ones are refused, not cut. */
    readonly resultBytes: number;
  };
  readonly sync: {
    /** Seconds between refreshes. Default 900, 10–86400. */
    readonly refreshSeconds: number;
    /** Seconds past expiry that the last good policy stays in force. Default 0. */
    readonly graceSeconds: number;
  };
  readonly audit: {
    /** "full" keeps arguments and results in the record, "digest" only their SHA-256. Default "full". */
    readonly payloads: 'full' | 'digest';
  };
}

export type DocumentCode = 'not-json' | 'invalid';

/** Parses policy.json text; collects every invalid field. */
export declare function parsePolicyDocument(text: string): Result<PolicyDocument, DocumentCode>;
