import type { Json, JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import { clip, type RpcError, rpcCode } from './wire.ts';

/** The request headers MCP 2026-07-28 gives a meaning, as Node gives them. */
export type McpHeaders = Readonly<Record<string, string | undefined>>;

/** An input schema property that asks to be mirrored in `Mcp-Param-<header>` ("Schema Extension": `x-mcp-header`). */
export interface ParamHeader {
  readonly header: string;
  readonly path: readonly string[];
  readonly numeric: boolean;
}

/** Which body field `Mcp-Name` mirrors, per method. */
const nameField: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** Streamable HTTP, "Standard Request Headers": present, and saying what the body says. Undefined when they do. */
export function checkStandardHeaders(
  headers: McpHeaders,
  method: string,
  params: JsonObject,
  version: string,
): RpcError | undefined {
  if (headers['mcp-protocol-version'] === undefined) {
    return mismatch('(missing)', `the body names protocol version ${version} but MCP-Protocol-Version is absent`);
  }
  if (headers['mcp-method'] === undefined) {
    return mismatch('(missing)', `the body names method ${clip(method, longest)} but Mcp-Method is absent`);
  }
  const field = Object.hasOwn(nameField, method) ? nameField[method] : undefined;
  if (field === undefined) return undefined;
  const value = params[field];
  const header = headers['mcp-name']?.trim();
  if (header === undefined) {
    return typeof value === 'string'
      ? mismatch('(missing)', `the body carries params.${field} but Mcp-Name is absent`)
      : undefined;
  }
  const decoded = decodeHeaderValue(header);
  if (decoded === undefined) return mismatch(header, 'Mcp-Name is not valid Base64 of UTF-8 text');
  if (typeof value === 'string' && decoded !== value) {
    return mismatch(header, `the body carries params.${field}=${quoted(value)}`);
  }
  return undefined;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The `x-mcp-header` declarations of a pinned input schema: only properties reached through `properties` may carry one. */
export function paramHeadersOf(inputSchema: Json | undefined): readonly ParamHeader[] {
  const found: ParamHeader[] = [];
  collect(inputSchema, [], found, 0);
  return found;
}

function collect(schema: Json | undefined, path: readonly string[], found: ParamHeader[], depth: number): void {
  if (!isJsonObject(schema) || depth > 16) return;
  const header = schema['x-mcp-header'];
  if (typeof header === 'string' && token.test(header) && path.length > 0) {
    found.push({ header, path, numeric: schema.type === 'integer' || schema.type === 'number' });
  }
  if (!isJsonObject(schema.properties)) return;
  for (const [key, child] of Object.entries(schema.properties)) collect(child, [...path, key], found, depth + 1);
}

/** "Server Validation" of `Mcp-Param-*`: a value in the body must stand in its header too; an absent value asks for none. */
export function checkParamHeaders(
  declared: readonly ParamHeader[],
  headers: McpHeaders,
  args: Json | undefined,
): RpcError | undefined {
  for (const { header, path, numeric } of declared) {
    const body = at(args, path);
    if (typeof body !== 'string' && typeof body !== 'number' && typeof body !== 'boolean') continue;
    const name = `Mcp-Param-${header}`;
    const value = headers[name.toLowerCase()];
    const where = `the body carries ${clip(path.join('.'), longest)}=${quoted(body)}`;
    if (value === undefined) return mismatch(name, `${where} but ${name} is absent`);
    const decoded = decodeHeaderValue(value.trim());
    if (decoded === undefined) return mismatch(name, `${name} is not valid Base64 of UTF-8 text`);
    const same =
      numeric && typeof body === 'number' ? isDecimal(decoded) && Number(decoded) === body : decoded === String(body);
    if (!same) return mismatch(name, `${where} but ${name} says ${quoted(decoded)}`);
  }
  return undefined;
}

function isDecimal(text: string): boolean {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
}

function at(root: Json | undefined, path: readonly string[]): Json | undefined {
  let node = root;
  for (const key of path) {
    if (!isJsonObject(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[key];
  }
  return node;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A header value, or the text inside the `=?base64?…?=` sentinel; undefined when that is malformed. */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith('=?base64?') || !value.endsWith('?=')) return value;
  const text = value.slice(9, -2);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    // Not UTF-8: said as "malformed", the only thing the caller can act on.
    return undefined;
  }
}

/** Characters of what a caller sent that are said back to it. */
const longest = 200;

function quoted(value: Json): string {
  return clip(JSON.stringify(value), longest);
}

function mismatch(header: string, body: string): RpcError {
  return {
    code: rpcCode.headerMismatch,
    message: `Bad Request: the request headers and body disagree: ${body}`,
    data: { mismatch: { header: clip(header, longest), body } },
  };
}
