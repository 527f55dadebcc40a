import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Approvals, createApprovals } from '../../../main/approvals/approvals.ts';
import type { AuditEvent } from '../../../main/audit/record.ts';
import { type AuditStore, openAudit } from '../../../main/audit/store.ts';
import { type Backends, createBackends } from '../../../main/backends/backends.ts';
import { createGateway, type Gateway, type InForce } from '../../../main/gateway/gateway.ts';
import type { ToolSearch } from '../../../main/gateway/tool-search-port.ts';
import { type Apps, createApps } from '../../../main/identity/apps.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { compileSnapshot, type PolicySnapshot } from '../../../main/policy/decide.ts';
import { everyOffer } from '../../../main/policy/every-offer.ts';
import type { Json, JsonObject } from '../../../main/policy/json.ts';
import { type Label, type Launch, nothingPinned } from '../../../main/policy/manifest.ts';
import type { Clock, Log, Preferences } from '../../../main/ports.ts';

/** The real rooms wired as the app wires them, but for the signed repository: a test says what the policy is. */

const fixtures = fileURLToPath(new URL('../../fixtures/servers/', import.meta.url));

export function fixture(file: string, ...args: readonly string[]): Launch {
  return { transport: 'stdio', command: process.execPath, args: [path.join(fixtures, file), ...args], env: [] };
}

export function scriptServer(file: URL, ...args: readonly string[]): Launch {
  return { transport: 'stdio', command: process.execPath, args: [fileURLToPath(file), ...args], env: [] };
}

export interface ServerPlan {
  readonly launch: Launch;
  readonly title?: string;
  readonly groups?: readonly string[];
  readonly state?: 'active' | 'deprecated' | 'revoked';
  /** Definitions to pin; without it what the server shows now is pinned. */
  readonly pins?: readonly JsonObject[];
  /** Changes what is pinned before it is hashed. */
  readonly only?: readonly string[];
  readonly labels?: Readonly<Record<string, readonly Label[]>>;
  /** What is approved beside tools. */
  readonly also?: {
    readonly prompts?: readonly JsonObject[];
    readonly resourceTemplates?: readonly JsonObject[];
    readonly resources?: 'none' | 'as-shown';
    readonly capabilities?: JsonObject;
  };
}

/** Time that a test can move forward; it never stands still. */
export class MovableClock implements Clock {
  #offset = 0;
  now(): number {
    return Date.now() + this.#offset;
  }
  advance(ms: number): void {
    this.#offset += ms;
  }
}

export class LogLines implements Log {
  readonly lines: string[] = [];
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#add('debug', event, fields);
  }
  info(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#add('info', event, fields);
  }
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#add('warn', event, fields);
  }
  error(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#add('error', event, fields);
  }
  #add(level: string, event: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    this.lines.push(`${level} ${event} ${JSON.stringify(fields ?? {})}`);
  }
}

export const permitAll = `
@id("everything") permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource);
`;

export interface House {
  readonly gateway: Gateway;
  readonly backends: Backends;
  readonly approvals: Approvals;
  readonly audit: AuditStore;
  readonly apps: Apps;
  readonly clock: MovableClock;
  readonly log: LogLines;
  readonly port: number;
  readonly endpoint: string;
  readonly token: string;
  readonly appId: string;
  /** Puts another policy in force, as a publish does. */
  publish(change: PolicyChange): Promise<void>;
  /** Takes the policy away, or gives it back. */
  setInForce(inForce: InForce | undefined): void;
  /** The bodies of all rows of the kinds named, oldest first. */
  rows<K extends AuditEvent['kind']>(...kinds: readonly K[]): readonly Extract<AuditEvent, { kind: K }>[];
  close(): Promise<void>;
}

export interface PolicyChange {
  readonly cedar?: string;
  readonly document?: JsonObject;
  readonly servers?: Readonly<Record<string, ServerPlan>>;
}

export interface HouseOptions extends PolicyChange {
  readonly servers: Readonly<Record<string, ServerPlan>>;
  readonly app?: string;
  readonly startTimeoutMs?: number;
  readonly account?: string;
  readonly search?: ToolSearch;
}

/** What each server shows now to an app that can do everything, raw. */
export async function shownBy(launch: Launch): Promise<readonly JsonObject[]> {
  const backends = createBackends({
    clock: { now: () => Date.now() },
    log: new LogLines(),
    clientInfo: { name: 'pin', title: 'Pin', version: '0' },
  });
  try {
    backends.apply([manifestServer('pin', { launch }, [])]);
    const refused = { ok: false, error: { code: -32603, message: 'Nobody is here to answer.' } } as const;
    const session = await backends.open('pin', 'pin', undefined, {
      capabilities: everyOffer,
      onRequest: async () => refused,
      onNotification: () => {},
    });
    return await session.tools(0);
  } finally {
    await backends.close();
  }
}

