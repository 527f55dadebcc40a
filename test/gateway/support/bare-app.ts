import type { JsonObject } from '../../../main/policy/json.ts';
import { Events } from './events.ts';

/** An AI app that speaks bare HTTP and looks at every byte of the answers. */

export interface Door {
  readonly endpoint: string;
  readonly token: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly json: JsonObject;
}

export class BareApp {
  readonly #door: Door;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #suffix: string;

  constructor(door: Door, headers: Readonly<Record<string, string>> = {}, suffix = '') {
    this.#door = door;
    this.#headers = headers;
    this.#suffix = suffix;
  }

  /** What this app sends with each request. */
  header(name: string): string {
    return this.#headers[name] ?? '';
  }

  /** Nothing of the body is read yet. */
  raw(method: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.#door.endpoint}${this.#suffix}`, {
      method,
      ...(signal !== undefined && { signal }),
      headers: {
        authorization: `Bearer ${this.#door.token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...this.#headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** Headers are there, the body may still come. */
  async fetch(method: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Events> {
    const stop = new AbortController();
    const response = await fetch(`${this.#door.endpoint}${this.#suffix}`, {
      method,
      signal: stop.signal,
      headers: {
        authorization: `Bearer ${this.#door.token}`,
        accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...this.#headers,
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return new Events(response, stop);
  }

  /** One message, answered in full; of a stream the last message. */
  async post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
    const stop = new AbortController();
    const response = await fetch(`${this.#door.endpoint}${this.#suffix}`, {
      method: 'POST',
      signal: stop.signal,
      headers: {
        authorization: `Bearer ${this.#door.token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...this.#headers,
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const { status, headers: got } = response;
    if (got.get('content-type') === 'text/event-stream') {
      const events = new Events(response, stop);
      await events.ended(30_000);
      return { status, headers: got, json: events.messages.at(-1) ?? {} };
    }
    const text = await response.text();
    return { status, headers: got, json: text === '' ? {} : (JSON.parse(text) as JsonObject) };
  }

  request(method: string, params: JsonObject = {}, id: number | string = 1): Promise<Answered> {
    return this.post({ jsonrpc: '2.0', id, method, params });
  }

  notify(method: string, params: JsonObject = {}): Promise<Answered> {
    return this.post({ jsonrpc: '2.0', method, params });
  }

  respond(id: unknown, result: JsonObject): Promise<Answered> {
    return this.post({ jsonrpc: '2.0', id, result });
  }

  /** A call whose answer is expected to be a stream. */
  call(name: string, id: number | string = 1, args: JsonObject = {}): Promise<Events> {
    return this.fetch('POST', { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } });
  }

  listen(lastEventId?: string): Promise<Events> {
    return this.fetch('GET', undefined, lastEventId === undefined ? {} : { 'last-event-id': lastEventId });
  }
}

/** A legacy session. */
export async function openSession(
  door: Door,
  capabilities: JsonObject = {},
  { version = '2025-11-25', suffix = '' }: { version?: string; suffix?: string } = {},
): Promise<BareApp> {
  const params = { protocolVersion: version, capabilities, clientInfo: { name: 'bare', version: '1' } };
  const { headers, json } = await new BareApp(door, {}, suffix).request('initialize', params, 0);
  const session = headers.get('mcp-session-id');
  if (session === null) throw new Error(`no session: ${JSON.stringify(json)}`);
  return new BareApp(door, { 'mcp-session-id': session, 'mcp-protocol-version': version }, suffix);
}

const version = '2026-07-28';
const nameField: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

export interface ModernOptions {
  readonly capabilities?: JsonObject;
  readonly meta?: JsonObject;
  readonly id?: number | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly suffix?: string;
}

/** One request of 2026-07-28: body and headers as the specification asks. */
export function modernMessage(method: string, params: JsonObject, options: ModernOptions = {}) {
  const meta: JsonObject = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': options.capabilities ?? {},
    ...options.meta,
  };
  const field = nameField[method];
  const name = field === undefined ? undefined : params[field];
  return {
    body: { jsonrpc: '2.0', id: options.id ?? 1, method, params: { ...params, _meta: meta } },
    headers: {
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': name }),
      ...options.headers,
    },
  };
}

export function modern(door: Door, method: string, params: JsonObject = {}, options: ModernOptions = {}) {
  const { body, headers } = modernMessage(method, params, options);
  return new BareApp(door, {}, options.suffix).post(body, headers);
}

export function modernStream(door: Door, method: string, params: JsonObject = {}, options: ModernOptions = {}) {
  const { body, headers } = modernMessage(method, params, options);
  return new BareApp(door, {}, options.suffix).fetch('POST', body, headers);
}
