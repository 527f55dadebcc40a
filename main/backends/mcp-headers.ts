import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import { PROTOCOL_VERSION_META_KEY } from './revision-names.ts';

/** Which field of params the Mcp-Name header repeats (2026-07-28, Streamable HTTP, §Standard request headers). */
const NAME_FIELD: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** The headers a modern message needs, derived from the message itself; none for a legacy one. */
export function modernHeaders(message: JsonObject): Record<string, string> {
  const { method, params } = message;
  const meta = isJsonObject(params) ? params._meta : undefined;
  const version = isJsonObject(meta) ? meta[PROTOCOL_VERSION_META_KEY] : undefined;
  if (typeof method !== 'string' || typeof version !== 'string') return {};
  const headers: Record<string, string> = { 'mcp-protocol-version': version, 'mcp-method': method };
  const field = NAME_FIELD.get(method);
  const name = field !== undefined && isJsonObject(params) ? params[field] : undefined;
  if (typeof name === 'string') headers['mcp-name'] = encodeHeaderValue(name);
  return headers;
}

/**
 * Mcp-Param-* for a tools/call: each property of the tool's input schema that carries `x-mcp-header`, reached through `properties` only
 * (2026-07-28, Streamable HTTP, §Custom headers from tool parameters). Absent, null and non-primitive values give no header.
 */
export function parameterHeaders(definition: JsonObject | undefined, args: Json | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (definition !== undefined) collect(definition.inputSchema, args, headers, 0);
  return headers;
}

const DEPTH = 64;

function collect(
  schema: Json | undefined,
  value: Json | undefined,
  headers: Record<string, string>,
  depth: number,
): void {
  if (!isJsonObject(schema) || depth > DEPTH) return;
  const header = schema['x-mcp-header'];
  if (typeof header === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(header)) {
    const text = primitiveText(value);
    if (text !== undefined) headers[`mcp-param-${header.toLowerCase()}`] = encodeHeaderValue(text);
  }
  if (!isJsonObject(schema.properties) || !isJsonObject(value)) return;
  for (const [key, child] of Object.entries(schema.properties)) {
    if (Object.hasOwn(value, key)) collect(child, value[key], headers, depth + 1);
  }
}

function primitiveText(value: Json | undefined): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && (!Number.isInteger(value) || Number.isSafeInteger(value))) return String(value);
  return undefined;
}

/** Plain ASCII goes as it is; anything a header cannot carry is wrapped as =?base64?…?= (same section, §Value encoding). */
function encodeHeaderValue(value: string): string {
  const plain = /^[\t\x20-\x7e]+$/.test(value) && value === value.trim() && !/^=\?base64\?.*\?=$/.test(value);
  return plain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}
