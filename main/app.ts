import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EventName, EventPayload, Handlers, StatusView } from '../preload/contract.ts';
import { makeDemoOrganisation } from './admin/demo.ts';
import { type Approvals, createApprovals } from './approvals/approvals.ts';
import type { AuditEvent, VerifyResult } from './audit/record.ts';
import { type AuditStore, openAudit } from './audit/store.ts';
import { type Backends, createBackends } from './backends/backends.ts';
import { createGateway, type Gateway, type InForce } from './gateway/gateway.ts';
import { type Named, nameTable } from './gateway/names.ts';
import { createToolSearch } from './gateway/tool-search.ts';
import { type Apps, createApps } from './identity/apps.ts';
import { createHandlers } from './ipc/answers.ts';
import { createChangeFeed } from './ipc/change-feed.ts';
import { type Console, createConsole } from './ipc/console.ts';
import { readStatus } from './ipc/status-view.ts';
import { toolSetWords } from './ipc/tools-view.ts';
import { createCheckpointThread, runOffThread } from './off-thread.ts';
import { offeredSnapshots } from './person/offered.ts';
import { createPause, type Pause } from './person/pause.ts';
import { createSwitches, type Switches } from './person/switches.ts';
import type { PolicySnapshot } from './policy/decide.ts';
import type { Ports } from './ports.ts';
import { type CurrentPolicy, createPolicyCompiler } from './trust/current-policy.ts';
import { parseEnrolment, rootKeyIds } from './trust/enrolment.ts';
import { createPolicyRecorder } from './trust/policy-recorder.ts';
import { type EnrolmentPreview, previewEnrolment } from './trust/preview.ts';
import { createTrust, type Trust, type TrustState } from './trust/trust.ts';

/** Every room's instance, as the window's answers see them. */
export interface Rooms {
  readonly ports: Ports;
  readonly audit: AuditStore;
  readonly trust: Trust;
  readonly apps: Apps;
  readonly approvals: Approvals;
  readonly backends: Backends;
  readonly gateway: Gateway;
  readonly pause: Pause;
  readonly switches: Switches;
  /** The signed policy as published, before the person's own switches. */
  readonly policy: () => CurrentPolicy;
  readonly endpoint: () => string | undefined;
  /** The policy without what the person switched off: what AI apps are offered. */
  readonly offeredPolicy: () => PolicySnapshot | undefined;
  /** The tools of a profile's endpoint with their names on it, before anybody's rights are looked at. */
  readonly profileTools: (snapshot: PolicySnapshot, profile: string) => Iterable<Named>;
  /** The definitions that stand for all others where a profile has search, as JSON texts. */
  readonly searchTools: () => readonly string[];
  /** Tokens of each text, counted away from the thread that answers calls. */
  readonly countTokens: (texts: readonly string[]) => Promise<readonly number[]>;
  /** Follows the whole record, away from the thread that answers calls. */
  readonly verifyRecord: () => Promise<VerifyResult>;
  readonly previewEnrolment: (source: string) => Promise<EnrolmentPreview>;
  /** Makes the demo organisation in the data folder; answers its org.json text. Throws an error with a plain sentence. */
  readonly makeDemoOrganisation: (onProgress: (progress: EventPayload<'setup'>) => void) => Promise<string>;
  readonly emit: <N extends EventName>(name: N, payload: EventPayload<N>) => void;
}

export interface App {
  readonly rooms: Rooms;
  readonly handlers: Handlers;
  readonly console: Console;
  readonly onEvent: (listener: EventListener) => () => void;
  readonly status: () => StatusView;
  /** For the tray: one line per tool set, with a word when it needs something. */
  readonly toolSets: () => readonly { alias: string; title: string; enabled: boolean; word: string }[];
  readonly apps: () => readonly { id: string; name: string; sessions: number }[];
  readonly closeQuestions: (answer: 'closed' | 'quit') => void;
  /** Stops taking calls; those in flight are answered or recorded; every backend ends. */
  readonly close: () => Promise<void>;
}

export type EventListener = <N extends EventName>(name: N, payload: EventPayload<N>) => void;

export interface AppOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** Enrolment to take up before answering, as org.json text. */
  readonly orgJson?: string;
  /** Machine policy's org.json text. */
  readonly managedEnrolment?: string;
  /** Serve the pages to a browser. Off where windows show them: a door nobody uses stays shut. Default false. */
  readonly serveConsole?: boolean;
}

export type AppFailure = {
  readonly ok: false;
  readonly code: 'unwritable' | 'audit' | 'port-in-use' | 'not-permitted' | 'enrolment';
  readonly message: string;
};

const DRAIN_MS = 5_000;

