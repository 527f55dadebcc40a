import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher, Pool } from 'undici';
import { FewSet } from '../policy/few.ts';
import { MessageRefused } from './message.ts';
import { WireFailure } from './wire.ts';

const REDIRECTS = 3;
/** Below the 5 s after which Node servers drop an idle connection, so that a request rarely meets a closing one. */
const FREE_SOCKET_MS = 4_000;
const BODY_EXCERPT = 64 * 1024;

/** Connections to one origin. No state of a session lives in a connection, so all sessions with one server share them. */
interface SharedPool {
  readonly pool: Pool;
  users: number;
}

const pools = new Map<string, SharedPool>();
let library: Promise<typeof Pool> | undefined;

/** Loaded when the first remote server is: a computer without one never needs it. */
function loadPool(): Promise<typeof Pool> {
  library ??= import('undici/lib/dispatcher/pool.js').then((module) => module.default);
  return library;
}

/**
 * Connections of one backend session, kept alive. undici's dispatcher, because an exchange takes half the time node:http needs and
 * a fifth of what global fetch does. It sets no deadline of its own: an answer may take as long as its request may.
 */
export class HttpAgents {
  #origin: string | undefined;
  #shared: SharedPool | undefined;
  #destroyed = false;
  /** Answers whose body was given up, or is still being read. */
  readonly #open = new FewSet<HttpAnswer>();

  /** Undefined until the library is loaded. */
  poolOf(origin: string): Pool | undefined {
    return this.#origin === origin ? this.#shared?.pool : undefined;
  }

