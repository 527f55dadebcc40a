import { isJsonObject, type Json } from '../policy/json.ts';
import { protocolVersionKey, type Request } from './message.ts';

/** A tool's argument that HTTP repeats in `Mcp-Param-<header>`. */
interface ParamHeader {
  readonly header: string;
  readonly path: readonly string[];
}

/** Tools whose declarations are kept; a call of another one asks for the list again. */
const knownLimit = 20_000;
const depthLimit = 16;

const nameField: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/**
 * What Streamable HTTP wants of a 2026-07-28 request in headers ("Standard Request Headers", "Custom Headers from Tool Parameters") and an app
 * on stdio does not send: it is derived from the message, and from the tool lists that passed.
 */
export class ModernHeaders {
  readonly #declared = new Map<string, readonly ParamHeader[]>();

  of({ method, params }: Request): Record<string, string> {
    const meta = isJsonObject(params._meta) ? params._meta : {};
    const headers: Record<string, string> = {
      'mcp-protocol-version': encode(String(meta[protocolVersionKey])),
      'mcp-method': encode(method),
    };
    const field = nameField.get(method);
    const name = field === undefined ? undefined : params[field];
    if (typeof name === 'string') headers['mcp-name'] = encode(name);
    if (method !== 'tools/call' || typeof name !== 'string') return headers;
    for (const { header, path } of this.#declared.get(name) ?? []) {
      const text = textOf(at(params.arguments, path));
      if (text !== undefined) headers[`mcp-param-${header.toLowerCase()}`] = encode(text);
    }
    return headers;
  }

  /** Takes up the result of a tools/list. */
  learn(result: Json | undefined): void {
    if (!isJsonObject(result) || !Array.isArray(result.tools)) return;
    for (const tool of result.tools as readonly Json[]) {
      if (!isJsonObject(tool) || typeof tool.name !== 'string') continue;
      this.#declared.delete(tool.name);
      const found: ParamHeader[] = [];
      collect(tool.inputSchema, [], found);
      if (found.length > 0 && this.#declared.size < knownLimit) this.#declared.set(tool.name, found);
    }
  }
}

function collect(schema: Json | undefined, path: readonly string[], found: ParamHeader[]): void {
  if (!isJsonObject(schema) || path.length > depthLimit) return;
  const header = schema['x-mcp-header'];
  if (typeof header === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header) && path.length > 0)
    found.push({ header, path });
  if (!isJsonObject(schema.properties)) return;
  for (const [key, child] of Object.entries(schema.properties)) collect(child, [...path, key], found);
}

function at(value: Json | undefined, path: readonly string[]): Json | undefined {
  let here = value;
  for (const key of path) here = isJsonObject(here) && Object.hasOwn(here, key) ? here[key] : undefined;
  return here;
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number'
    ? String(value)
    : undefined;
}

/** What a header cannot carry as it is goes as =?base64?…?= ("Value Encoding"). */
function encode(value: string): string {
  const plain = /^[\x20-\x7e]+$/.test(value) && value === value.trim() && !/^=\?base64\?.*\?=$/.test(value);
  return plain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}
