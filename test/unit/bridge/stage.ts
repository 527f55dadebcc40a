import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { runBridge } from '../../../main/bridge/run.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

/** The bridge in this process, with an app's streams on one side and an HTTP endpoint that does as it is told on the other. */

export interface Asked {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly path: string;
  readonly text: string;
  readonly json: JsonObject;
}

export type Script = (asked: Asked, response: ServerResponse) => void | Promise<void>;

export interface Endpoint {
  readonly url: string;
  readonly port: number;
  /** Everything asked so far. */
  readonly asked: readonly Asked[];
  /** As when Gatehouse is killed: connections break and nobody listens. */
  kill(): Promise<void>;
  /** Listens again, at the same place. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

export async function openEndpoint(script: Script, port = 0): Promise<Endpoint> {
  const asked: Asked[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const one: Asked = {
      method: request.method ?? '',
      headers: request.headers,
      path: request.url ?? '',
      text,
      json: text === '' ? {} : (JSON.parse(text) as JsonObject),
    };
    asked.push(one);
    await script(one, response);
  };
  let server: Server;
  const listen = async (at: number) => {
    server = createServer((request, response) => {
      // A request that broke off is what some tests are about.
      take(request, response).catch(() => undefined);
    });
    await new Promise<void>((ready) => server.listen(at, '127.0.0.1', ready));
    return (server.address() as AddressInfo).port;
  };
  const stop = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  const own = await listen(port);
  return {
    url: `http://127.0.0.1:${own}/mcp`,
    port: own,
    asked,
    kill: stop,
    revive: async () => void (await listen(own)),
    close: stop,
  };
}

export interface Bridged {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly said: readonly string[];
  readonly code: Promise<number>;
  readonly stop: AbortController;
  send(...messages: readonly unknown[]): void;
  /** Lines on stdout so far, each parsed. */
  messages(): readonly JsonObject[];
  /** The first message that fits, waited for at most 10 s. */
  heard(fits: (message: JsonObject) => boolean): Promise<JsonObject>;
  answer(id: string | number): Promise<JsonObject>;
}

export interface BridgedOptions {
  readonly args?: readonly string[];
  readonly token?: string;
  readonly waitMs?: number;
  readonly startMs?: number;
  readonly start?: readonly string[];
  /** Whether the app reads what it is sent. Default true. */
  readonly reads?: boolean;
}

export function openBridge(url: string, options: BridgedOptions = {}): Bridged {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stop = new AbortController();
  const said: string[] = [];
  let text = '';
  if (options.reads !== false) stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = runBridge({
    argv: ['--endpoint', url, ...(options.args ?? [])],
    cwd: process.cwd(),
    env: options.token === undefined ? { GATEHOUSE_TOKEN: 'gth_test' } : { GATEHOUSE_TOKEN: options.token },
    stdin,
    stdout,
    stop: stop.signal,
    say: (sentence) => said.push(sentence),
    start: options.start,
    waitMs: options.waitMs ?? 5_000,
    startMs: options.startMs ?? 5_000,
  });
  const messages = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JsonObject);
  const heard: Bridged['heard'] = async (fits) => {
    const end = Date.now() + 10_000;
    for (;;) {
      const found = messages().find(fits);
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`never heard: ${fits}\n${text}\n${said.join('\n')}`);
      await new Promise((next) => setTimeout(next, 5));
    }
  };
  return {
    stdin,
    stdout,
    said,
    code,
    stop,
    send: (...all) => void stdin.write(all.map((message) => `${JSON.stringify(message)}\n`).join('')),
    messages,
    heard,
    answer: (id) => heard((message) => message.id === id && message.method === undefined),
  };
}

export const json = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}) =>
  void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

export const stream = (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  return {
    send: (message: unknown, id?: string) =>
      void response.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`),
    end: () => void response.end(),
    break: () => void response.destroy(),
  };
};

export const initialize = (id: number | string = 'init') => ({
  jsonrpc: '2.0',
  id,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'an app', version: '1' } },
});

export const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };

/** Answers what opens a session and what keeps it open, each time with another id; `rest` answers everything else. */
export function sessions(
  rest: Script,
  capabilities: JsonObject = { tools: { listChanged: true } },
): Script & { known: Set<string>; standing: ServerResponse[] } {
  let count = 0;
  const known = new Set<string>();
  const standing: ServerResponse[] = [];
  const script: Script = (asked, response) => {
    const id = asked.headers['mcp-session-id'];
    if (asked.json.method === 'initialize') {
      count++;
      known.add(`session-${count}`);
      const result = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'gatehouse', version: '1' } };
      return json(response, { jsonrpc: '2.0', id: asked.json.id, result }, 200, {
        'mcp-session-id': `session-${count}`,
      });
    }
    if (typeof id === 'string' && !known.has(id))
      return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Session not found' } }, 404);
    if (asked.method === 'GET' && asked.headers['last-event-id'] === undefined) {
      stream(response);
      standing.push(response);
      return;
    }
    if (asked.method === 'POST' && asked.json.id === undefined) return void response.writeHead(202).end();
    if (asked.method === 'DELETE') return void response.writeHead(204).end();
    return rest(asked, response);
  };
  return Object.assign(script, { known, standing });
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it never happened: ${what}`);
    await new Promise((next) => setTimeout(next, 5));
  }
}
