import type { ApprovalAnswer } from '../audit/record.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Label } from '../policy/manifest.ts';
import type { Clock } from '../ports.ts';

/** What the person is shown. `digest` binds the answer to exactly these values. */
export interface ApprovalQuestion {
  readonly id: string;
  readonly callId: string;
  readonly app: string;
  readonly user: string;
  /** Opaque id of the caller's session: the reach of "allow for this session". */
  readonly session: string;
  readonly alias: string;
  readonly serverTitle: string;
  readonly tool: string;
  /** Pinned definition: titles and descriptions of the fields come from its input schema. */
  readonly definition: JsonObject;
  readonly definitionSha256: string;
  readonly args: JsonObject;
  readonly labels: readonly Label[];
  readonly reason: string;
  readonly rules: readonly string[];
  /** A remembered answer ends with the policy it was given under. */
  readonly policyDigest: string;
  readonly message: string;
  readonly remember: readonly ('call' | 'session')[];
  /** Hex SHA-256 of the canonical JSON of every field above, `id` and `callId` included. */
  readonly digest: string;
  readonly askedAt: number;
  readonly expiresAt: number;
}

export interface ApprovalOutcome {
  readonly answer: ApprovalAnswer;
  readonly allowed: boolean;
  readonly digest: string;
}

export interface Approvals {
  /** Resolves exactly once. Timeout, abort, close and quit are "no". A remembered session answer resolves at once. */
  ask(
    question: Omit<ApprovalQuestion, 'id' | 'digest' | 'askedAt' | 'expiresAt'> & { readonly timeoutMs: number },
    signal: AbortSignal,
  ): Promise<ApprovalOutcome>;
  /** The person's answer. Refused when the id is unknown, already answered, expired, the digest differs, or the answer is not offered. */
  answer(
    id: string,
    digest: string,
    answer: 'allow-once' | 'allow-session' | 'deny',
  ): { readonly ok: true } | { readonly ok: false; readonly code: 'unknown' | 'digest-mismatch' | 'not-offered' };
  /** True when the person already allowed this exact tool definition for this session. */
  isRemembered(key: {
    readonly session: string;
    readonly alias: string;
    readonly tool: string;
    readonly definitionSha256: string;
    readonly policyDigest: string;
  }): boolean;
  /** Oldest first. */
  pending(): readonly ApprovalQuestion[];
  /** The approval window was closed: every shown question is answered "closed". */
  closeAll(answer: 'closed' | 'quit'): void;
  forgetSession(session: string): void;
  onChange(listener: () => void): () => void;
}

export declare function createApprovals(options: { readonly clock: Clock }): Approvals;
