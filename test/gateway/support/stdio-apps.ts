import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { JsonObject } from '../../../main/policy/json.ts';
import { root } from '../../fixtures/headless-process.ts';

/** AI apps that speak stdio only, with the built bridge as their server. */

export const bridgeEntry = join(root, 'out/main/bridge.js');

export interface StdioApp<C> {
  readonly client: C;
  readonly pid: number;
  /** What the bridge said on stderr so far. */
  stderr(): string;
  close(): Promise<void>;
}

export interface BridgeCommand {
  readonly args: readonly string[];
  readonly token?: string;
  /** What starts the bridge; Node and the built file when not said. */
  readonly command?: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

function serverOf({ args, token, command = [process.execPath, bridgeEntry], env }: BridgeCommand) {
  const [program, ...before] = command;
  return {
    command: program,
    args: [...before, ...args],
    env: { ...env, ...(token !== undefined && { GATEHOUSE_TOKEN: token }) },
    stderr: 'pipe' as const,
  };
}

function collect(stream: { on(event: 'data', listener: (chunk: Buffer) => void): unknown } | null): () => string {
  // Chunks may end in the middle of a character.
  const decoder = new StringDecoder('utf8');
  let text = '';
  stream?.on('data', (chunk) => {
    text += decoder.write(chunk);
  });
  return () => text;
}

export async function legacyStdioApp(
  bridge: BridgeCommand,
  prepare: (client: LegacyClient) => void = () => undefined,
  capabilities: ConstructorParameters<typeof LegacyClient>[1] = {},
): Promise<StdioApp<LegacyClient>> {
  const client = new LegacyClient({ name: 'legacy-app', version: '1' }, capabilities);
  prepare(client);
  const transport = new LegacyTransport(serverOf(bridge));
  const stderr = collect(transport.stderr as never);
  await client.connect(transport).catch((error: unknown) => {
    throw new Error(`${error}\n${stderr()}`);
  });
  return { client, pid: transport.pid ?? 0, stderr, close: () => client.close() };
}

export async function modernStdioApp(
  bridge: BridgeCommand,
  prepare: (client: ModernClient) => void = () => undefined,
  options: ConstructorParameters<typeof ModernClient>[1] = {},
): Promise<StdioApp<ModernClient>> {
  const client = new ModernClient(
    { name: 'modern-app', version: '1' },
    { versionNegotiation: { mode: 'auto' }, ...options },
  );
  prepare(client);
  const transport = new ModernTransport(serverOf(bridge));
  const stderr = collect(transport.stderr as never);
  await client.connect(transport).catch((error: unknown) => {
    throw new Error(`${error}\n${stderr()}`);
  });
  return { client, pid: transport.pid ?? 0, stderr, close: () => client.close() };
}

export interface BareApp {
  readonly child: ChildProcess;
  send(message: unknown): void;
  write(text: string): void;
  /** Every line on stdout so far, each parsed: a line that is no JSON fails the test. */
  messages(): readonly JsonObject[];
  stderr(): string;
  /** The answer to this id, waited for. */
  answer(id: number | string): Promise<JsonObject>;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** The bridge at bare stdin and stdout. */
export function bareApp(bridge: BridgeCommand): BareApp {
  const { command, args, env } = serverOf(bridge);
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin.on('error', () => undefined);
  const messages = () =>
    stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JsonObject);
  return {
    child,
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    write: (text) => void child.stdin.write(text),
    messages,
    stderr,
    async answer(id) {
      const end = Date.now() + 20_000;
      for (;;) {
        const found = messages().find((message) => message.id === id && message.method === undefined);
        if (found !== undefined) return found;
        if (Date.now() > end) throw new Error(`no answer to ${id}: ${stdout()}\n${stderr()}`);
        await new Promise((next) => setTimeout(next, 20));
      }
    },
    ended: new Promise((done) => child.on('close', (code, signal) => done({ code, signal }))),
  };
}
