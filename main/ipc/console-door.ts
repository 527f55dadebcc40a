import type { IncomingMessage } from 'node:http';

/** A request body the console takes, bytes. */
export const MAX_BODY = 1_000_000;

/**
 * Undefined when the request comes from this console, or from no page at all; else why it is refused.
 * MCP specification, Streamable HTTP, Security Warning (DNS rebinding); Fetch Metadata, sections 2.2 and 2.4.
 */
export function checkOrigin(request: IncomingMessage): string | undefined {
  const port = request.socket.localPort;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
  const host = request.headers.host ?? '';
  if (!hosts.includes(host)) return 'The console answers only to its own address on this computer.';
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) return 'The console does not answer other web pages.';
  // Following the one-time link from elsewhere is a top-level navigation; everything else must come from our own pages.
  if (comesFromElsewhere(request) && !isPageVisit(request)) return 'The console does not answer other web pages.';
  return undefined;
}

/** Another site's page, or another port's, caused this request. Absent in programs that are no browsers. */
export function comesFromElsewhere(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** A browser opens a page, not a script, a frame or a picture in one. */
function isPageVisit(request: IncomingMessage): boolean {
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': dest } = request.headers;
  return request.method === 'GET' && mode === 'navigate' && (dest === undefined || dest === 'document');
}

/** Whether a person will read the answer, rather than a script. */
export function wantsPage(request: IncomingMessage): boolean {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  return isRead && (request.headers.accept ?? '').toLowerCase().includes('text/html');
}

/** Every value of a cookie: another server on this host may have set one of the same name for a longer path. */
export function readCookies(header: string | undefined, name: string): string[] {
  return (header ?? '').split(';').flatMap((part) => {
    const [key, value] = part.trim().split('=');
    return key === name && value ? [value] : [];
  });
}

/** The body's bytes; undefined when there are more than MAX_BODY. The rest is then left unread. */
export function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
      else {
        // Paused, not destroyed: the refusal still has to travel on this connection.
        request.pause();
        resolve(undefined);
      }
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('The caller went away.')));
  });
}
