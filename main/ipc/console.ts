import { isUtf8 } from 'node:buffer';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Handlers } from '../../preload/contract.ts';
import type { EventListener } from '../app.ts';
import type { Clock, Log } from '../ports.ts';
import { checkOrigin, MAX_BODY, readBody, readCookies, wantsPage } from './console-door.ts';
import { dispatch } from './handlers.ts';
import { type Notice, sendNotice } from './notice-page.ts';
import { sendPage } from './pages.ts';

const BASE = '/console/';
/** Cookies know no ports: each Gatehouse on this computer needs a name of its own. */
const cookieName = (request: IncomingMessage) => `gatehouse_console_${request.socket.localPort}`;
/** In lower case, as Node gives headers. */
const PAGE_KEY_HEADER = 'x-gatehouse-page-key';
const IDLE_MS = 12 * 3_600_000;
const MAX_STREAMS = 32;
/** How often a visitor without a cookie may cause a new link in the log, and how long that one opens. */
const LINK_EVERY_MS = 10_000;
const ASKED_LINK_MS = 10 * 60_000;
/** Beyond this many unsent bytes a page has stopped reading its events; it asks again when it is back. */
const MAX_BACKLOG = 1 << 18;

export interface Console {
  /** Answers true when the request was for the console. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** A link that opens the console once, in one browser. A new one ends the one before. */
  createLink(endpoint: string): string;
  close(): void;
}

export interface ConsoleOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Folder of the built pages. */
  readonly renderer: string;
  readonly handlers: () => Handlers | undefined;
  readonly onEvent: (listener: EventListener) => () => void;
}

const digest = (secret: string) => createHash('sha256').update(secret).digest();
const secret = () => randomBytes(32).toString('base64url');

/** One browser that opened a link. */
interface SignedIn {
  seen: number;
  readonly pageKey: Buffer;
}

/**
 * The window's pages for a browser on this machine: the same contract, over loopback HTTP.
 * Who may: the holder of a one-time link, exchanged for a cookie and a key of the page. The cookie alone shows only our empty
 * pages: browsers send it to every port of this host, so whoever listens on another one may learn it (RFC 6265, section
 * 8.5). The page key lives in storage, which belongs to one origin, port included, and is sent in a header. Host and
 * Origin are checked as for /mcp (MCP specification, Streamable HTTP, Security Warning: DNS rebinding).
 */
