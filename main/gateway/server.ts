import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GatewayLimits } from '../policy/document.ts';
import type { Json } from '../policy/json.ts';
import { idOf } from './era.ts';
import { timed } from './timing.ts';
import { errorMessage, nestsDeeperThan, type RpcError, type RpcId, rpcCode } from './wire.ts';

// An import of node:http makes Node load all its names, and with them the WebSocket client it brings along: 13 MB and 40 ms.
const { createServer } = process.getBuiltinModule('node:http');

/** What an answer just written gets to leave before its connection is cut. */
const leaveMs = 1_000;
/** Bytes of a request too large that are still taken, so that its answer gets through. */
const drainLimit = 64 << 20;
/** Largest request head taken, in bytes. */
const headerLimit = 32_768;

export type ListenOutcome =
  | { readonly ok: true; readonly port: number }
  | { readonly ok: false; readonly code: 'port-in-use' | 'not-permitted'; readonly message: string };

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The loopback HTTP server. Slow senders are cut off (10 s for headers, 60 s for a whole request, looked at every
 * 5 s); an answer may take as long as it takes.
 */
export function createLoopbackServer(handle: Handle): Server {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: headerLimit,
      noDelay: true,
      // Every request comes to `unlessEnded`: none is answered by Node itself. Whose Host it must be, the door says.
      requireHostHeader: false,
    },
    unlessEnded(handle),
  );
  server.timeout = 0;
  server.maxConnections = 2_048;
  server.on('clientError', refuseBytes);
  const goOn: Handle = (request, response) => {
    response.writeContinue();
    handle(request, response);
  };
  server.on('checkContinue', unlessEnded(goOn));
  server.on('checkExpectation', unlessEnded(refuseExpectation));
  return server;
}

/**
 * What follows an answer that ends its connection is not answered (RFC 9112 §9.6). Node would let it be, ahead of what came before it, and
 * then end the whole process for having answered out of order.
 */
function unlessEnded(handle: Handle): Handle {
  return (request, response) => {
    if (!request.socket.writableEnded) handle(request, response);
  };
}

function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const message = 'Expectation failed: only 100-continue is known';
  sendAndClose(response, 417, { code: rpcCode.refused, message });
}

/** Bytes that never became a request: too many of them, too slow, or not HTTP. Said as every other refusal is said. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Duplex & { _httpMessage?: ServerResponse | null }): void {
  // Node's own handler looks there, too: an answer that has begun must not get a second one into its middle.
  const begun = socket._httpMessage?.headersSent === true;
  if (begun || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] = wordsFor(error.code);
  const text = errorMessage(null, { code: rpcCode.refused, message });
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${text}`);
  // Cut at once, the answer would be lost with what was still arriving.
  setTimeout(() => socket.destroy(), leaveMs).unref();
}

function wordsFor(code: string | undefined): readonly [status: string, message: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        `The headers are too large: at most ${headerLimit} bytes are taken`,
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request took too long to arrive'];
    default:
      return ['400 Bad Request', 'Bad Request: this is not HTTP/1.1'];
  }
}

/** Binds 127.0.0.1 only (Streamable HTTP §Security). Port 0 picks a free one. */
export function listenOnLoopback(server: Server, port: number): Promise<ListenOutcome> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      server.removeListener('listening', onListening);
      if (error.code === 'EADDRINUSE') {
        const message = `Port ${port} on this computer is already used by another program. Close that program (another Gatehouse, perhaps), or give Gatehouse another port.`;
        resolve({ ok: false, code: 'port-in-use', message });
      } else if (error.code === 'EACCES' || error.code === 'EPERM') {
        const message = `This computer does not let Gatehouse use port ${port}. Choose a port above 1023, or ask your IT team.`;
        resolve({ ok: false, code: 'not-permitted', message });
      } else reject(error);
    };
    const onListening = () => {
      server.removeListener('error', onError);
      const address = server.address();
      resolve({ ok: true, port: typeof address === 'object' && address !== null ? address.port : port });
    };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen({ host: '127.0.0.1', port });
  });
}

