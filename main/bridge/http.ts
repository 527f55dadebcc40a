import { Agent, type IncomingMessage, request } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly session: string | undefined;
  readonly isStream: boolean;
  /** Bytes of the body; throws when the connection breaks before its end. */
  readonly body: IncomingMessage;
}

export type Outcome =
  | { readonly ok: true; readonly reply: Reply }
  /**
   * `nobody`: none answered at the address. `cut`: the connection broke before the request had left, so that it cannot have been carried out.
   * `lost`: it broke later, and nobody knows.
   */
  | { readonly ok: false; readonly why: 'nobody' | 'cut' | 'lost'; readonly message: string };

export interface Ask {
  readonly url: URL;
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** The whole request has left this process. */
  readonly onSent?: () => void;
}

/** Small messages to this computer: a kept connection saves most of what a request costs. */
const agent = new Agent({ keepAlive: true, maxFreeSockets: 8 });

/** One HTTP request. Never rejects. Redirects are not followed: the endpoint has none, and they could take the key elsewhere. */
export function send({ url, method, headers, body, signal, onSent }: Ask): Promise<Outcome> {
  return new Promise((resolve) => {
    let why: 'nobody' | 'cut' | 'lost' = 'nobody';
    const outgoing = request(url, {
      agent,
      method,
      signal,
      headers: {
        accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    });
    outgoing.on('socket', (socket) => {
      if (!socket.connecting) why = 'cut';
      else
        socket.once('connect', () => {
          why = 'cut';
        });
    });
    outgoing.on('finish', () => {
      // Node says so of a write that failed, too.
      if (why === 'cut' && !outgoing.socket?.errored) why = 'lost';
      onSent?.();
    });
    outgoing.on('response', (response) => {
      const { 'mcp-session-id': session, 'content-type': type = '' } = response.headers;
      resolve({
        ok: true,
        reply: {
          status: response.statusCode ?? 0,
          session: typeof session === 'string' ? session : undefined,
          isStream: type.startsWith('text/event-stream'),
          body: response,
        },
      });
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ ok: false, why, message: error.code ?? error.message });
    });
    outgoing.end(body);
  });
}

/** The body as text; undefined where it broke off or is larger than `maxBytes`. */
export async function readText(body: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch {
    // Half an answer is none; whoever asked says so.
    return undefined;
  }
  return Buffer.concat(chunks, size).toString('utf8');
}

/** For answers whose status says it all: the connection is free again. */
export function discard(body: IncomingMessage): void {
  body.on('error', () => undefined);
  body.resume();
}
