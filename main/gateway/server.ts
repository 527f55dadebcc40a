import { isUtf8 } from 'node:buffer';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isJsonContentType } from '@modelcontextprotocol/server';
import type { Json } from '../policy/json.ts';
import { sendJson } from './sse.ts';
import { errorMessage, type RpcError, rpcCode } from './wire.ts';

/** Largest message taken from an app. */
export const bodyLimit = 16 << 20;

export type ListenOutcome =
  | { readonly ok: true; readonly port: number }
  | { readonly ok: false; readonly code: 'port-in-use' | 'not-permitted'; readonly message: string };

/**
 * The loopback HTTP server. Slow senders are cut off (10 s for headers, 60 s for a whole request, looked at every
 * 5 s); an answer may take as long as it takes.
 */
export function createLoopbackServer(handle: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 32_768,
      noDelay: true,
    },
    handle,
  );
  server.timeout = 0;
  server.maxConnections = 2_048;
  return server;
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

/** What an answer just written gets to leave before its connection is cut. */
const leaveMs = 1_000;

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
  | { readonly ok: false; readonly httpStatus: number; readonly error: RpcError }
  /** The caller went away while sending. */
  | { readonly ok: false; readonly httpStatus: 0; readonly error?: undefined };

/** Reads and parses one JSON body, once. A repeated key counts as its last occurrence, for every reader further on. */
export async function readJsonBody(request: IncomingMessage): Promise<Body> {
  if (!isJsonContentType(request.headers['content-type'] ?? null)) {
    return refused(415, rpcCode.refused, 'Unsupported media type: send application/json');
  }
  const bytes = await readBytes(request);
  if (bytes === undefined) return { ok: false, httpStatus: 0 };
  if (bytes === 'too-large') {
    return refused(413, rpcCode.refused, `The message is too large: at most ${bodyLimit} bytes are taken`);
  }
  // RFC 8259 §8.1: JSON between systems is UTF-8. Replaced characters would be approved as something else than sent.
  if (!isUtf8(bytes)) return refused(400, rpcCode.parseError, 'Parse error: the message is not UTF-8');
  try {
    return { ok: true, json: JSON.parse(bytes.toString('utf8')) as Json };
  } catch {
    // The parser's own words quote the message; what matters is said.
    return refused(400, rpcCode.parseError, 'Parse error: the message is not JSON');
  }
}

function readBytes(request: IncomingMessage): Promise<Buffer | 'too-large' | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return Promise.resolve('too-large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bodyLimit) chunks.push(chunk);
      else {
        request.pause();
        resolve('too-large');
      }
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size)));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}

function refused(httpStatus: number, code: number, message: string): Body {
  return { ok: false, httpStatus, error: { code, message } };
}

/** Answers without having read the rest of the request: the connection cannot be used again. */
export function sendAndClose(response: ServerResponse, httpStatus: number, error: RpcError): void {
  sendJson(response, httpStatus, errorMessage(null, error), { connection: 'close' });
}
