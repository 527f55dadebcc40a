import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { PolicySnapshot } from '../policy/decide.ts';
import { admit, checkOrigin, type DoorPolicy, endpointOf, type Rejection } from './admit.ts';
import { Allowances } from './allowance.ts';
import { Announcements } from './announcements.ts';
import { createAnswering, type GatewayAnswering } from './answering.ts';
import { Catalog } from './catalog.ts';
import { idOf, plainEra } from './era.ts';
import { type Exchange, refuse, type Service, tooManyMessages } from './exchange.ts';
import type { Gateway, GatewayDeps, HeldBack, InForce } from './gateway.ts';
import { HeldBackTools } from './held-back.ts';
import { LegacyCallers } from './legacy.ts';
import { limitsOf } from './limits.ts';
import { type ListedKind, Listeners, listChanged } from './listeners.ts';
import type { McpHeaders } from './mcp-headers.ts';
import { ModernCallers } from './modern.ts';
import { modernSession } from './modern-conversation.ts';
import { ParkedRequests } from './parked.ts';
import { Rejections } from './rejections.ts';
import { RunningRequests } from './running.ts';
import {
  closeServer,
  createLoopbackServer,
  type ListenOutcome,
  listenOnLoopback,
  readJsonBody,
  sendAndClose,
} from './server.ts';
import { LegacySessions } from './session.ts';
import { sendEmpty, sendJson } from './sse.ts';
import { timed } from './timing.ts';
import { visibleAliases } from './visible-aliases.ts';
import { errorMessage, modernVersions, type RpcId, rpcCode } from './wire.ts';

/** How often timers of the whole house are looked at; finer ones per call would cost more than they give. */
const tickMs = 5_000;
/** What cancelled calls get to be recorded and answered when the gateway closes. */
const stopMs = 2_000;
/** A stateless caller counts as connected this long after its last request. */
const recentMs = 300_000;

/** One request, start to answer: door, era, then the callers of that era. */
export class LoopbackGateway implements Gateway {
  readonly #deps: GatewayDeps;
  readonly #server: Server;
  readonly #held: HeldBackTools;
  readonly #catalog: Catalog;
  readonly #running = new RunningRequests();
  readonly #sessions: LegacySessions;
  readonly #listeners: Listeners;
  readonly #parked: ParkedRequests;
  readonly #allowances = new Allowances();
  readonly #rejections: Rejections;
  readonly #answering: GatewayAnswering;
  readonly #legacy: LegacyCallers;
  readonly #modern: ModernCallers;
  readonly #heldListeners = new Set<() => void>();
  readonly #recent = new Map<string, number>();
  readonly #announcements: Announcements;
  readonly #identify = (token: string) => this.#deps.apps.identify(token);
  readonly #doors = new WeakMap<PolicySnapshot, DoorPolicy>();
  readonly #unsubscribe: () => void;
  #tick: NodeJS.Timeout | undefined;
  #port = 0;
  #closing = false;

