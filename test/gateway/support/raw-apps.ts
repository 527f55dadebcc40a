import type { JsonObject } from '../../../main/policy/json.ts';
import { BareApp, type Door, modernMessage, openSession } from './bare-app.ts';
import type { Events } from './events.ts';

/** AI apps of both eras behind one face: what they are sent is kept as text, and what they are asked they answer. */

/** What one request came to. */
export interface Outcome {
  readonly status: number;
  /** JSON text of the result, as it stood in the message. */
  readonly result?: string;
  /** And of the error. */
  readonly error?: string;
  /** Notifications that came before it, whole messages. */
  readonly said: readonly string[];
  /** What was asked meanwhile: method and params as text. */
  readonly asked: readonly { readonly method: string; readonly params: string }[];
}

export interface RequestOptions {
  readonly id?: number | string;
  /** Members of `_meta` beside those of the revision's own envelope. */
  readonly meta?: JsonObject;
  /** Modern: the level named with this request. */
  readonly logLevel?: string;
  /** Answers a question; without it nothing is expected to be asked. */
  readonly answer?: (method: string, params: JsonObject) => JsonObject | Promise<JsonObject>;
  /** Modern: `input_required` is an outcome like any other. */
  readonly whole?: boolean;
  readonly signal?: AbortSignal;
}

export interface App {
  readonly era: 'legacy' | 'modern';
  request(method: string, params?: JsonObject, options?: RequestOptions): Promise<Outcome>;
  /** Ends a request by its id as this era does. */
  cancel(id: number | string, stop: AbortController): Promise<void>;
  /** What is said beside requests. */
  listen(filter?: JsonObject): Promise<Events>;
}

export interface AppOptions {
  readonly capabilities?: JsonObject;
  readonly suffix?: string;
}

export async function openApp(era: 'legacy' | 'modern', door: Door, options: AppOptions = {}): Promise<App> {
  if (era === 'modern') return new ModernApp(door, options);
  const bare = await openSession(door, options.capabilities ?? {}, { suffix: options.suffix ?? '' });
  return new LegacyApp(bare);
}

const open: readonly string[] = ['{"jsonrpc":"2.0","id":', ',"result":', ',"error":'];

/** The text of a response's member, exactly as it stood. */
function memberOf(text: string, id: number | string): Pick<Outcome, 'result' | 'error'> {
  const [start = '', result = '', error = ''] = open;
  const head = `${start}${JSON.stringify(id)}`;
  if (text.startsWith(`${head}${result}`)) return { result: text.slice(head.length + result.length, -1) };
  if (text.startsWith(`${head}${error}`)) return { error: text.slice(head.length + error.length, -1) };
  throw new Error(`no response to ${String(id)}: ${text.slice(0, 500)}`);
}

/** Every message of an answer, whatever carries it, as it comes. */
async function* messagesOf(response: Response): AsyncGenerator<string> {
  if (response.headers.get('content-type') !== 'text/event-stream') {
    const text = await response.text();
    if (text !== '') yield text;
    return;
  }
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    const lines = `${rest}${decoder.decode(chunk as Uint8Array, { stream: true })}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data: ') && line !== 'data: ') yield line.slice(6);
  }
}

async function exchange(
  response: Response,
  id: number | string,
  onQuestion: (id: number | string, method: string, params: JsonObject) => Promise<void>,
): Promise<Outcome> {
  const said: string[] = [];
  const asked: { method: string; params: string }[] = [];
  let member: Pick<Outcome, 'result' | 'error'> = {};
  for await (const text of messagesOf(response)) {
    if (!text.startsWith('{"jsonrpc":"2.0","method":') && !text.includes('"method":')) {
      member = memberOf(text, id);
      continue;
    }
    const message = JSON.parse(text) as JsonObject;
    if (typeof message.method !== 'string') member = memberOf(text, id);
    else if (message.id === undefined) said.push(text);
    else {
      const { method, params } = message;
      asked.push({ method, params: JSON.stringify(params) });
      await onQuestion(message.id as number, method, params as JsonObject);
    }
  }
  return { status: response.status, ...member, said, asked };
}

class LegacyApp implements App {
  readonly era = 'legacy';
  readonly #app: BareApp;
  #lastId = 0;

  constructor(app: BareApp) {
    this.#app = app;
  }

  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<Outcome> {
    const id = options.id ?? ++this.#lastId;
    const { meta, answer, signal } = options;
    const sent = meta === undefined ? params : { ...params, _meta: { ...(params._meta as JsonObject), ...meta } };
    const response = await this.#app.raw('POST', { jsonrpc: '2.0', id, method, params: sent }, signal);
    return exchange(response, id, async (questionId, asked, given) => {
      if (answer === undefined) throw new Error(`nothing was to be asked: ${asked}`);
      const reply = await answer(asked, given);
      const accepted = await this.#app.post({ jsonrpc: '2.0', id: questionId, result: reply });
      if (accepted.status !== 202) throw new Error(`the answer was refused: ${accepted.status}`);
    });
  }

  async cancel(id: number | string): Promise<void> {
    await this.#app.notify('notifications/cancelled', { requestId: id });
  }

  listen(): Promise<Events> {
    return this.#app.listen();
  }
}

class ModernApp implements App {
  readonly era = 'modern';
  readonly #door: Door;
  readonly #options: AppOptions;
  #lastId = 0;

  constructor(door: Door, options: AppOptions) {
    this.#door = door;
    this.#options = options;
  }

  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<Outcome> {
    const { answer, logLevel, signal } = options;
    const said: string[] = [];
    const asked: { method: string; params: string }[] = [];
    let more: JsonObject = {};
    for (;;) {
      const id = options.id ?? ++this.#lastId;
      const meta = {
        ...(params._meta as JsonObject | undefined),
        ...options.meta,
        ...(logLevel !== undefined && { 'io.modelcontextprotocol/logLevel': logLevel }),
      };
      const own = typeof params.taskId === 'string' ? { 'mcp-name': params.taskId } : {};
      const sent = { ...params, ...more };
      const { body, headers } = modernMessage(method, sent, { ...this.#options, meta, id, headers: own });
      const response = await new BareApp(this.#door, headers, this.#options.suffix).raw('POST', body, signal);
      const leg = await exchange(response, id, async (_id, question) => {
        throw new Error(`a request to a 2026 app: ${question}`);
      });
      said.push(...leg.said);
      const result = leg.result === undefined ? {} : (JSON.parse(leg.result) as JsonObject);
      if (result.resultType !== 'input_required' || options.whole === true) return { ...leg, said, asked };
      if (answer === undefined) throw new Error(`nothing was to be asked: ${leg.result}`);
      const inputResponses: Record<string, JsonObject> = {};
      const requests = (result.inputRequests ?? {}) as Record<string, { method: string; params: JsonObject }>;
      for (const [key, request] of Object.entries(requests)) {
        asked.push({ method: request.method, params: JSON.stringify(request.params) });
        inputResponses[key] = await answer(request.method, request.params);
      }
      const { requestState } = result;
      more = { inputResponses, ...(requestState !== undefined && { requestState }) };
    }
  }

  async cancel(_id: number | string, stop: AbortController): Promise<void> {
    stop.abort();
  }

  listen(filter: JsonObject = {}): Promise<Events> {
    const id = `listen-${++this.#lastId}`;
    const { body, headers } = modernMessage('subscriptions/listen', { notifications: filter }, { id });
    return new BareApp(this.#door, headers, this.#options.suffix).fetch('POST', body);
  }
}
