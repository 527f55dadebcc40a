import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  BackendReply,
  BackendSession,
  Backends,
  BackendsOptions,
  ClientSide,
  Origin,
  ServerRequest,
} from '../../../main/backends/backends.ts';
import { BackendFailure, createBackends } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { type Launch, type ManifestServer, nothingPinned } from '../../../main/policy/manifest.ts';
import type { Log } from '../../../main/ports.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/servers/', import.meta.url));

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function fixture(file: string, args: readonly string[] = [], env: readonly string[] = []): Launch {
  return { transport: 'stdio', command: process.execPath, args: [path.join(FIXTURES, file), ...args], env };
}

export function script(code: string): Launch {
  return { transport: 'stdio', command: process.execPath, args: ['-e', code], env: [] };
}

export function http(url: string): Launch {
  return { transport: 'http', url };
}

export function sse(url: string): Launch {
  return { transport: 'sse', url };
}

/** A ClientSide that keeps what it is told and answers with `answer`. */
export interface Caller extends ClientSide {
  readonly requests: ServerRequest[];
  readonly notifications: {
    readonly method: string;
    readonly params: JsonObject;
    readonly origin: Origin | undefined;
  }[];
  readonly opened: BackendSession[];
}

export function caller(
  answer: (request: ServerRequest) => BackendReply | Promise<BackendReply> = () => ({ ok: true, result: {} }),
  capabilities: JsonObject = { elicitation: {}, sampling: {}, roots: { listChanged: true } },
): Caller {
  const requests: ServerRequest[] = [];
  const notifications: Caller['notifications'] = [];
  const opened: BackendSession[] = [];
  return {
    requests,
    notifications,
    opened,
    capabilities,
    async onRequest(request) {
      requests.push(request);
      return answer(request);
    },
    onNotification: (method, params, origin) => {
      notifications.push({ method, params, origin });
    },
    onOpen: (session) => {
      opened.push(session);
    },
  };
}

/** The JSON in a tool result's first content block. */
export function jsonOf(reply: { readonly ok: boolean; readonly result?: JsonObject }): unknown {
  return JSON.parse(textOf(reply));
}

export function server(alias: string, launch: Launch, state: ManifestServer['state'] = 'active'): ManifestServer {
  return {
    server: {},
    alias,
    title: alias,
    owner: 'tools@example.com',
    groups: [],
    state,
    launch,
    auth: { kind: 'none' },
    ...nothingPinned,
  };
}

export function backendsFor(
  launches: Readonly<Record<string, Launch>>,
  options: Partial<BackendsOptions> = {},
): Backends {
  const backends = createBackends({
    clock: { now: () => Date.now() },
    log: silentLog,
    clientInfo: { name: 'gatehouse', title: 'Gatehouse', version: '0.0.0' },
    ...options,
  });
  backends.apply(Object.entries(launches).map(([alias, launch]) => server(alias, launch)));
  return backends;
}

export const call = (name: string, args: JsonObject = {}): JsonObject => ({ name, arguments: args });

/** The text of a tool result's first content block. */
export function textOf(reply: { readonly ok: boolean; readonly result?: JsonObject }): string {
  const content = reply.result?.content;
  const first = Array.isArray(content) ? content[0] : undefined;
  return String((first as JsonObject | undefined)?.text);
}

/** The BackendFailure a promise rejects with. */
export async function failureOf(work: Promise<unknown>): Promise<BackendFailure> {
  const outcome = await work.then(
    () => 'an answer',
    (error: unknown) => error,
  );
  if (outcome instanceof BackendFailure) return outcome;
  throw new Error(`expected a BackendFailure, found ${String(outcome)}`);
}

/** Polls until `found` is true; bounded at ten seconds. */
export async function eventually(found: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await found()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come about within ten seconds');
}

/** Whether a process runs. One that has ended and waits for its parent to notice does not. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // No such process: that is the answer.
    return false;
  }
}

/** Starts one of the HTTP fixtures; its input's end is its end. */
export async function startFixture(
  file: string,
  args: readonly string[] = [],
): Promise<{ url: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [path.join(FIXTURES, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString('utf8')) as { url: string };
  const stop = async () => {
    const exited = once(child, 'exit');
    child.stdin.end();
    await exited;
  };
  return { url, stop };
}
