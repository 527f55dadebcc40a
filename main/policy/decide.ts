import type { CedarEngine } from './cedar.ts';
import type { PolicyDocument } from './document.ts';
import type { JsonObject, Problem } from './json.ts';
import type { Manifest } from './manifest.ts';

/** One policy version, compiled. Immutable: an update makes a new one and never changes a call in flight. */
export interface PolicySnapshot {
  /** Organisation name and the TUF snapshot version. */
  readonly organisation: string;
  readonly version: number;
  /** Hex SHA-256 over the three target files' digests: names exactly what was in force. */
  readonly digest: string;
  readonly document: PolicyDocument;
  readonly manifest: Manifest;
  readonly engine: CedarEngine;
}

export interface User {
  readonly id: string;
  /** From the policy's identity section; never from the caller. */
  readonly groups: readonly string[];
}

export interface DecisionRequest {
  readonly question: 'discover' | 'call';
  readonly user: User;
  /** Name of the AI app, as issued with its token. */
  readonly app: string;
  readonly profile?: string;
  readonly alias: string;
  readonly tool: string;
  /** Present for 'call'. Already validated against the pinned input schema. */
  readonly args?: JsonObject;
  /** Milliseconds since the epoch, supplied by the caller: policy reads no clock. */
  readonly at: number;
}

export interface RuleRef {
  readonly id: string;
  readonly reason?: string;
}

export interface Decision {
  readonly effect: 'allow' | 'ask' | 'deny';
  /** The rules that determined the effect. Empty when nothing permitted (deny by default). */
  readonly rules: readonly RuleRef[];
  /** One sentence for the person. Never empty. */
  readonly reason: string;
  /** Whom to ask. */
  readonly contact: string;
  readonly obligations: readonly string[];
}

/** Compiles the three signed documents into a snapshot, or says everything that is wrong with them. */
export declare function compileSnapshot(source: {
  readonly organisation: string;
  readonly version: number;
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
}):
  | { readonly ok: true; readonly value: PolicySnapshot }
  | {
      readonly ok: false;
      readonly code: 'invalid-policy';
      readonly problems: readonly (Problem & { readonly file: string })[];
    };

/** The one decision function, for listing and for calling. Pure. A tool not pinned, revoked or outside the profile is denied. */
export declare function decide(snapshot: PolicySnapshot, request: DecisionRequest): Decision;

/** The groups the policy gives this account; an account the policy does not name has none. */
export declare function userOf(snapshot: PolicySnapshot, account: string): User;
