import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Approvals } from '../approvals/approvals.ts';
import type { AuditWriter } from '../audit/record.ts';
import type { Backends } from '../backends/backends.ts';
import type { Apps } from '../identity/apps.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import type { FieldChange } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { LoopbackGateway } from './loopback-gateway.ts';
import type { ToolSearch } from './tool-search-port.ts';

/** What is in force for new calls, or why nothing is. */
export type InForce =
  | { readonly ok: true; readonly snapshot: PolicySnapshot }
  | {
      readonly ok: false;
      readonly code: 'no-policy' | 'policy-expired' | 'paused' | 'shutting-down';
      readonly message: string;
    };

/** What a backend showed that is not what was pinned. */
export interface HeldBack {
  readonly alias: string;
  /** Absent for a tool. */
  readonly kind?: 'prompt' | 'resource-template';
  /** Name of the tool or prompt, or the URI template. */
  readonly tool: string;
  readonly state: 'changed' | 'unpinned' | 'missing';
  readonly changes: readonly FieldChange[];
  readonly pinnedSha256?: string;
  readonly shownSha256?: string;
  readonly since: number;
}

export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly inForce: () => InForce;
  readonly account: string;
  readonly apps: Apps;
  readonly backends: Backends;
  readonly approvals: Approvals;
  readonly audit: AuditWriter;
  /** Serves profiles that show two tools instead of all; without it they show all. */
  readonly search?: ToolSearch;
  /** The console, served on the same port. Answers true when it took the request. */
  readonly console?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export type ListenCode = 'port-in-use' | 'not-permitted';

export interface Gateway {
  /** Binds 127.0.0.1 only. Port 0 picks a free one. */
  listen(
    port: number,
  ): Promise<
    | { readonly ok: true; readonly port: number }
    | { readonly ok: false; readonly code: ListenCode; readonly message: string }
  >;
  /** A new policy is in force (or none): callers are told list_changed, revoked calls are cancelled. */
  policyChanged(): void;
  /** Sessions of an app whose token ended are closed. */
  appEnded(appId: string): void;
  /** Tools withheld because they differ from what was approved. */
  heldBack(): readonly HeldBack[];
  onHeldBack(listener: () => void): () => void;
  /** Connected sessions per app id. */
  connections(): ReadonlyMap<string, number>;
  /** Lists a backend's tools now, so that Home and Tools can show what changed without waiting for an app. */
  inspect(alias: string): Promise<void>;
  /** Stops taking calls, waits for those in flight up to `graceMs`, then cancels and records them. */
  close(graceMs: number): Promise<void>;
}

export function createGateway(deps: GatewayDeps): Gateway {
  return new LoopbackGateway(deps);
}
