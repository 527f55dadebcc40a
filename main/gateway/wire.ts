import type { Json, JsonObject } from '../policy/json.ts';

/** JSON-RPC and MCP shapes as AI apps see them. Every code and key here is pinned by a literal test. */

/** JSON-RPC 2.0 §5.1, and the codes of MCP 2026-07-28 (Streamable HTTP, "Server Validation"). */
export const rpcCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Implementation-defined (§5.1): a request the door did not let in. */
  refused: -32000,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const;

/** Revisions with `initialize` and sessions, newest first. */
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

/** Stateless revisions, newest first. */
export const modernVersions = ['2026-07-28'] as const;

/** The only revision whose base protocol had JSON-RPC batches (removed in 2025-06-18). */
export const batchVersion = '2025-03-26';

export const metaKey = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  refusal: 'gatehouse/refusal',
} as const;

export type RpcId = string | number;

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

export function methodNotFound(method: string): RpcError {
  return { code: rpcCode.methodNotFound, message: `Method not found: ${method.slice(0, 200)}` };
}

/** What a request was answered with. */
export type RpcReply =
  | { readonly ok: true; readonly result: JsonObject }
  | { readonly ok: false; readonly error: RpcError };

export interface RpcRequest {
  readonly id: RpcId;
  readonly method: string;
  readonly params: JsonObject;
}

/** The text of a success. `resultText` is JSON already: a large result is turned into text once, for record and wire alike. */
export function resultMessage(id: RpcId, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultText}}`;
}

export function errorMessage(id: RpcId | null, error: RpcError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

export function requestMessage(id: RpcId, method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

export function notificationMessage(method: string, params?: JsonObject): string {
  return JSON.stringify(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
}

/** Puts `"key":value` first in a JSON object's text without parsing it again. */
export function withLeadingMember(objectText: string, key: string, valueText: string): string {
  const rest = objectText.slice(1);
  return rest === '}' ? `{${JSON.stringify(key)}:${valueText}}` : `{${JSON.stringify(key)}:${valueText},${rest}`;
}

/** What MCP calls the severities of a log message, least severe first (RFC 5424; "Logging", Log Levels). */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;

/** True when `value` nests objects and arrays deeper than `limit`: what recursion further down could not survive. */
export function nestsDeeperThan(value: Json, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (limit === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (nestsDeeperThan(item, limit - 1)) return true;
    return false;
  }
  const members = value as JsonObject;
  for (const key in members) {
    const member = members[key];
    if (member !== undefined && nestsDeeperThan(member, limit - 1)) return true;
  }
  return false;
}

/** At most `limit` characters, and never half of one: what goes into the record must have a canonical form (RFC 8785 §3.2.2.2). */
export function clip(text: string, limit: number): string {
  const cut = text.length <= limit ? text : `${text.slice(0, limit)}…`;
  return cut.replaceAll(/\p{Cs}/gu, '\ufffd');
}
