import type { Json, JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import { checkStandardHeaders, type McpHeaders } from './mcp-headers.ts';
import {
  clip,
  legacyVersions,
  metaKey,
  modernVersions,
  type RpcError,
  type RpcId,
  type RpcReply,
  type RpcRequest,
  rpcCode,
} from './wire.ts';

/** One JSON-RPC message of a legacy caller. */
export type LegacyMessage =
  | ({ readonly kind: 'request' } & RpcRequest)
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'response'; readonly id: RpcId; readonly reply: RpcReply };

export type Era =
  | { readonly era: 'legacy'; readonly message: LegacyMessage }
  | { readonly era: 'legacy-batch'; readonly messages: readonly LegacyMessage[] }
  | ({ readonly era: 'modern'; readonly version: string } & RpcRequest)
  | { readonly era: 'modern-notification' }
  | {
      readonly era: 'rejected';
      readonly httpStatus: number;
      readonly id: RpcId | null;
      readonly error: RpcError;
    };

/** Longer ids than any app gives: each is kept while its request runs, and repeated in its answer. */
const idLimit = 256;

/**
 * Which protocol revision a POST speaks, for a message that is plainly of one: nearly every one. Undefined for any other, which
 * `classify` is asked about. Where this answers, it answers as `classify` does. Pure; never throws.
 */
export function plainEra(headers: McpHeaders, body: Json): Era | undefined {
  if (!isJsonObject(body) || idProblem(body) !== undefined) return undefined;
  for (const name in body) if (!envelope.has(name)) return undefined;
  const { params, method, id } = body;
  if (body.jsonrpc !== '2.0' || typeof method !== 'string') return undefined;
  if (params !== undefined && !isJsonObject(params)) return undefined;
  const meta = params?._meta;
  if (meta !== undefined && !isJsonObject(meta)) return undefined;
  const named = headers['mcp-protocol-version'];
  if (meta !== undefined && Object.hasOwn(meta, metaKey.protocolVersion)) {
    const version = meta[metaKey.protocolVersion];
    if (version !== named || id === undefined || headers['mcp-method'] !== method) return undefined;
    if (!(modernVersions as readonly unknown[]).includes(version) || !isPlainEnvelope(meta)) return undefined;
    return modernEra(headers, body, named);
  }
  if (named !== undefined && !(legacyVersions as readonly string[]).includes(named)) return undefined;
  if (meta !== undefined && !isPlainMeta(meta)) return undefined;
  return legacyEra(body, 1);
}

const envelope: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params']);

/** Nothing in it that the protocol itself gives a meaning, but a token for progress. */
function isPlainMeta(meta: JsonObject): boolean {
  for (const name in meta) if (name.startsWith('io.modelcontextprotocol/')) return false;
  const token = meta.progressToken;
  return token === undefined || typeof token === 'string' || Number.isSafeInteger(token);
}

/** What a caller of 2026-07-28 says of itself with each request, where nothing about it needs a closer look. */
function isPlainEnvelope(meta: JsonObject): boolean {
  const {
    [metaKey.protocolVersion]: _,
    [metaKey.clientCapabilities]: capabilities,
    [metaKey.clientInfo]: info,
    ...rest
  } = meta;
  if (!isJsonObject(capabilities) || !isPlainMeta(rest)) return false;
  for (const name in capabilities) if (!plainCapabilities.has(name) || !isEmpty(capabilities[name])) return false;
  if (info === undefined) return true;
  if (!isJsonObject(info) || typeof info.name !== 'string' || typeof info.version !== 'string') return false;
  for (const name in info) if (!plainInfo.has(name) || typeof info[name] !== 'string') return false;
  return true;
}

const plainCapabilities: ReadonlySet<string> = new Set(['roots', 'sampling', 'elicitation']);
const plainInfo: ReadonlySet<string> = new Set(['name', 'version', 'title']);

function isEmpty(value: Json | undefined): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0;
}

