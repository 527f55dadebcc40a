import { Agent, request as send } from 'node:http';

/** Where calls go: one MCP endpoint with an open legacy session. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly token?: string;
  /** The tool's name on this endpoint. */
  readonly tool: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly session?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 128 });

function post(target: Target, body: string, session?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send(
      target.url,
      {
        method: 'POST',
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
            ...(typeof id === 'string' ? { session: id } : {}),
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Opens a session: initialize and initialized. Answers its id. */
export async function openSession(target: Target): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } };
  const opened = await post(target, JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }));
  if (opened.status !== 200 || !opened.session)
    throw new Error(`${target.name} refused a session: ${opened.status} ${opened.body.slice(0, 300)}`);
  await post(target, JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }), opened.session);
  return opened.session;
}

let nextId = 1;

/** One tools/call; throws unless the text came back. Answers milliseconds. */
export async function callOnce(target: Target, session: string): Promise<number> {
  const id = nextId++;
  const text = `hello ${id}`;
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: target.tool, arguments: { text, count: id } },
  });
  const started = performance.now();
  const answer = await post(target, body, session);
  const took = performance.now() - started;
  if (answer.status !== 200 || !answer.body.includes(`"text":"${text}"`)) {
    throw new Error(`${target.name} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
  }
  return took;
}

/** One tools/list; answers milliseconds and how many tools came. */
export async function listOnce(target: Target, session: string): Promise<{ ms: number; tools: number }> {
  const started = performance.now();
  const answer = await post(
    target,
    JSON.stringify({ jsonrpc: '2.0', id: nextId++, method: 'tools/list', params: {} }),
    session,
  );
  const ms = performance.now() - started;
  const parsed: { result?: { tools?: unknown[] } } = JSON.parse(answer.body);
  return { ms, tools: parsed.result?.tools?.length ?? 0 };
}

/** Calls per second with `callers` sessions at once, `total` calls in all. */
export async function throughput(target: Target, callers: number, total: number): Promise<number> {
  const sessions = await Promise.all(Array.from({ length: callers }, () => openSession(target)));
  // A first call each, so that what opens on demand is open.
  await Promise.all(sessions.map((session) => callOnce(target, session)));
  let left = total;
  const started = performance.now();
  await Promise.all(
    sessions.map(async (session) => {
      while (left-- > 0) await callOnce(target, session);
    }),
  );
  return total / ((performance.now() - started) / 1000);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);
