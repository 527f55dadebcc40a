import { Agent, type IncomingMessage, request as send } from 'node:http';

/** Where calls go: one MCP endpoint of a 2025 revision. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly token?: string;
  /** The tool's name on this endpoint. */
  readonly tool: string;
  /** HTTP+SSE of 2024-11-05 instead of Streamable HTTP. */
  readonly sse?: boolean;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly session: string | undefined;
}

/** One AI app's session. */
export interface Caller {
  /** Sends one request; answers the text that came back. */
  request(method: string, params: object): Promise<string>;
  close(): Promise<void>;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });
let nextId = 1;

function exchange(target: Target, method: string, body: string, session?: string, url = target.url): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method,
        agent,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'content-length': Buffer.byteLength(body),
          ...(target.token ? { authorization: `Bearer ${target.token}` } : {}),
          ...(session ? { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' } : {}),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const id = response.headers['mcp-session-id'];
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString(),
            session: typeof id === 'string' ? id : undefined,
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const message = (id: number, method: string, params: object) => JSON.stringify({ jsonrpc: '2.0', id, method, params });
const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
const introduction = (protocolVersion: string) => ({
  protocolVersion,
  capabilities: {},
  clientInfo: { name: 'bench', version: '1.0.0' },
});

/** Opens a session: initialize and initialized. */
export async function open(target: Target): Promise<Caller> {
  if (target.sse) return openSse(target);
  const opened = await exchange(target, 'POST', message(nextId++, 'initialize', introduction('2025-11-25')));
  const { session } = opened;
  if (opened.status !== 200)
    throw new Error(`${target.name} refused a session: ${opened.status} ${opened.body.slice(0, 300)}`);
  await exchange(target, 'POST', initialized, session);
  return {
    async request(method, params) {
      const { status, body } = await exchange(target, 'POST', message(nextId++, method, params), session);
      if (status !== 200) throw new Error(`${target.name} answered ${status}: ${body.slice(0, 300)}`);
      return body;
    },
    async close() {
      if (session !== undefined) await exchange(target, 'DELETE', '', session);
    },
  };
}

/** The 2024 transport: answers come on one long stream, requests go to the address it names first. */
async function openSse(target: Target): Promise<Caller> {
  const waiting = new Map<number, (text: string) => void>();
  const stream = await new Promise<IncomingMessage>((resolve, reject) => {
    send(target.url, { headers: { accept: 'text/event-stream' } }, resolve)
      .on('error', reject)
      .end();
  });
  const endpoint = new Promise<string>((resolve) => {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const events = (rest + chunk).split(/\r?\n\r?\n/);
      rest = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: ?(.*)$/m.exec(event)?.[1] ?? '';
        if (/^event: ?endpoint/m.test(event)) resolve(new URL(data, target.url).href);
        else {
          const { id }: { id?: number } = JSON.parse(data);
          if (id !== undefined) waiting.get(id)?.(data);
        }
      }
    });
  });
  const url = await endpoint;
  const request = (method: string, params: object) =>
    new Promise<string>((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, (text) => {
        waiting.delete(id);
        resolve(text);
      });
      exchange(target, 'POST', message(id, method, params), undefined, url).catch(reject);
    });
  await request('initialize', introduction('2024-11-05'));
  await exchange(target, 'POST', initialized, undefined, url);
  return {
    request,
    async close() {
      stream.destroy();
    },
  };
}

/** One tools/call; throws unless the text came back. Answers milliseconds. */
export async function callOnce(target: Target, caller: Caller): Promise<number> {
  const text = `hello ${nextId}`;
  const started = performance.now();
  const body = await caller.request('tools/call', { name: target.tool, arguments: { text, count: nextId } });
  const took = performance.now() - started;
  if (!body.includes(`"text":"${text}"`)) throw new Error(`${target.name} answered ${body.slice(0, 300)}`);
  return took;
}

/** One tools/list; answers milliseconds and how many tools came. */
export async function listOnce(caller: Caller): Promise<{ ms: number; tools: number }> {
  const started = performance.now();
  const body = await caller.request('tools/list', {});
  const ms = performance.now() - started;
  const parsed: { result?: { tools?: unknown[] } } = JSON.parse(body);
  return { ms, tools: parsed.result?.tools?.length ?? 0 };
}

/** Opens a session and closes it again; answers how long the opening took, ms. */
export async function openOnce(target: Target): Promise<number> {
  const started = performance.now();
  const caller = await open(target);
  const ms = performance.now() - started;
  await caller.close();
  return ms;
}

/** Milliseconds of `times` calls one after the other. */
export async function sequential(target: Target, caller: Caller, times: number): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let index = 0; index < times; index += 1) taken.push(await callOnce(target, caller));
  return taken;
}

/** As many sessions, each with a first call behind it: what opens on demand is open. */
export async function openMany(target: Target, callers: number): Promise<readonly Caller[]> {
  const sessions = await Promise.all(Array.from({ length: callers }, () => open(target)));
  await Promise.all(sessions.map((caller) => callOnce(target, caller)));
  return sessions;
}

/** Calls per second of all sessions at once, `total` calls in all. */
export async function throughputOf(target: Target, sessions: readonly Caller[], total: number): Promise<number> {
  let left = total;
  const started = performance.now();
  await Promise.all(
    sessions.map(async (caller) => {
      while (left-- > 0) await callOnce(target, caller);
    }),
  );
  return total / ((performance.now() - started) / 1000);
}

/** The same with sessions of its own, closed at the end. */
export async function throughput(target: Target, callers: number, total: number): Promise<number> {
  const sessions = await openMany(target, callers);
  const perSecond = await throughputOf(target, sessions, total);
  await Promise.all(sessions.map((caller) => caller.close()));
  return perSecond;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);