export function modernEra(headers: McpHeaders, body: Json, version: string | undefined): Era {
  const message = messageOf(body);
  if (message === undefined || message.kind === 'response') {
    return rejected(idOf(body), 400, invalidRequest);
  }
  if (version === undefined || !(modernVersions as readonly string[]).includes(version)) {
    const error: RpcError = {
      code: rpcCode.unsupportedVersion,
      message: `Unsupported protocol version: ${clip(version ?? 'none was named', 100)}`,
      data: { supported: [...modernVersions], requested: clip(version ?? '', 100) },
    };
    return rejected(idOf(body), 400, error);
  }
  if (message.kind === 'notification') return { era: 'modern-notification' };
  const mismatch = checkStandardHeaders(headers, message.method, message.params, version);
  if (mismatch !== undefined) return rejected(message.id, 400, mismatch);
  return { era: 'modern', version, id: message.id, method: message.method, params: message.params };
}

export function legacyEra(body: Json, batchLimit: number): Era {
  if (!Array.isArray(body)) {
    const message = messageOf(body);
    return message === undefined ? rejected(idOf(body), 400, invalidRequest) : { era: 'legacy', message };
  }
  if (body.length === 0 || body.length > batchLimit) {
    const detail = body.length === 0 ? 'is empty' : `has ${body.length} messages; at most ${batchLimit} are taken`;
    return rejected(null, 400, { code: rpcCode.invalidRequest, message: `Invalid request: the batch ${detail}` });
  }
  const messages: LegacyMessage[] = [];
  for (const element of body) {
    const wrongId = idProblem(element as Json);
    const message = wrongId === undefined ? messageOf(element as Json) : undefined;
    if (message === undefined) return rejected(null, 400, wrongId ?? invalidRequest);
    messages.push(message);
  }
  return { era: 'legacy-batch', messages };
}

const invalidRequest: RpcError = {
  code: rpcCode.invalidRequest,
  message: 'Invalid request: not a JSON-RPC 2.0 message',
};
const noParams: JsonObject = {};

function messageOf(body: Json): LegacyMessage | undefined {
  if (!isJsonObject(body) || body.jsonrpc !== '2.0') return undefined;
  const { id, method, params } = body;
  if (method === undefined) return responseOf(body);
  if (typeof method !== 'string') return undefined;
  if (params !== undefined && !isJsonObject(params)) return undefined;
  if (id === undefined) return { kind: 'notification', method, params: params ?? noParams };
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  return { kind: 'request', id, method, params: params ?? noParams };
}

function responseOf({ id, result, error }: JsonObject): LegacyMessage | undefined {
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  if (error === undefined)
    return isJsonObject(result) ? { kind: 'response', id, reply: { ok: true, result } } : undefined;
  if (!isJsonObject(error) || result !== undefined) return undefined;
  const { code, message } = error;
  if (typeof code !== 'number' || typeof message !== 'string') return undefined;
  return { kind: 'response', id, reply: { ok: false, error: { ...error, code, message } } };
}

/** "Requests": an id is text or a whole number. Whole numbers beyond 2^53 would come back as others. */
export function idProblem(body: Json): RpcError | undefined {
  if (!isJsonObject(body) || body.id === undefined) return undefined;
  const { id } = body;
  if (typeof id === 'string' && id.length <= idLimit) return undefined;
  if (typeof id === 'number' && Number.isSafeInteger(id)) return undefined;
  const long = typeof id === 'string' ? ` of at most ${idLimit} characters` : '';
  const message = `Invalid request: "id" must be text${long} or a whole number between -(2^53-1) and 2^53-1`;
  return { code: rpcCode.invalidRequest, message };
}

/** The id a message gives itself, to answer it by; null when it has none. */
export function idOf(body: Json): RpcId | null {
  if (!isJsonObject(body)) return null;
  const { id } = body;
  return (typeof id === 'string' && id.length <= idLimit) || Number.isSafeInteger(id) ? (id as RpcId) : null;
}

export function rejected(id: RpcId | null, httpStatus: number, error: RpcError): Era {
  return { era: 'rejected', httpStatus, id, error };
}