export function createConsole(options: ConsoleOptions): Console {
  const { clock, log } = options;
  let link: { digest: Buffer; endsAt: number } | undefined;
  let lastLinkAt = Number.NEGATIVE_INFINITY;
  const cookies = new Map<string, SignedIn>();
  const streams = new Set<ServerResponse>();

  const createLink = (endpoint: string, lastsMs = Number.POSITIVE_INFINITY): string => {
    const key = secret();
    link = { digest: digest(key), endsAt: clock.now() + lastsMs };
    return `${new URL(BASE, endpoint).href}open?key=${key}`;
  };

  /** Never replaces a link that still opens: a visitor must not be able to take the person's away. */
  const offerLink = (request: IncomingMessage) => {
    const now = clock.now();
    const waited = Math.abs(now - lastLinkAt);
    if ((link && now < link.endsAt) || waited < LINK_EVERY_MS) return;
    lastLinkAt = now;
    log.info('console-link', { link: createLink(`http://${request.headers.host}`, ASKED_LINK_MS) });
  };

  const signedIn = (request: IncomingMessage): SignedIn | undefined => {
    const now = clock.now();
    for (const value of readCookies(request.headers.cookie, cookieName(request))) {
      const key = digest(value).toString('hex');
      const found = cookies.get(key);
      if (found === undefined) continue;
      if (now - found.seen > IDLE_MS) cookies.delete(key);
      else {
        found.seen = now;
        return found;
      }
    }
    return undefined;
  };

  const holdsPageKey = (request: IncomingMessage, visitor: SignedIn): boolean => {
    const key = request.headers[PAGE_KEY_HEADER];
    return typeof key === 'string' && timingSafeEqual(digest(key), visitor.pageKey);
  };

  const openLink = async (request: IncomingMessage, url: URL, response: ServerResponse) => {
    const key = url.searchParams.get('key') ?? '';
    const opens = link && clock.now() < link.endsAt && timingSafeEqual(digest(key), link.digest);
    if (!opens) return refuseVisitor(request, response);
    link = undefined;
    const cookie = secret();
    const pageKey = secret();
    cookies.set(digest(cookie).toString('hex'), { seen: clock.now(), pageKey: digest(pageKey) });
    // No redirect: where another page had the link, the browser would count it as that page's doing and hold the strict
    // cookie back. The page takes the key out of the document and the link out of the address.
    return sendPage(options.renderer, 'index.html', response, {
      headers: {
        'set-cookie': `${cookieName(request)}=${cookie}; Path=${BASE}; HttpOnly; SameSite=Strict`,
        'cache-control': 'no-store',
      },
      pageKey,
    });
  };

  const streamEvents = (response: ServerResponse) => {
    if (streams.size >= MAX_STREAMS)
      return refuse(response, 429, 'Too many console pages are open. Close one and try again.');
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.write(': open\n\n');
    streams.add(response);
    const send = (text: string) => {
      if (response.writableEnded) return;
      if (response.writableLength > MAX_BACKLOG) response.destroy();
      else response.write(text);
    };
    const unsubscribe = options.onEvent((name, payload) =>
      send(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`),
    );
    const beat = setInterval(() => send(': beat\n\n'), 20_000);
    response.on('close', () => {
      clearInterval(beat);
      unsubscribe();
      streams.delete(response);
    });
  };

  const answerCall = async (request: IncomingMessage, response: ServerResponse, name: string) => {
    // A form or a fetch without CORS cannot send this type: with the Origin check, two locks against cross-site posts.
    if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '')) {
      return refuse(response, 415, 'Expected content-type application/json.');
    }
    const body = await readBody(request);
    // The rest of the body is not read, so nothing else can come on this connection.
    if (body === undefined) return refuse(response.setHeader('connection', 'close'), 413, TOO_LARGE);
    if (!isUtf8(body)) return refuse(response, 400, 'The request is not UTF-8 text.');
    let args: unknown;
    try {
      args = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
    } catch (error) {
      return refuse(
        response,
        400,
        `The request is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    const handlers = options.handlers();
    if (!handlers) return refuse(response, 503, 'Gatehouse is still starting. Try again in a moment.');
    const result = await dispatch(handlers, name, args);
    sendJson(response, result.ok ? 200 : 400, result);
  };

  const route = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const refusal = checkOrigin(request);
    if (refusal) return refuse(response, 403, refusal);
    const path = url.pathname.slice(BASE.length);
    if (url.pathname === '/' || `${url.pathname}/` === BASE) {
      response.writeHead(302, { location: BASE }).end();
      return;
    }
    if (path === 'open' && request.method === 'GET') return openLink(request, url, response);
    const visitor = signedIn(request);
    if (!visitor) {
      if (request.method === 'GET' && path === '') offerLink(request);
      return refuseVisitor(request, response);
    }
    if (path.startsWith('api/') && !holdsPageKey(request, visitor)) return refuse(response, 401, LINK_USED);
    if (path === 'api/events' && request.method === 'GET') return streamEvents(response);
    if (path.startsWith('api/call/') && request.method === 'POST')
      return answerCall(request, response, path.slice('api/call/'.length));
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'Expected GET.');
    return sendPage(options.renderer, path === '' ? 'index.html' : path, response);
  };

  return {
    createLink,
    handle(request, response) {
      const url = parseTarget(request.url);
      if (!url || !(url.pathname === '/' || `${url.pathname}/`.startsWith(BASE))) return false;
      route(request, response, url).catch((error: unknown) => {
        log.error('console-failed', { message: error instanceof Error ? error.message : String(error) });
        if (!response.headersSent) refuse(response, 500, 'The console could not answer. The log has the reason.');
        else response.destroy();
      });
      return true;
    },
    close() {
      for (const stream of streams) stream.end();
      link = undefined;
      cookies.clear();
    },
  };
}

const LINK_USED =
  'This page opens with a one-time link, and this one was used or has ended. A new link is printed where Gatehouse runs; open that one.';
const TOO_LARGE = `Expected at most ${MAX_BODY} bytes.`;

const ENDED: Notice = {
  title: 'This page needs a new link',
  paragraphs: [
    'For your safety the console opens with a link that works once, in one browser. The one for this browser was used or has ended.',
    'Look where Gatehouse runs: open the console link last printed there. If it was used as well, load this page again and a new one is printed.',
  ],
};

/** A person is told in a page, a script in JSON. */
function refuseVisitor(request: IncomingMessage, response: ServerResponse): void {
  if (wantsPage(request)) sendNotice(response, 401, ENDED);
  else refuse(response, 401, LINK_USED);
}

function parseTarget(target: string | undefined): URL | undefined {
  return URL.canParse(target ?? '', 'http://127.0.0.1') ? new URL(target ?? '', 'http://127.0.0.1') : undefined;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { ok: false, code: 'refused', message });
}
