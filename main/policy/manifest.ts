import type { JsonObject, Result } from './json.ts';

export type Label = 'untrusted-input' | 'private-data' | 'changes-state';

/** How Gatehouse reaches a server. `command` is executed directly, never through a shell. */
export type Launch =
  | {
      readonly transport: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      /** Names of environment variables passed on to the server beside the short safe list. */
      readonly env: readonly string[];
      /** Subresource-integrity of the npm package, where it came from npm. */
      readonly integrity?: string;
    }
  | { readonly transport: 'http'; readonly url: string };

export interface Pin {
  /** Hex SHA-256 over the RFC 8785 bytes of `definition`. */
  readonly sha256: string;
  /** The whole raw wire definition as pinned, so that a change can be shown. */
  readonly definition: JsonObject;
  readonly labels: readonly Label[];
}

export interface ManifestServer {
  /** server.json of the official MCP registry, schema 2025-12-11, unchanged. */
  readonly server: JsonObject;
  /** [a-z0-9-]{1,24}; in rules github.create_issue, on the wire github__create_issue. */
  readonly alias: string;
  readonly title: string;
  readonly owner: string;
  readonly groups: readonly string[];
  readonly state: 'active' | 'deprecated' | 'revoked';
  readonly launch: Launch;
  readonly auth: { readonly kind: 'none' };
  readonly instructions?: { readonly sha256: string; readonly text: string };
  readonly tools: Readonly<Record<string, Pin>>;
}

/** manifest.json, parsed. */
export interface Manifest {
  readonly schema: 1;
  readonly servers: readonly ManifestServer[];
}

export type ManifestCode = 'not-json' | 'invalid';

/** Parses manifest.json text; collects every invalid field; recomputes every pin's digest and rejects one that differs. */
export declare function parseManifest(text: string): Result<Manifest, ManifestCode>;

/** What a server shows for one tool, against what the organisation pinned. */
export type PinVerdict =
  | { readonly state: 'approved'; readonly pin: Pin }
  | {
      readonly state: 'changed';
      readonly pin: Pin;
      readonly shown: JsonObject;
      readonly shownSha256: string;
      readonly changes: readonly FieldChange[];
    }
  | { readonly state: 'unpinned'; readonly shown: JsonObject; readonly shownSha256: string }
  | { readonly state: 'missing'; readonly pin: Pin };

export interface FieldChange {
  /** RFC 6901 pointer inside the definition, e.g. "/annotations/readOnlyHint". */
  readonly path: string;
  /** Absent where the field was added. */
  readonly before?: JsonObject[string];
  /** Absent where the field was removed. */
  readonly after?: JsonObject[string];
}

/** Compares a server's raw tool definitions with its pins, by tool name. A name shown twice is "changed". */
export declare function compareTools(
  server: Pick<ManifestServer, 'tools'>,
  shown: readonly JsonObject[],
): ReadonlyMap<string, PinVerdict>;

/** A readable before/after of one definition, one line per changed field, long text as unified lines. */
export declare function describeChanges(changes: readonly FieldChange[]): string;
