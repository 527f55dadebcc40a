import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApprovals } from '../../../main/approvals/approvals.ts';
import { openAudit } from '../../../main/audit/store.ts';
import { createBackends } from '../../../main/backends/backends.ts';
import type { GatewayAnswering } from '../../../main/gateway/answering.ts';
import type { Conversation, Listening, Reply } from '../../../main/gateway/conversation.ts';
import { LoopbackGateway } from '../../../main/gateway/loopback-gateway.ts';
import { createApps } from '../../../main/identity/apps.ts';
import { compileSnapshot } from '../../../main/policy/decide.ts';
import type { Preferences } from '../../../main/ports.ts';
import { type JsonObject, LogLines, MovableClock, permitAll } from './house.ts';

/** The gateway over real HTTP, with what answers requests written by a test: conversations alone are looked at. */

export type Script = (conversation: Conversation, params: JsonObject) => Promise<JsonObject> | JsonObject;

export interface Scripted {
  readonly gateway: LoopbackGateway;
  readonly clock: MovableClock;
  readonly log: LogLines;
  readonly port: number;
  readonly endpoint: string;
  readonly token: string;
  readonly appId: string;
  /** What the answering side was told, in words, oldest first. */
  readonly heard: string[];
  /** Conversations handed over, and how they ended. */
  readonly conversations: Conversation[];
  readonly listenings: Listening[];
  /** The refusal of the next `stillAllowed`. */
  refuse: Reply | undefined;
  token2(): string;
  announce(): void;
  close(): Promise<void>;
}

export interface ScriptedOptions {
  /** Tools by name; prompts/get and resources/read go to the one called by their method. */
  readonly tools: Readonly<Record<string, Script>>;
  readonly capabilities?: JsonObject;
  /** `gateway` of policy.json. */
  readonly limits?: JsonObject;
  /** Which of the URIs asked for are watched; all of them by default. */
  readonly watch?: (uris: readonly string[]) => Promise<readonly string[]>;
}

export const everything: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  logging: {},
};

export async function openScripted(options: ScriptedOptions): Promise<Scripted> {
  const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-scripted-'));
  const clock = new MovableClock();
  const log = new LogLines();
  const opened = openAudit({ file: path.join(dir, 'audit.db'), clock });
  if (!opened.ok) throw new Error(opened.message);
  const audit = opened.value;
  const apps = createApps({ preferences: memoryPreferences(), clock });
  const approvals = createApprovals({ clock });
  const backends = createBackends({ clock, log, clientInfo: { name: 'gatehouse', title: 'Gatehouse', version: '0' } });
  const compiled = await compileSnapshot({
    organisation: 'Acme',
    version: 1,
    policyJson: JSON.stringify({
      schema: 1,
      organisation: 'Acme',
      contact: 'it@acme.example',
      profiles: [{ name: 'other', title: 'Other', tools: ['files.*'] }],
      gateway: options.limits ?? {},
    }),
    policyCedar: permitAll,
    manifestJson: JSON.stringify({ schema: 1, servers: [] }),
  });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const snapshot = compiled.value;

  const heard: string[] = [];
  const conversations: Conversation[] = [];
  const listenings: Listening[] = [];
  const capabilities = options.capabilities ?? everything;
  const run = async (script: Script, conversation: Conversation, params: JsonObject): Promise<Reply> => {
    try {
      const result = await script(conversation, params);
      if (conversation.signal.aborted) return { kind: 'none' };
      const modern = conversation.era === 'modern' && result.resultType === undefined;
      return { kind: 'result', text: JSON.stringify(modern ? { resultType: 'complete', ...result } : result) };
    } catch (error) {
      heard.push(`failed: ${error instanceof Error ? error.message : String(error)}`);
      if (conversation.signal.aborted) return { kind: 'none' };
      return { kind: 'error', error: { code: -32603, message: String(error) } };
    }
  };
  const answering: GatewayAnswering = {
    answer(conversation, method, params) {
      const name = method === 'tools/call' ? String(params.name) : method;
      const script = Object.hasOwn(options.tools, name) ? options.tools[name] : undefined;
      if (script === undefined) return undefined;
      conversations.push(conversation);
      return run(script, conversation, params);
    },
    stillAllowed: () => scripted.refuse,
    capabilities: () => capabilities,
    logLevelChanged: (_session, level) => void heard.push(`level ${level}`),
    rootsChanged: () => void heard.push('roots changed'),
    watch(listening, uris) {
      heard.push(`watch ${uris.join(' ')}`.trim());
      if (!listenings.includes(listening)) listenings.push(listening);
      return options.watch?.(uris) ?? Promise.resolve(uris);
    },
    flushRefusals() {},
    policyChanged() {},
    endIdle() {},
    forget: (session) => void heard.push(`forget ${session.startsWith('app:') ? 'app' : 'session'}`),
  };
  const gateway = new LoopbackGateway(
    {
      clock,
      log,
      version: '0.0.0',
      inForce: () => ({ ok: true, snapshot }),
      account: 'alice',
      apps,
      backends,
      approvals,
      audit: audit.writer,
    },
    () => answering,
  );
  const issued = apps.issue('Cursor');
  if (!issued.ok) throw new Error(issued.message);
  const listening = await gateway.listen(0);
  if (!listening.ok) throw new Error(listening.message);
  const scripted: Scripted = {
    gateway,
    clock,
    log,
    port: listening.port,
    endpoint: `http://127.0.0.1:${listening.port}/mcp`,
    token: issued.token,
    appId: issued.app.id,
    heard,
    conversations,
    listenings,
    refuse: undefined,
    token2() {
      const other = apps.issue('Other');
      if (!other.ok) throw new Error(other.message);
      return other.token;
    },
    announce: () => gateway.policyChanged(),
    async close() {
      await gateway.close(200);
      await backends.close();
      audit.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return scripted;
}

function memoryPreferences(): Preferences {
  const values = new Map<string, unknown>();
  return { get: (key) => values.get(key), set: (key, value) => void values.set(key, value) };
}