function manifestServer(alias: string, plan: ServerPlan, pins: readonly JsonObject[]) {
  const tools: Record<string, { sha256: string; definition: JsonObject; labels: readonly Label[] }> = {};
  for (const definition of pins) {
    const name = String(definition.name);
    if (plan.only !== undefined && !plan.only.includes(name)) continue;
    tools[name] = { sha256: sha256OfJson(definition), definition, labels: plan.labels?.[name] ?? [] };
  }
  return {
    server: { name: `example.test/${alias}`, version: '1.0.0', description: `The ${alias} fixture` },
    alias,
    title: plan.title ?? alias,
    owner: 'tools@acme.example',
    groups: plan.groups ?? [],
    state: plan.state ?? 'active',
    launch: plan.launch,
    auth: { kind: 'none' as const },
    ...nothingPinned,
    ...plan.also,
    prompts: pinned(plan.also?.prompts, 'name'),
    resourceTemplates: pinned(plan.also?.resourceTemplates, 'uriTemplate'),
    tools,
  };
}

function pinned(definitions: readonly JsonObject[] | undefined, key: 'name' | 'uriTemplate') {
  const pins = definitions?.map((definition) => {
    const pin = { sha256: sha256OfJson(definition), definition, labels: [] };
    return [String(definition[key]), pin] as const;
  });
  return Object.fromEntries(pins ?? []);
}

const shownCache = new Map<string, Promise<readonly JsonObject[]>>();

async function pinsOf(plan: ServerPlan): Promise<readonly JsonObject[]> {
  if (plan.pins !== undefined) return plan.pins;
  const key = JSON.stringify(plan.launch);
  const shown = shownCache.get(key) ?? shownBy(plan.launch);
  shownCache.set(key, shown);
  return shown;
}

export async function openHouse(options: HouseOptions): Promise<House> {
  const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-house-'));
  const clock = new MovableClock();
  const log = new LogLines();
  const opened = openAudit({ file: path.join(dir, 'audit.db'), clock });
  if (!opened.ok) throw new Error(opened.message);
  const audit = opened.value;
  const events: AuditEvent[] = [];
  audit.onAppend((row) => events.push(JSON.parse(row.body) as AuditEvent));

  const apps = createApps({ preferences: memoryPreferences(), clock });
  const approvals = createApprovals({ clock });
  const backends = createBackends({
    clock,
    log,
    clientInfo: { name: 'gatehouse', title: 'Gatehouse', version: '0.0.0' },
    ...(options.startTimeoutMs !== undefined && { startTimeoutMs: options.startTimeoutMs }),
  });

  let plan: PolicyChange & { readonly servers: HouseOptions['servers'] } = options;
  let version = 0;
  let snapshot: PolicySnapshot | undefined;
  let override: InForce | undefined;
  const compile = async () => {
    version++;
    const servers = await Promise.all(
      Object.entries(plan.servers).map(async ([alias, each]) => manifestServer(alias, each, await pinsOf(each))),
    );
    const compiled = compileSnapshot({
      organisation: 'Acme',
      version,
      policyJson: JSON.stringify({
        schema: 1,
        organisation: 'Acme',
        contact: 'it@acme.example',
        identity: { users: { alice: ['engineering'] } },
        ...plan.document,
      }),
      policyCedar: plan.cedar ?? permitAll,
      manifestJson: JSON.stringify({ schema: 1, servers }),
    });
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems, null, 2));
    snapshot = compiled.value;
  };
  await compile();

  const inForce = (): InForce => {
    if (override !== undefined) return override;
    return snapshot === undefined
      ? { ok: false, code: 'no-policy', message: 'No policy is in force.' }
      : { ok: true, snapshot };
  };
  const gateway = createGateway({
    clock,
    log,
    version: '0.0.0',
    inForce,
    account: options.account ?? 'alice',
    apps,
    backends,
    approvals,
    audit: audit.writer,
    ...(options.search !== undefined && { search: options.search }),
  });
  const apply = () => {
    backends.apply(snapshot?.manifest.servers ?? []);
    gateway.policyChanged();
  };
  apply();
  const issued = apps.issue(options.app ?? 'Cursor');
  if (!issued.ok) throw new Error(issued.message);
  const listening = await gateway.listen(0);
  if (!listening.ok) throw new Error(listening.message);

  return {
    gateway,
    backends,
    approvals,
    audit,
    apps,
    clock,
    log,
    port: listening.port,
    endpoint: `http://127.0.0.1:${listening.port}/mcp`,
    token: issued.token,
    appId: issued.app.id,
    async publish(change) {
      plan = { ...plan, ...change };
      await compile();
      apply();
    },
    setInForce(next) {
      override = next;
      gateway.policyChanged();
    },
    rows: <K extends AuditEvent['kind']>(...kinds: readonly K[]) =>
      events.filter((event): event is Extract<AuditEvent, { kind: K }> =>
        (kinds as readonly string[]).includes(event.kind),
      ),
    async close() {
      approvals.closeAll('quit');
      await gateway.close(1_000);
      await backends.close();
      audit.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function memoryPreferences(): Preferences {
  const values = new Map<string, unknown>();
  return { get: (key) => values.get(key), set: (key, value) => void values.set(key, value) };
}

/** Waits until `check` answers something, at most `ms`; then fails with what it was. */
export async function until<T>(what: string, check: () => T | undefined | false, ms = 15_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`it never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export type { Json, JsonObject };
