/** What the record can say. Closed unions; every wire-visible code is pinned by a literal test. */

export interface RuleRef {
  readonly id: string;
  readonly reason?: string;
}

/** Who called what. Shared by begin and refusal. */
export interface CallFacts {
  /** UUID of the call; begin, end, approval rows share it. */
  readonly callId: string;
  readonly user: string;
  readonly app: string;
  readonly profile?: string;
  readonly era: 'legacy' | 'modern' | 'console';
  /** Opaque id of the caller's session, never the bearer token. */
  readonly session: string;
  readonly alias: string;
  /** What was asked of the server. Absent for tools/call. */
  readonly method?:
    | 'resources/read'
    | 'resources/subscribe'
    | 'prompts/get'
    | 'completion/complete'
    | 'tasks/get'
    | 'tasks/result'
    | 'tasks/update'
    | 'tasks/cancel';
  /** Name of the tool or prompt, or URI of the resource. With a task, the tool that was called. */
  readonly tool: string;
  /** Hex SHA-256 of the pinned definition; absent when nothing was pinned. */
  readonly definition?: string;
  /** Hex SHA-256 of the RFC 8785 bytes of the arguments. */
  readonly argumentsDigest: string;
  /** The arguments as JSON text; absent under payloads: "digest". */
  readonly arguments?: string;
  /** Length in bytes of arguments too large to be kept with a refusal. */
  readonly argumentsBytes?: number;
  /** What was sent beside name and arguments, as JSON text; absent under payloads: "digest", and where there was nothing. */
  readonly extra?: string;
  /** Hex SHA-256 of the RFC 8785 bytes of it. */
  readonly extraDigest?: string;
  readonly effect: 'allow' | 'ask' | 'deny';
  readonly rules: readonly RuleRef[];
  readonly reason: string;
  readonly policyVersion: number;
  readonly policyDigest: string;
}

export type CallOutcome =
  | 'ok'
  | 'tool-error'
  | 'backend-error'
  | 'timeout'
  | 'cancelled'
  | 'result-refused'
  /** The server asks for more input and did nothing yet; the app calls again with it (2026-07-28, multi round-trip requests). */
  | 'input-required'
  | 'interrupted';

export type RefusalCode =
  | 'policy-denied'
  | 'not-approved-by-person'
  | 'definition-changed'
  | 'unknown-tool'
  | 'invalid-arguments'
  | 'no-policy'
  | 'policy-expired'
  | 'app-not-allowed'
  | 'paused'
  | 'backend-unavailable'
  | 'shutting-down';

export type ApprovalAnswer = 'allow-once' | 'allow-session' | 'deny' | 'timeout' | 'closed' | 'quit' | 'cancelled';

export type AuditEvent =
  | ({ readonly kind: 'call.begin'; readonly approvedBy?: 'person-once' | 'person-session' } & CallFacts)
  | {
      readonly kind: 'call.end';
      readonly callId: string;
      readonly outcome: CallOutcome;
      readonly durationMs: number;
      readonly resultDigest?: string;
      readonly resultBytes?: number;
      /** JSON text; absent under payloads: "digest". */
      readonly result?: string;
      readonly message?: string;
    }
  | ({ readonly kind: 'call.refused'; readonly code: RefusalCode; readonly message: string } & CallFacts)
  /** While it worked on a call, a server asked the AI app for something, and what came of it. */
  | {
      readonly kind: 'call.input';
      /** Absent where it is not known to belong to one call: the server asked of its own accord, or while several were under way. `alias` is present then. */
      readonly callId?: string;
      readonly alias?: string;
      readonly app?: string;
      /** Of several the last. */
      readonly method: string;
      /** This row stands for so many more like those before it within a minute. `digest` chains theirs: over the hex text of it so far and of the next. */
      readonly more?: number;
      /** "accept", "decline", "cancel" of an elicitation; "ok" or "error" of anything else; "not-allowed" where the policy forbids to ask. */
      readonly answer: string;
      /** Hex SHA-256 of the JSON text of question and answer. */
      readonly digest: string;
    }
  | { readonly kind: 'approval.asked'; readonly callId: string; readonly shownDigest: string }
  | {
      readonly kind: 'approval.answered';
      readonly callId: string;
      readonly shownDigest: string;
      readonly answer: ApprovalAnswer;
    }
  | {
      readonly kind: 'policy.applied';
      readonly organisation: string;
      readonly version: number;
      readonly digest: string;
      readonly signers: readonly string[];
    }
  | { readonly kind: 'policy.rejected'; readonly code: string; readonly message: string }
  | { readonly kind: 'policy.ended'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'definition.changed';
      readonly alias: string;
      /** What `tool` names. Absent for a tool. */
      readonly of?: 'prompt' | 'resource-template';
      readonly tool: string;
      readonly pinned?: string;
      readonly shown?: string;
      readonly changes: string;
    }
  | { readonly kind: 'backend.state'; readonly alias: string; readonly state: string; readonly message?: string }
  | { readonly kind: 'app.issued' | 'app.revoked'; readonly app: string }
  | { readonly kind: 'app.rejected'; readonly code: string; readonly message: string }
  | { readonly kind: 'gateway.paused' | 'gateway.resumed'; readonly message: string }
  | { readonly kind: 'gateway.started' | 'gateway.stopped'; readonly version: string };

