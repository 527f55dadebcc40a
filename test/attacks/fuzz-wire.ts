import { connect } from 'node:net';
import type { JsonObject } from '../../main/policy/json.ts';

/** HTTP by hand: bytes as they are given, and every byte of what comes back. */

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** False for a stream that was still open when we left. */
  readonly complete: boolean;
}

export interface RawExchange {
  readonly answers: readonly RawAnswer[];
  /** Bytes that are no HTTP response. */
  readonly rest: string;
  readonly closed: boolean;
}

/** Silence after which an open event stream has said what it had to say. */
const quietMs = 40;

/** Sends the pieces one after the other and reads until `expected` answers are there, the connection ends, or nothing comes for `ms`. */
export function exchange(
  port: number,
  pieces: readonly (string | Buffer)[],
  { expected = 1, ms = 10_000, hangUp = false }: { expected?: number; ms?: number; hangUp?: boolean } = {},
): Promise<RawExchange> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    let quiet: NodeJS.Timeout | undefined;
    const finish = (closed: boolean) => {
      clearTimeout(late);
      clearTimeout(quiet);
      socket.destroy();
      resolve({ ...parse(bytes), closed });
    };
    const late = setTimeout(() => finish(false), ms);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const { answers } = parse(bytes);
      if (answers.length < expected) return;
      if (answers.every(({ complete }) => complete)) return finish(false);
      clearTimeout(quiet);
      quiet = setTimeout(() => finish(false), quietMs);
    });
    socket.on('error', () => finish(true));
    socket.on('close', () => finish(true));
    socket.on('connect', () => {
      for (const piece of pieces) socket.write(piece);
      if (hangUp) socket.end();
    });
  });
}

/** Requests that begin and never go on; what each hears before its connection ends. */
export function slowSenders(port: number, count: number): Promise<readonly string[]> {
  const one = () =>
    new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      let heard = '';
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(heard));
      socket.write(`POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Slow: `);
    });
  return Promise.all(Array.from({ length: count }, one));
}

function parse(bytes: Buffer): Pick<RawExchange, 'answers' | 'rest'> {
  const answers: RawAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    const head = end < 0 ? '' : bytes.toString('latin1', at, end);
    const match = /^HTTP\/1\.1 (\d{3})/.exec(head);
    if (match === null) return { answers, rest: bytes.toString('latin1', at) };
    const headers = new Map(
      head
        .split('\r\n')
        .slice(1)
        .map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
        }),
    );
    const { body, next, complete } = bodyAt(bytes, end + 4, headers);
    const status = Number(match[1]);
    // 100: the answer is still to come.
    if (status >= 200) answers.push({ status, headers, body, complete });
    if (!complete) return { answers, rest: '' };
    at = next;
  }
}

function bodyAt(bytes: Buffer, start: number, headers: ReadonlyMap<string, string>) {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const next = start + Number(headers.get('content-length') ?? 0);
    return { body: bytes.toString('utf8', start, next), next, complete: bytes.length >= next };
  }
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    const size = line < 0 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, line), 16);
    const body = () => Buffer.concat(chunks).toString('utf8');
    if (Number.isNaN(size) || bytes.length < line + 4 + size) return { body: body(), next: at, complete: false };
    if (size === 0) return { body: body(), next: line + 4, complete: true };
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 4 + size;
  }
}

export function request(
  method: string,
  path: string,
  headers: readonly (readonly [name: string, value: string])[],
  body?: string | Buffer,
): Buffer {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  const bytes = body === undefined ? undefined : Buffer.from(body);
  if (bytes !== undefined) lines.push(`Content-Length: ${bytes.length}`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return bytes === undefined ? head : Buffer.concat([head, bytes]);
}

/** Every JSON-RPC message of an answer, alone, in a batch or on a stream. Throws where there is something else. */
export function messagesOf({ headers, body }: RawAnswer): readonly JsonObject[] {
  if (body === '') return [];
  if (headers.get('content-type') !== 'text/event-stream') {
    const value = JSON.parse(body) as JsonObject | readonly JsonObject[];
    return Array.isArray(value) ? value : [value as JsonObject];
  }
  return body
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as JsonObject);
}

/** What of an answer would be wrong whatever was asked; undefined where nothing is. */
export function wrongWith(answer: RawAnswer): string | undefined {
  const { status, body } = answer;
  // 503: as many sessions as an app may have, all at work; so says the answer.
  const busy = status === 503 && body.includes('Too many conversations');
  if (status >= 500 && !busy) return `status ${status}`;
  if (
    /node:internal|node_modules|\/gateway\/|\.ts\b|\bat \S+ \(|[A-Z]\w*Error:|Unexpected token|Cannot read/.test(body)
  ) {
    return 'an inside that shows';
  }
  let messages: readonly JsonObject[];
  try {
    messages = messagesOf(answer);
  } catch {
    return 'a body that is not JSON';
  }
  for (const message of messages) {
    if (message.jsonrpc !== '2.0') return 'a message that is not JSON-RPC';
    if (message.method !== undefined) continue;
    const { result, error } = message as { result?: JsonObject; error?: JsonObject };
    if ((result === undefined) === (error === undefined)) return 'neither a result nor an error';
    if (error === undefined) continue;
    if (!Number.isSafeInteger(error.code)) return 'an error without a code';
    if (typeof error.message !== 'string' || !/^\S.{5,}/s.test(error.message)) return 'an error without words';
    if (error.message.length > 12_000) return 'an error of too many words';
    if (error.message.startsWith('Gatehouse failed')) return 'a failure of our own';
  }
  if (status >= 400 && status !== 405 && messages.length === 0) return `status ${status} without a word`;
  return undefined;
}