/** Stops listening and closes every connection: idle ones at once, others when they are, and none later than a second. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const force = setTimeout(() => server.closeAllConnections(), leaveMs);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(force);
      resolve();
    });
  });
}

export type Body =
  | { readonly ok: true; readonly json: Json }
  | { readonly ok: false; readonly httpStatus: number; readonly id: RpcId | null; readonly error: RpcError }
  /** The caller went away while sending. */
  | { readonly ok: false; readonly httpStatus: 0; readonly error?: undefined };

/** Reads and parses one JSON body, once. A repeated key counts as its last occurrence, for every reader further on. */
export async function readJsonBody(request: IncomingMessage, limits: GatewayLimits): Promise<Body> {
  if (!isJson(request.headers['content-type'])) {
    return refused(415, rpcCode.refused, 'Unsupported media type: send application/json');
  }
  const { bodyBytes, depth } = limits;
  const bytes = await readBytes(request, bodyBytes);
  if (bytes === undefined) return { ok: false, httpStatus: 0 };
  if (bytes === 'too-large') {
    return refused(413, rpcCode.refused, `The message is too large: at most ${bodyBytes} bytes are taken`);
  }
  // RFC 8259 §8.1: JSON between systems is UTF-8. Replaced characters would be approved as something else than sent.
  if (!isUtf8(bytes)) return refused(400, rpcCode.parseError, 'Parse error: the message is not UTF-8');
  let json: Json;
  try {
    json = timed('era', () => JSON.parse(bytes.toString('utf8')) as Json);
  } catch {
    // The parser's own words quote the message; what matters is said.
    return refused(400, rpcCode.parseError, 'Parse error: the message is not JSON');
  }
  // A level takes two characters at least, so most messages need no look.
  if (bytes.length > 2 * depth && nestsDeeperThan(json, depth)) {
    const message = `Invalid request: the message nests deeper than ${depth} levels`;
    return refused(400, rpcCode.invalidRequest, message, json);
  }
  return { ok: true, json };
}

/** Whatever its parameters: JSON has no charset of its own (RFC 8259 §11). */
function isJson(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true;
  const [essence = ''] = contentType?.split(';', 1) ?? [];
  // Two headers in one: which of them counts is anybody's guess.
  return essence.trim().toLowerCase() === 'application/json' && contentType?.includes(',') === false;
}

function readBytes(request: IncomingMessage, bodyLimit: number): Promise<Buffer | 'too-large' | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return Promise.resolve('too-large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bodyLimit) chunks.push(chunk);
      else {
        request.off('data', take);
        request.pause();
        resolve('too-large');
      }
    };
    request.on('data', take);
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size)));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}

function refused(httpStatus: number, code: number, message: string, json: Json = null): Body {
  return { ok: false, httpStatus, id: idOf(json), error: { code, message } };
}

/** Answers without having read the rest of the request: the connection cannot be used again. */
export function sendAndClose(
  response: ServerResponse,
  httpStatus: number,
  error: RpcError,
  id: RpcId | null = null,
  headers?: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  const text = errorMessage(id, error);
  const length = Buffer.byteLength(text);
  response.writeHead(httpStatus, {
    'content-type': 'application/json',
    'content-length': length,
    connection: 'close',
    ...headers,
  });
  response.write(text);
  void drained(response.req).then(() => response.end());
}

/** Closed while bytes still arrive, a connection is reset, and the answer can be lost with them (RFC 9112 §9.6). Bounded in bytes and time. */
function drained(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let left = drainLimit;
    const time = setTimeout(resolve, leaveMs);
    const over = () => {
      clearTimeout(time);
      resolve();
    };
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) over();
    });
    for (const end of ['end', 'error', 'close']) request.on(end, over);
    request.resume();
  });
}