  /** One origin per session: redirects stay within it. */
  async openPool(origin: string): Promise<Pool> {
    const PoolOfOneOrigin = await loadPool();
    if (this.#destroyed) throw new Error('the connections were closed');
    const known = this.poolOf(origin);
    if (known !== undefined) return known;
    if (this.#shared !== undefined) throw new Error(`expected the origin ${this.#origin}, found ${origin}`);
    const shared = pools.get(origin) ?? { pool: new PoolOfOneOrigin(origin, poolOptions), users: 0 };
    pools.set(origin, shared);
    shared.users += 1;
    this.#origin = origin;
    this.#shared = shared;
    return shared.pool;
  }

  opened(answer: HttpAnswer): void {
    this.#open.add(answer);
  }

  closed(answer: HttpAnswer): void {
    this.#open.delete(answer);
  }

  /** Ends what is under way; more may begin. */
  abortOpen(): void {
    for (const answer of this.#open.values()) answer.destroy();
  }

  /** Ends what is under way, for good; the connections go with the last session that uses them. */
  destroy(): void {
    this.#destroyed = true;
    this.abortOpen();
    const shared = this.#shared;
    this.#shared = undefined;
    if (shared === undefined || this.#origin === undefined) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    pools.delete(this.#origin);
    shared.pool.destroy().catch(ignore);
  }
}

const poolOptions: Pool.Options = {
  pipelining: 1,
  allowH2: false,
  keepAliveTimeout: FREE_SOCKET_MS,
  keepAliveMaxTimeout: 60_000,
  headersTimeout: 0,
  bodyTimeout: 0,
  connectTimeout: 0,
};

export interface Exchange {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
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

/** One request; resolves with the answer's headers read and its body untouched. Follows 307/308 within the same origin only. */
export async function exchange(agents: HttpAgents, start: URL, options: Exchange): Promise<HttpAnswer> {
  let url = start;
  for (let hops = 0; ; hops += 1) {
    const answer = await once(agents, url, options);
    const { statusCode } = answer;
    if (statusCode < 300 || statusCode > 399) return answer;
    answer.destroy();
    const location = answer.header('location');
    const target = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    if (
      (statusCode !== 307 && statusCode !== 308) ||
      target === undefined ||
      target.origin !== start.origin ||
      hops >= REDIRECTS
    ) {
      const where = target?.origin ?? 'nowhere';
      throw new WireFailure('unavailable', `it redirects (HTTP ${statusCode}) to ${where}, which is not followed`);
    }
    url = target;
  }
}

/** Taken apart once per URL object, not once per request. */
const addresses = new WeakMap<URL, { readonly origin: string; readonly path: string }>();

async function once(agents: HttpAgents, url: URL, options: Exchange): Promise<HttpAnswer> {
  const address = addresses.get(url) ?? { origin: url.origin, path: `${url.pathname}${url.search}` };
  addresses.set(url, address);
  const pool = agents.poolOf(address.origin) ?? (await agents.openPool(address.origin));
  return new Promise((resolve, reject) => {
    const { signal, method, headers, body } = options;
    if (signal?.aborted) return reject(signal.reason);
    const answer = new HttpAnswer(agents, signal, resolve, reject);
    pool.dispatch({ path: address.path, method, headers, body: body ?? null, idempotent: false }, answer);
  });
}

/** An answer from its headers on, and before that the wait for it. Its body is read once: by `each`, or by nobody. */
export class HttpAnswer implements Dispatcher.DispatchHandler {
  statusCode = 0;
  headers: Readonly<IncomingHttpHeaders> = {};
  readonly #agents: HttpAgents;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #abort: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** What came before somebody asked for it: no more than one read of the connection. */
  #early: Buffer[] = [];
  #reader: { onData(chunk: Buffer): void; resolve(): void; reject(reason: unknown): void } | undefined;
  #state: 'waiting' | 'open' | 'discarded' | 'ended' | 'failed' = 'waiting';
  #error: unknown;

  constructor(
    agents: HttpAgents,
    signal: AbortSignal | undefined,
    resolve: (answer: HttpAnswer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#agents = agents;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#abort = () => this.#fail(signal?.reason);
    signal?.addEventListener('abort', this.#abort);
    agents.opened(this);
  }

  /** The first value, where a server repeats one. */
  header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === 'object' ? value[0] : value;
  }

  /** Every piece of the body as it comes. Rejects when the connection breaks, the signal aborts, or `onData` throws. */
  each(onData: (chunk: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reader = { onData, resolve, reject };
      const early = this.#early;
      this.#early = [];
      for (const chunk of early) this.#hand(chunk);
      if (this.#state === 'ended') resolve();
      else if (this.#state === 'failed') reject(this.#error);
      else if (this.#state === 'discarded') reject(new Error('the body was given up'));
    });
  }

  /** Lets the rest of the body come and go, so that the connection can be used again. */
  resume(): void {
    if (this.#state !== 'open') return;
    this.#state = 'discarded';
    this.#early = [];
  }

  /** Ends the exchange. Whoever reads the body is told. */
  destroy(): void {
    this.#fail(new Error('the connection was closed'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#state === 'failed') controller.abort(asError(this.#error));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number, headers: IncomingHttpHeaders): void {
    // 103 and the like: the answer is still to come.
    if (statusCode < 200 || this.#state !== 'waiting') return;
    this.statusCode = statusCode;
    this.headers = headers;
    this.#state = 'open';
    this.#resolve(this);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#reader === undefined) this.#early.push(chunk);
    else this.#hand(chunk);
  }

  onResponseEnd(): void {
    if (this.#state === 'failed') return;
    this.#state = 'ended';
    this.#leave();
    this.#reader?.resolve();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #hand(chunk: Buffer): void {
    if (this.#state === 'failed') return;
    try {
      this.#reader?.onData(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#state === 'ended' || this.#state === 'failed') return;
    const waiting = this.#state === 'waiting';
    this.#state = 'failed';
    this.#error = error;
    this.#early = [];
    this.#leave();
    this.#controller?.abort(asError(error));
    if (waiting) this.#reject(error);
    else this.#reader?.reject(error);
  }

  #leave(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#agents.closed(this);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Reads a whole body; rejects with MessageRefused above `maxBytes`. */
export async function readBody(answer: HttpAnswer, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  await answer.each((chunk) => {
    size += chunk.length;
    if (size > maxBytes) throw MessageRefused.tooLarge(maxBytes);
    chunks.push(chunk);
  });
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
}

function ignore(): void {}

/** The beginning of a refusal's body, for its message; an unreadable one is empty. */
export async function readExcerpt(answer: HttpAnswer): Promise<string> {
  try {
    return (await readBody(answer, BODY_EXCERPT)).toString('utf8');
  } catch {
    // The refusal itself is what matters; its text is only an explanation.
    return '';
  }
}