/** One row as stored. `hash` covers `prev` and every other field; see chain.ts. */
export interface AuditRow {
  readonly seq: number;
  readonly at: number;
  readonly kind: AuditEvent['kind'];
  readonly callId: string | null;
  /** The event as RFC 8785 JSON text, exactly the bytes hashed. */
  readonly body: string;
  readonly prev: string;
  readonly hash: string;
}

/** One call as the Activity page shows it, assembled from its rows. */
export interface CallStory {
  readonly seq: number;
  readonly callId: string;
  readonly at: number;
  readonly facts: CallFacts;
  readonly status: 'running' | 'done' | 'refused';
  readonly outcome?: CallOutcome;
  readonly refusal?: RefusalCode;
  readonly message?: string;
  readonly durationMs?: number;
  /** Only in the story of one call: results can be large, lists leave them out. */
  readonly result?: string;
  readonly approval?: ApprovalAnswer;
  readonly hash: string;
}

export interface CallFilter {
  readonly app?: string | undefined;
  readonly alias?: string | undefined;
  readonly tool?: string | undefined;
  readonly outcome?: 'ok' | 'refused' | 'failed' | 'running' | undefined;
  /** Case-insensitive text searched in tool, app and arguments. */
  readonly text?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Only calls whose begin/refusal row has a smaller seq: paging backwards. */
  readonly beforeSeq?: number | undefined;
  /** 1–500; default 100. */
  readonly limit?: number | undefined;
}

/**
 * `rows` counts the rows whose content is good (up to the bad one). `head` is the last row's hash: with `rows` it is the checkpoint to
 * compare with one noted earlier, because rows cut from the end leave a valid shorter chain. `clockSteps` counts rows
 * older than the one before them (a corrected clock). `seq` names the first bad row; 0 when no one row is to be named:
 * something around the rows was changed, or the file cannot be read at all.
 */
export type VerifyResult =
  | { readonly ok: true; readonly rows: number; readonly head: string; readonly clockSteps?: number }
  | { readonly ok: false; readonly rows: number; readonly seq: number; readonly problem: string };

/** Only the gateway and app hold one of these. Throws AuditUnavailable when the row did not reach the database. */
export interface AuditWriter {
  append(event: AuditEvent): AuditRow;
  /** The same, committed together with what else is being recorded in this turn of the event loop. Rejects with AuditUnavailable. */
  appendSoon(event: AuditEvent): Promise<AuditRow>;
}

export interface AuditReader {
  calls(filter: CallFilter): readonly CallStory[];
  call(callId: string): { readonly story: CallStory; readonly rows: readonly AuditRow[] } | undefined;
  /** Calls per hour since `since`: allowed (begun) and refused. `hour` is its start, ms since the epoch (UTC); hours without calls are left out. */
  hourly(since: number): readonly { readonly hour: number; readonly allowed: number; readonly refused: number }[];
  totals(since: number): { readonly allowed: number; readonly refused: number };
  /** Calls begun or refused per app name since `since`. */
  countByApp(since: number): ReadonlyMap<string, number>;
  /** Follows the whole chain in the file and compares its end with what this run wrote. Takes seconds per million rows. */
  verify(): VerifyResult;
}
