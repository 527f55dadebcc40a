import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Handlers } from '../../preload/contract.ts';
import type { EventListener } from '../app.ts';
import type { Clock, Log } from '../ports.ts';
import { dispatch } from './handlers.ts';
import { sendPage } from './pages.ts';

const BASE = '/console/';
const COOKIE = 'gatehouse_console';
const IDLE_MS = 12 * 3_600_000;
const MAX_BODY = 1_000_000;
const MAX_STREAMS = 32;
/** How often a visitor without a cookie may cause a new link in the log. */
const LINK_EVERY_MS = 10_000;

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

/**
 * The window's pages for a browser on this machine: the same contract, over loopback HTTP.
 * Who may: the holder of a one-time link, then of the cookie it was exchanged for. Host and Origin are checked as for /mcp
 * (MCP specification, Streamable HTTP, Security Warning: DNS rebinding).
 */
export function createConsole(options: ConsoleOptions): Console {
  const { clock, log } = options;
  let link: { digest: Buffer; base: string } | undefined;
  let lastLinkAt = 0;
  const cookies = new Map<string, number>();
  const streams = new Set<ServerResponse>();

  const createLink = (endpoint: string): string => {
    const key = secret();
    const base = new URL(BASE, endpoint).href;
    link = { digest: digest(key), base };
    return `${base}open?key=${key}`;
  };

  const isSignedIn = (request: IncomingMessage): boolean => {
    const value = readCookie(request.headers.cookie);
    if (!value) return false;
    const key = digest(value).toString('hex');
    const seen = cookies.get(key);
    if (seen === undefined || clock.now() - seen > IDLE_MS) {
      cookies.delete(key);
      return false;
    }
    cookies.set(key, clock.now());
    return true;
  };

  const openLink = (url: URL, response: ServerResponse) => {
    const key = url.searchParams.get('key') ?? '';
    if (!link || !timingSafeEqual(digest(key), link.digest)) return refuse(response, 401, LINK_USED);
    link = undefined;
    const value = secret();
    cookies.set(digest(value).toString('hex'), clock.now());
    response.writeHead(303, {
      location: BASE,
      'set-cookie': `${COOKIE}=${value}; Path=${BASE}; HttpOnly; SameSite=Strict`,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    response.end();
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
    const unsubscribe = options.onEvent((name, payload) => {
      response.write(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`);
    });
    const beat = setInterval(() => response.write(': beat\n\n'), 20_000);
    response.on('close', () => {
      clearInterval(beat);
      unsubscribe();
      streams.delete(response);
    });
  };

  const answerCall = async (request: IncomingMessage, response: ServerResponse, name: string) => {
    // A form or a fetch without CORS cannot send this type: with the Origin check, two locks against cross-site posts.
    if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
      return refuse(response, 415, 'Expected content-type application/json.');
    }
    const body = await readBody(request);
    if (body === undefined) return refuse(response, 413, `Expected at most ${MAX_BODY} bytes.`);
    let args: unknown;
    try {
      args = body === '' ? {} : JSON.parse(body);
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
    if (path === 'open' && request.method === 'GET') return openLink(url, response);
    if (!isSignedIn(request)) {
      if (link === undefined && clock.now() - lastLinkAt > LINK_EVERY_MS && request.method === 'GET' && path === '') {
        lastLinkAt = clock.now();
        log.info('console-link', { link: createLink(`http://${request.headers.host}`) });
      }
      return refuse(response, 401, LINK_USED);
    }
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
      if (url?.pathname === '/' || url?.pathname === '/console') {
        response.writeHead(302, { location: BASE }).end();
        return true;
      }
      if (!url?.pathname.startsWith(BASE)) return false;
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

function parseTarget(target: string | undefined): URL | undefined {
  return URL.canParse(target ?? '', 'http://127.0.0.1') ? new URL(target ?? '', 'http://127.0.0.1') : undefined;
}

/** Undefined when the request comes from this console, or from no page at all. */
function checkOrigin(request: IncomingMessage): string | undefined {
  const port = request.socket.localPort;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
  const host = request.headers.host ?? '';
  if (!hosts.includes(host)) return 'The console answers only to its own address on this computer.';
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) return 'The console does not answer other web pages.';
  const site = request.headers['sec-fetch-site'];
  // Following the one-time link from elsewhere is a top-level navigation; everything else must come from our own pages.
  const navigates = request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate';
  if (typeof site === 'string' && site !== 'same-origin' && site !== 'none' && !navigates)
    return 'The console does not answer other web pages.';
  return undefined;
}

function readCookie(header: string | undefined): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [name, value] = part.trim().split('=');
    if (name === COOKIE && value) return value;
  }
  return undefined;
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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