/** The only place where rooms are wired together. */
export async function createApp(ports: Ports, options: AppOptions): Promise<{ ok: true; value: App } | AppFailure> {
  const folder = makeDataFolder(ports.paths.data);
  if (folder) return { ok: false, code: 'unwritable', message: folder };

  const auditFile = join(ports.paths.data, 'audit.db');
  const checkpoints = createCheckpointThread(auditFile, ports.sqliteBinding);
  const opened = openAudit({
    file: auditFile,
    clock: ports.clock,
    log: ports.log,
    checkpoint: checkpoints.run,
    ...(ports.sqliteBinding ? { nativeBinding: ports.sqliteBinding } : {}),
  });
  if (!opened.ok) return { ok: false, code: 'audit', message: opened.message };
  const audit = opened.value;

  const listeners = new Set<EventListener>();
  const emit: Rooms['emit'] = (name, payload) => {
    for (const listener of listeners) {
      try {
        listener(name, payload);
      } catch (error) {
        // One window that is gone must not keep the news from the others, nor end the app from inside a timer.
        ports.log.warn('event-not-delivered', { name, message: messageOf(error) });
      }
    }
  };
  const feed = createChangeFeed((what) => emit('changed', { what }));
  const changed = feed.add;
  /** For what happens outside a call. A call that cannot be recorded is refused by the gateway itself. */
  const record = (event: AuditEvent) => {
    try {
      audit.writer.append(event);
    } catch (error) {
      ports.log.error('record-unavailable', { kind: event.kind, message: messageOf(error) });
    }
  };

  const trustFolder = join(ports.paths.data, 'trust');
  const compiler = createPolicyCompiler({
    dir: trustFolder,
    version: ports.version,
    log: ports.log,
    check: ({ organisation, version, policyJson, policyCedar, manifestJson }) =>
      runOffThread({
        kind: 'check-documents',
        source: { organisation, version, policyJson, policyCedar, manifestJson },
      }),
  });
  const document = () => {
    const current = policy();
    return current.ok ? current.snapshot.document : undefined;
  };
  const trust = createTrust({
    dir: trustFolder,
    clock: ports.clock,
    log: ports.log,
    accept: (targets) => compiler.accept(targets),
    refreshSeconds: () => document()?.sync.refreshSeconds ?? 900,
    graceSeconds: () => document()?.sync.graceSeconds ?? 0,
    ...(options.managedEnrolment ? { managedEnrolment: options.managedEnrolment } : {}),
  });
  const policy = (): CurrentPolicy => compiler.current(trust.state());

  const apps = createApps({ preferences: ports.preferences, clock: ports.clock, log: ports.log });
  const approvals = createApprovals({ clock: ports.clock, log: ports.log });
  const backends = createBackends({
    clock: ports.clock,
    log: ports.log,
    clientInfo: { name: 'gatehouse', title: 'Gatehouse', version: ports.version },
  });
  const pause = createPause(ports);
  const switches = createSwitches(ports.preferences);
  const search = createToolSearch();

  let closing = false;
  const offered = offeredSnapshots(switches);
  /** Worked out once per millisecond and change: each call asks several times. */
  let known: { readonly at: number; readonly inForce: InForce } | undefined;
  const inForce = (): InForce => {
    const at = ports.clock.now();
    if (known?.at !== at) known = { at, inForce: inForceNow() };
    return known.inForce;
  };
  const inForceNow = (): InForce => {
    if (closing)
      return { ok: false, code: 'shutting-down', message: 'Gatehouse is closing. Start it again to use your tools.' };
    const paused = pause.message();
    if (paused) return { ok: false, code: 'paused', message: paused };
    const current = policy();
    return current.ok ? { ok: true, snapshot: offered(current.snapshot) } : current;
  };

  let endpoint: string | undefined;
  const rooms: Omit<Rooms, 'gateway'> = {
    ports,
    audit,
    trust,
    apps,
    approvals,
    backends,
    pause,
    switches,
    policy,
    endpoint: () => endpoint,
    previewEnrolment,
    offeredPolicy: () => {
      const current = policy();
      return current.ok ? offered(current.snapshot) : undefined;
    },
    profileTools: (snapshot, profile) => nameTable(snapshot, { kind: 'profile', profile }, 'tool').values(),
    searchTools: () => search.tools(),
    countTokens: (texts) => runOffThread({ kind: 'count-tokens', texts }),
    verifyRecord: async () => {
      const before = audit.head();
      const binding = ports.sqliteBinding ? { nativeBinding: ports.sqliteBinding } : {};
      const result = await runOffThread({ kind: 'verify-record', file: auditFile, ...binding });
      return audit.compareWithHead(result, before);
    },
    makeDemoOrganisation: (onProgress) =>
      makeDemoOrganisation(join(ports.paths.data, 'demo-organisation'), { ...ports, onProgress }),
    emit,
  };
  // The console is served by the gateway and answers by it: the handlers exist once both do.
  const answers: { handlers?: Handlers } = {};
  const console = createConsole({
    clock: ports.clock,
    log: ports.log,
    renderer: ports.paths.renderer,
    handlers: () => answers.handlers,
    onEvent: (listener: EventListener) => subscribe(listeners, listener),
  });
  const gateway = createGateway({
    clock: ports.clock,
    log: ports.log,
    version: ports.version,
    inForce,
    account: ports.account,
    apps,
    backends,
    approvals,
    audit: audit.writer,
    search,
    ...(options.serveConsole ? { console: console.handle } : {}),
  });
  const all: Rooms = { ...rooms, gateway };
  const handlers = createHandlers(all);
  answers.handlers = handlers;

  const recordPolicy = createPolicyRecorder(trust, policy, record);
  const applyPolicy = () => {
    known = undefined;
    const current = policy();
    backends.apply(current.ok ? offered(current.snapshot).manifest.servers : []);
    recordPolicy();
    gateway.policyChanged();
    changed('status', 'tools');
  };
  trust.onChange(applyPolicy);
  switches.onChange(applyPolicy);
  pause.onChange((state) => {
    known = undefined;
    record({
      kind: state.paused ? 'gateway.paused' : 'gateway.resumed',
      message: pause.message() ?? 'resumed',
    });
    gateway.policyChanged();
    changed('status');
  });
  apps.onChange(() => changed('apps', 'status'));
  approvals.onChange(() => {
    changed('questions', 'status');
    if (approvals.pending().length > 0) ports.windows.openApproval();
  });
  backends.onStatus((status) => {
    if (status.state === 'failed' || status.state === 'backing-off') {
      ports.log.warn('backend-trouble', { alias: status.alias, state: status.state, message: status.lastError });
    }
    changed('tools');
  });
  gateway.onHeldBack(() => changed('tools', 'status'));
  audit.onAppend((row) => {
    if (row.kind.startsWith('call.')) changed('activity');
  });

  await trust.start();
  applyPolicy();
  const failed = async (code: AppFailure['code'], message: string): Promise<AppFailure> => {
    await close();
    return { ok: false, code, message };
  };
  const close = async () => {
    if (closing) return;
    closing = true;
    known = undefined;
    approvals.closeAll('quit');
    console.close();
    await gateway.close(DRAIN_MS);
    await backends.close();
    trust.close();
    pause.close();
    apps.flush();
    feed.close();
    record({ kind: 'gateway.stopped', version: ports.version });
    // Its connection goes first, so that closing the record leaves one whole file.
    await checkpoints.close();
    audit.close();
  };

  record({ kind: 'gateway.started', version: ports.version });
  const stillPaused = pause.message();
  if (stillPaused) record({ kind: 'gateway.paused', message: `Paused before this start. ${stillPaused}` });
  if (options.orgJson !== undefined) {
    const enrolled = await trust.enrol(options.orgJson);
    if (!enrolled.ok) {
      // What is wrong with a repository is no reason to stop where its own last good policy is in force. Another
      // organisation's policy, or an enrolment that says nothing, must not be answered by the one from before.
      if (!isInForce(trust.state(), options.orgJson)) return failed('enrolment', enrolled.problem.message);
      ports.log.warn('enrolment-not-renewed', { code: enrolled.problem.code, message: enrolled.problem.message });
    }
  }
  const listening = await gateway.listen(options.port);
  if (!listening.ok) return failed(listening.code, listening.message);
  endpoint = `http://127.0.0.1:${listening.port}/mcp`;

  return {
    ok: true,
    value: {
      rooms: all,
      handlers,
      console,
      onEvent: (listener) => subscribe(listeners, listener),
      status: () => readStatus(all),
      toolSets: () => toolSetWords(all),
      apps: () => {
        const connections = gateway.connections();
        return apps.list().map(({ id, name }) => ({ id, name, sessions: connections.get(id) ?? 0 }));
      },
      closeQuestions: (answer) => approvals.closeAll(answer),
      close,
    },
  };
}

/** Whether the policy in force is of the organisation an org.json names: same repository, same root keys. */
function isInForce({ enrolment, current }: TrustState, orgJson: string): boolean {
  const asked = parseEnrolment(orgJson);
  if (!asked.ok || !enrolment || !current) return false;
  return (
    asked.value.repository === enrolment.repository && rootKeyIds(asked.value).join() === enrolment.rootKeyIds.join()
  );
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function makeDataFolder(path: string): string | undefined {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return undefined;
  } catch (error) {
    return `Gatehouse cannot use its data folder ${path}: expected a folder this account may write to, found: ${messageOf(error)}. Mend that, or name another folder with --data.`;
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