  /** `answeringOf` makes what answers requests. */
  constructor(deps: GatewayDeps, answeringOf: typeof createAnswering = createAnswering) {
    this.#deps = deps;
    const { clock, log, audit, backends, approvals, account, version, search } = deps;
    const inForce = () => this.#inForce();
    this.#held = new HeldBackTools({ clock, log, audit, onChange: () => this.#tellHeldBack() });
    this.#announcements = new Announcements({
      clock,
      account,
      inForce,
      tell: (kind, hears) => {
        this.#sessions.announce(kind, listChanged[kind], hears);
        this.#listeners.announce(kind, hears);
      },
    });
    const announce = (kind: ListedKind, alias: string) => this.#announcements.add(kind, alias);
    const catalog = new Catalog({ backends, clock, log, held: this.#held, announce });
    this.#catalog = catalog;
    const answering = answeringOf({
      version,
      clock,
      log,
      account,
      inForce,
      backends,
      approvals,
      audit,
      catalog,
      underWay: (appId) => this.#running.countOf(appId),
      ...(search !== undefined && { search }),
    });
    this.#answering = answering;
    this.#sessions = new LegacySessions({ clock, onEnd: (key) => this.#forget(key) });
    this.#parked = new ParkedRequests(clock);
    const service: Service = {
      version,
      log,
      inForce,
      backends,
      answering,
      running: this.#running,
      allowances: this.#allowances,
      streamsOf: (appId) => this.#sessions.streamsOf(appId) + this.#listeners.countOf(appId),
    };
    this.#listeners = new Listeners(service);
    this.#legacy = new LegacyCallers(service, this.#sessions);
    this.#modern = new ModernCallers(service, this.#listeners, this.#parked);
    this.#rejections = new Rejections({ clock, log, audit });
    this.#server = createLoopbackServer((request, response) => this.#take(request, response));
    const unsubscribe = [
      backends.onListChanged((alias, kind) => {
        const server = this.#serverOf(alias);
        if (server !== undefined) this.#catalog.listChanged(server, kind);
      }),
      backends.onStatus(({ alias, state }) => {
        const server = state === 'running' ? this.#serverOf(alias) : undefined;
        if (server !== undefined) this.#catalog.cameUp(server);
      }),
    ];
    this.#unsubscribe = () => {
      for (const each of unsubscribe) each();
    };
  }

  async listen(port: number): Promise<ListenOutcome> {
    const outcome = await listenOnLoopback(this.#server, port);
    if (!outcome.ok) return outcome;
    this.#port = outcome.port;
    let ticks = 0;
    this.#tick = setInterval(() => {
      ticks++;
      this.#running.pulse();
      if (ticks % 3 === 0) {
        this.#sessions.pulse(limitsOf(this.#inForce()).parkedSeconds * 1_000);
        this.#listeners.pulse();
      }
      if (ticks % 12 === 0) {
        this.#sessions.endIdle();
        this.#answering.endIdle();
      }
      this.#rejections.flush();
      this.#answering.flushRefusals();
      this.#parked.expire();
    }, tickMs);
    this.#tick.unref();
    return outcome;
  }

  policyChanged(): void {
    const inForce = this.#inForce();
    this.#catalog.policyChanged(inForce.ok ? inForce.snapshot.manifest : undefined);
    if (inForce.ok) {
      const { allowed } = inForce.snapshot.document.apps;
      if (!allowed.includes('*')) {
        const names = new Map(this.#deps.apps.list().map((app) => [app.id, app.name]));
        this.#endApps((appId) => !allowed.includes(names.get(appId) ?? ''));
      }
    }
    this.#answering.policyChanged();
    for (const kind of ['tools', 'prompts', 'resources'] as const) this.#announcements.add(kind);
  }

  appEnded(appId: string): void {
    this.#endApps((each) => each === appId);
    this.#recent.delete(appId);
    this.#allowances.forget(appId);
    this.#forget(modernSession(appId));
  }

  heldBack(): readonly HeldBack[] {
    return this.#held.list();
  }

  onHeldBack(listener: () => void): () => void {
    this.#heldListeners.add(listener);
    return () => this.#heldListeners.delete(listener);
  }

  connections(): ReadonlyMap<string, number> {
    const counts = this.#sessions.counts();
    this.#listeners.addCounts(counts);
    const since = this.#deps.clock.now() - recentMs;
    for (const [appId, at] of this.#recent) {
      if (at < since) this.#recent.delete(appId);
      else if (!counts.has(appId)) counts.set(appId, 1);
    }
    return counts;
  }

  async inspect(alias: string): Promise<void> {
    const server = this.#serverOf(alias);
    if (server !== undefined) await this.#catalog.look(server);
  }

  async close(graceMs: number): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#tick);
    this.#unsubscribe();
    // Nobody will come back to those in time.
    this.#parked.endWhere(() => true, 'shutting-down');
    await this.#running.drained(graceMs);
    this.#running.stopWhere(() => true, 'shutting-down');
    await this.#running.drained(stopMs);
    this.#listeners.endWhere(() => true);
    this.#sessions.endWhere(() => true);
    this.#rejections.flush(true);
    this.#answering.flushRefusals(true);
    if (this.#server.listening) await closeServer(this.#server);
  }

  // ── one request ───────────────────────────────────────────────────────────────────────────────────────────────

  #take(request: IncomingMessage, response: ServerResponse): void {
    const foreign = checkOrigin(request.headers, this.#port);
    if (foreign !== undefined) {
      this.#reject(response, foreign);
      return;
    }
    const endpoint = endpointOf(request.url ?? '');
    if (endpoint === undefined) {
      if (this.#deps.console?.(request, response) === true) return;
      sendAndClose(response, 404, { code: rpcCode.refused, message: 'Not found. AI apps connect to /mcp.' });
      return;
    }
    const inForce = this.#inForce();
    const admission = timed('admit', () =>
      admit({ headers: request.headers, endpoint }, this.#identify, this.#doorPolicy(inForce)),
    );
    if (!admission.ok) {
      this.#reject(response, admission);
      return;
    }
    this.#deps.apps.touch(admission.app.id);
    const limits = limitsOf(inForce);
    const exchange: Exchange = { request, response, app: admission.app, endpoint, limits };
    const asked: { id: RpcId | null } = { id: null };
    this.#route(exchange, asked).catch((error: unknown) => {
      // Our own failure: said as such, with nothing of the inside shown.
      this.#deps.log.error('request-failed', { method: request.method, error: String(error) });
      const message = 'Gatehouse failed to answer. Try again; if it happens again, ask your IT team.';
      sendJson(response, 200, errorMessage(asked.id, { code: rpcCode.internalError, message }));
      response.end();
    });
  }

  /** `asked` takes the id of the message once it is read, so that a failure of ours is answered by it too. */
  async #route(exchange: Exchange, asked: { id: RpcId | null }): Promise<void> {
    const { request, response } = exchange;
    const version = request.headers['mcp-protocol-version'];
    if (request.method !== 'POST' && (modernVersions as readonly unknown[]).includes(version)) {
      // 2026-07-28 has neither sessions nor a GET stream: its endpoint is POST only.
      return sendEmpty(response, 405, { allow: 'POST' });
    }
    switch (request.method) {
      case 'POST':
        return this.#post(exchange, asked);
      case 'GET':
        return this.#legacy.get(exchange);
      case 'DELETE':
        return this.#legacy.delete(exchange);
      default:
        return sendEmpty(response, 405, { allow: 'POST, GET, DELETE' });
    }
  }

  async #post(exchange: Exchange, asked: { id: RpcId | null }): Promise<void> {
    const { request, response, app, limits } = exchange;
    const body = await readJsonBody(request, limits);
    if (!body.ok) {
      if (body.error !== undefined) sendAndClose(response, body.httpStatus, body.error, body.id);
      return;
    }
    asked.id = idOf(body.json);
    const headers = request.headers as McpHeaders;
    const plain = timed('era', () => plainEra(headers, body.json));
    const era = plain ?? (await loadClassify())(headers, body.json, limits.batch);
    switch (era.era) {
      case 'legacy':
        return this.#legacy.post(exchange, era.message);
      case 'legacy-batch':
        return this.#legacy.batch(exchange, era.messages);
      case 'modern':
        this.#recent.set(app.id, this.#deps.clock.now());
        return this.#modern.post(exchange, era);
      case 'modern-notification':
        if (!this.#allowances.take(app.id)) return refuse(response, 429, null, tooManyMessages.message);
        return sendEmpty(response, 202);
      case 'rejected':
        return sendJson(response, era.httpStatus, errorMessage(era.id, era.error));
      default:
        return era satisfies never;
    }
  }

  #reject(response: ServerResponse, { code, httpStatus, message }: Rejection): void {
    this.#rejections.record(code, message);
    const error = { code: rpcCode.refused, message, data: { code } };
    const headers = httpStatus === 401 ? { 'www-authenticate': 'Bearer realm="gatehouse"' } : {};
    sendAndClose(response, httpStatus, error, null, headers);
  }

  // ── what all of them share ────────────────────────────────────────────────────────────────────────────────────

  #inForce(): InForce {
    if (!this.#closing) return this.#deps.inForce();
    const message = 'Gatehouse is closing. Start it again to use your tools.';
    return { ok: false, code: 'shutting-down', message };
  }

  #doorPolicy(inForce: InForce): DoorPolicy | undefined {
    if (!inForce.ok) return undefined;
    const { snapshot } = inForce;
    const { account, clock } = this.#deps;
    const known = this.#doors.get(snapshot);
    if (known !== undefined) return known;
    const door: DoorPolicy = {
      appsAllowed: snapshot.document.apps.allowed,
      profiles: snapshot.document.profiles.map((profile) => profile.name),
      aliasesFor: ({ name }) => visibleAliases(snapshot, account, name, clock.now()),
      contact: snapshot.document.contact,
    };
    this.#doors.set(snapshot, door);
    return door;
  }

  #serverOf(alias: string) {
    const inForce = this.#inForce();
    if (!inForce.ok) return undefined;
    return inForce.snapshot.manifest.servers.find((server) => server.alias === alias && server.state !== 'revoked');
  }

  #endApps(ends: (appId: string) => boolean): void {
    this.#parked.endWhere(ends, 'app-ended');
    this.#running.stopWhere(ends, 'app-ended');
    this.#sessions.endWhere((session) => ends(session.app.id));
    this.#listeners.endWhere(ends);
  }

  /** What is kept under a session's key ends with the session. */
  #forget(key: string): void {
    this.#deps.approvals.forgetSession(key);
    this.#held.forgetSource(key);
    this.#answering.forget(key);
  }

  #tellHeldBack(): void {
    for (const listener of [...this.#heldListeners]) listener();
  }
}

let loading: Promise<typeof import('./classify.ts')> | undefined;

/** The SDK's classifier comes with all its schemas: half a megabyte that most starts never need. */
async function loadClassify() {
  loading ??= import('./classify.ts');
  return (await loading).classify;
}
