import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { MessageRefused } from './message.ts';
import { WireFailure } from './wire.ts';

const REDIRECTS = 3;
/** Below the 5 s after which Node servers drop an idle connection, so that a request rarely meets a closing one. */
const FREE_SOCKET_MS = 4_000;
const BODY_EXCERPT = 64 * 1024;

const addresses = new WeakMap<URL, ReturnType<typeof urlToHttpOptions>>();

/** Taken apart once per URL object, not once per request. */
function addressOf(url: URL): ReturnType<typeof urlToHttpOptions> {
  const known = addresses.get(url) ?? urlToHttpOptions(url);
  addresses.set(url, known);
  return known;
}

/** Keep-alive connections of one backend session. node:http because an exchange takes about a third of the time global fetch needs. */
export class HttpAgents {
  readonly #http = new http.Agent({ keepAlive: true, timeout: FREE_SOCKET_MS });
  readonly #https = new https.Agent({ keepAlive: true, timeout: FREE_SOCKET_MS });

  for(url: URL): http.Agent | https.Agent {
    return url.protocol === 'https:' ? this.#https : this.#http;
  }

  destroy(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

export interface Exchange {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/**
 * The URL of a remote server: https, or http to this machine only. Returns why it is refused, or undefined.
 * (MCP Security Best Practices, §SSRF and §Communication security.)
 */
export function refuseUrl(url: URL): string | undefined {
  const host = url.hostname;
  const loopback = host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
  if (url.protocol === 'http:' && !loopback)
    return `its address ${url.origin} is not encrypted; IT must give an https address`;
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `its address has the unknown scheme "${url.protocol}"`;
  if (url.username !== '' || url.password !== '') return 'its address contains a user name or password';
  return undefined;
}

/** One request; resolves with the response's headers read and its body untouched. Follows 307/308 within the same origin only. */
export async function exchange(agents: HttpAgents, start: URL, options: Exchange): Promise<IncomingMessage> {
  let url = start;
  for (let hops = 0; ; hops += 1) {
    const response = await once(agents, url, options);
    const status = response.statusCode ?? 0;
    if (status < 300 || status > 399) return response;
    response.destroy();
    const target = redirectTarget(response.headers.location, url);
    if (
      (status !== 307 && status !== 308) ||
      target === undefined ||
      target.origin !== start.origin ||
      hops >= REDIRECTS
    ) {
      const where = target?.origin ?? 'nowhere';
      throw new WireFailure('unavailable', `it redirects (HTTP ${status}) to ${where}, which is not followed`);
    }
    url = target;
  }
}

function redirectTarget(location: string | undefined, base: URL): URL | undefined {
  return location !== undefined && URL.canParse(location, base.href) ? new URL(location, base) : undefined;
}

function once(agents: HttpAgents, url: URL, options: Exchange): Promise<IncomingMessage> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const headers: OutgoingHttpHeaders = { ...options.headers };
    if (options.body !== undefined) headers['content-length'] = Buffer.byteLength(options.body);
    const library = url.protocol === 'https:' ? https : http;
    const target = { ...addressOf(url), method: options.method, headers, agent: agents.for(url) };
    const request = library.request(target, (response) => {
      // Whoever reads the body sees its error; one that nobody reads must not end this process when it is aborted.
      response.on('error', ignore);
      resolve(response);
    });
    // Not the request's own `signal` option: it destroys with an error, and in the moment between an answer's end and the socket's return
    // to the agent nobody listens for errors on the socket, which would end this process.
    const abort = () => {
      reject(signal.reason);
      request.destroy();
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    request.on('error', reject);
    request.on('close', () => signal.removeEventListener('abort', abort));
    // The agent's timeout is for idle connections; a slow answer has the request's own deadline.
    request.on('socket', (socket) => socket.setTimeout(0));
    request.end(options.body);
  });
}

/** Reads a whole body; rejects with MessageRefused above `maxBytes`. */
export function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else {
        response.destroy();
        reject(MessageRefused.tooLarge(maxBytes));
      }
    });
    response.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)));
    response.on('error', reject);
    response.on('close', () => {
      // The connection went without a word: "error" does not come for a body that was given up on our side.
      if (!response.readableEnded) reject(response.errored ?? new Error('the connection was closed'));
    });
  });
}

function ignore(): void {}

/** The beginning of a refusal's body, for its message; an unreadable one is empty. */
export async function readExcerpt(response: IncomingMessage): Promise<string> {
  try {
    return (await readBody(response, BODY_EXCERPT)).toString('utf8');
  } catch {
    // The refusal itself is what matters; its text is only an explanation.
    return '';
  }
}
