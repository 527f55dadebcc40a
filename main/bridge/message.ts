import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';

export type RpcId = string | number;

/** One line of the app, told apart. `text` is the line as it came: that is what is sent on. */
export type Message =
  | {
      readonly kind: 'request';
      readonly text: string;
      readonly id: RpcId;
      readonly method: string;
      readonly params: JsonObject;
      readonly era: 'legacy' | 'modern';
    }
  | { readonly kind: 'notification'; readonly text: string; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'response'; readonly text: string; readonly id: RpcId; readonly json: JsonObject }
  /** Revision 2025-03-26 only. */
  | { readonly kind: 'batch'; readonly text: string; readonly ids: readonly RpcId[] };

export type Request = Extract<Message, { kind: 'request' }>;
export type Notification = Extract<Message, { kind: 'notification' }>;

export type Read = { readonly ok: true; readonly message: Message } | { readonly ok: false; readonly error: string };

export const protocolVersionKey = 'io.modelcontextprotocol/protocolVersion';
export const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';

/** JSON-RPC 2.0 §5.1; -32000 is the first of the codes left to implementations. */
export const code = { parse: -32700, invalid: -32600, failed: -32000, headerMismatch: -32020 } as const;

/** What one line is, or the JSON-RPC error to answer it with (§5.1; its id cannot be known, so it is null). */
export function readMessage(text: string): Read {
  const json = parse(text);
  if (json === undefined) return wrong(code.parse, 'Parse error: expected one JSON-RPC message a line');
  if (Array.isArray(json)) return { ok: true, message: { kind: 'batch', text, ids: json.flatMap(idOfRequest) } };
  if (!isJsonObject(json)) return wrong(code.invalid, 'Invalid request: expected a JSON object');
  const { id, method } = json;
  const params = isJsonObject(json.params) ? json.params : {};
  if (typeof method === 'string') {
    if (id === undefined) return { ok: true, message: { kind: 'notification', text, method, params } };
    if (!isId(id)) return wrong(code.invalid, 'Invalid request: "id" must be text or a number');
    return { ok: true, message: { kind: 'request', text, id, method, params, era: eraOf(params) } };
  }
  const answers = isId(id) && ('result' in json || 'error' in json);
  if (answers) return { ok: true, message: { kind: 'response', text, id, json } };
  return wrong(code.invalid, 'Invalid request: expected a request, a notification or a response');
}

/** A request of 2026-07-28 says its revision itself (Base Protocol, "_meta"); all others belong to a session. */
function eraOf(params: JsonObject): 'legacy' | 'modern' {
  const meta = params._meta;
  return isJsonObject(meta) && typeof meta[protocolVersionKey] === 'string' ? 'modern' : 'legacy';
}

function idOfRequest(json: Json): readonly RpcId[] {
  return isJsonObject(json) && typeof json.method === 'string' && isId(json.id) ? [json.id] : [];
}

export function isId(value: unknown): value is RpcId {
  return typeof value === 'string' || typeof value === 'number';
}

/** 1 and "1" are two ids. */
export function idKey(id: RpcId): string {
  return `${typeof id}:${id}`;
}

/** undefined for what is no JSON. */
export function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // The parser's own words quote the line, which may hold anything.
    return undefined;
  }
}

export function errorText(id: RpcId | null, error: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

export function notificationText(method: string, params?: JsonObject): string {
  return JSON.stringify(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
}

function wrong(errorCode: number, message: string): Read {
  return { ok: false, error: errorText(null, { code: errorCode, message }) };
}
