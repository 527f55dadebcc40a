import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { House } from './house.ts';

/** AI apps as callers: the previous major of the SDK (legacy), the current one (modern), and bare HTTP. */

export async function legacyCaller(house: House, suffix = '', token = house.token): Promise<LegacyClient> {
  const client = new LegacyClient({ name: 'legacy-app', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  const transport = new LegacyTransport(new URL(`${house.endpoint}${suffix}`), { requestInit });
  // The previous major's types are not exact about optional properties.
  await client.connect(transport as Parameters<LegacyClient['connect']>[0]);
  return client;
}

export async function modernCaller(house: House, suffix = '', token = house.token): Promise<ModernClient> {
  const client = new ModernClient({ name: 'modern-app', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new ModernTransport(new URL(`${house.endpoint}${suffix}`), { requestInit }));
  return client;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: JsonObject;
}

export async function post(
  house: House,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  suffix = '',
): Promise<HttpAnswer> {
  const response = await fetch(`${house.endpoint}${suffix}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${house.token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parseLoosely(text) };
}

/** The text of the last message, whatever carried it. */
export function lastMessage({ headers, text }: HttpAnswer): string {
  if (headers.get('content-type') !== 'text/event-stream') return text;
  return (
    text
      .split('\n')
      .findLast((line) => line.startsWith('data: {'))
      ?.slice(6) ?? ''
  );
}

function parseLoosely(text: string): JsonObject {
  const data = text.startsWith('{') || text.startsWith('[') ? text : (/^data: ([^\n]+)$/m.exec(text)?.[1] ?? '{}');
  return JSON.parse(data) as JsonObject;
}

export const version = '2026-07-28';

/** One modern request, headers as the specification asks. */
export async function modernPost(
  house: House,
  method: string,
  params: JsonObject = {},
  headers: Readonly<Record<string, string>> = {},
  suffix = '',
): Promise<HttpAnswer> {
  const meta = { ...(params._meta as JsonObject | undefined), ...envelope };
  const name = method === 'tools/call' && typeof params.name === 'string' ? { 'mcp-name': params.name } : {};
  return post(
    house,
    { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } },
    { 'mcp-protocol-version': version, 'mcp-method': method, ...name, ...headers },
    suffix,
  );
}

export const envelope: JsonObject = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'bare', version: '1' },
};

/** A legacy session over bare HTTP. */
export async function startSession(house: House, suffix = '', protocolVersion = '2025-11-25'): Promise<RawSession> {
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'bare', version: '1' } };
  const answer = await post(house, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, {}, suffix);
  const id = answer.headers.get('mcp-session-id');
  if (id === null) throw new Error(`no session: ${answer.status} ${answer.text}`);
  return { id, answer, headers: { 'mcp-session-id': id, 'mcp-protocol-version': protocolVersion } };
}

export interface RawSession {
  readonly id: string;
  readonly answer: HttpAnswer;
  readonly headers: Readonly<Record<string, string>>;
}

/** One legacy request in a session, answered raw. */
export async function ask(
  house: House,
  session: RawSession,
  method: string,
  params: JsonObject = {},
  id: number | string = 1,
  suffix = '',
): Promise<HttpAnswer> {
  return post(house, { jsonrpc: '2.0', id, method, params }, session.headers, suffix);
}

export function textOf(result: unknown): string {
  const content = (result as { content?: readonly { text?: string }[] }).content;
  return content?.map((block) => block.text ?? '').join('\n') ?? '';
}

export function refusalOf(result: unknown): JsonObject {
  const meta = (result as { _meta?: JsonObject })._meta;
  return (meta?.['gatehouse/refusal'] ?? {}) as JsonObject;
}
