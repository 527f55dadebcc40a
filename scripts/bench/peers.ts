import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { open, type Target } from './load.ts';

/** Gateways from npm that check nothing, at the versions they were looked at. They are fetched for the benchmark only. */
const versions = { 'mcp-hub': '4.2.1', 'mcp-proxy': '6.7.19', supergateway: '4.0.0' } as const;
type Peer = keyof typeof versions;

export interface StartedPeer {
  readonly target: Target;
  stop(): Promise<void>;
}

const startMs = 30_000;

/** Fetches the peers into a folder; false, with a line that says why, where the registry cannot be reached. */
export function fetchPeers(folder: string, say: (line: string) => void): boolean {
  mkdirSync(folder, { recursive: true });
  const packages = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  say(`fetching ${packages.join(', ')} …`);
  try {
    // Nothing of theirs runs while they are installed.
    const options = ['--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', ['install', ...options, ...packages], { stdio: 'pipe', timeout: 300_000 });
    return true;
  } catch (error) {
    say(`the peers cannot be fetched, so that row is skipped: ${String(error).split('\n')[0]}`);
    return false;
  }
}

/** Starts each peer in front of the stdio server `echo`; one that does not come up is said and left out. */
export async function startPeers(
  folder: string,
  echo: readonly string[],
  say: (line: string) => void,
): Promise<readonly StartedPeer[]> {
  const started: StartedPeer[] = [];
  for (const peer of Object.keys(versions) as Peer[]) {
    try {
      started.push(await startPeer(peer, folder, echo));
    } catch (error) {
      say(`${peer} does not come up, so it is left out: ${String(error)}`);
    }
  }
  return started;
}

async function startPeer(peer: Peer, folder: string, echo: readonly string[]): Promise<StartedPeer> {
  const port = await freePort();
  const { args, target } = commandOf(peer, folder, echo, port);
  const file = join(folder, 'node_modules', '.bin', peer);
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'ignore', 'ignore'], cwd: folder });
  const stop = () => end(child);
  try {
    const deadline = performance.now() + startMs;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      try {
        const caller = await open(target);
        const answer = await caller.request('tools/list', {});
        await caller.close();
        if (answer.includes(target.tool)) return { target, stop };
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      if (performance.now() > deadline) throw new Error('its tools did not come within 30 seconds');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

function commandOf(
  peer: Peer,
  folder: string,
  echo: readonly string[],
  port: number,
): { readonly args: readonly string[]; readonly target: Target } {
  const url = `http://127.0.0.1:${port}/mcp`;
  const [command = '', ...rest] = echo;
  switch (peer) {
    case 'mcp-proxy':
      return {
        args: ['--port', String(port), '--host', '127.0.0.1', '--server', 'stream', '--', command, ...rest],
        target: { name: peer, url, tool: 'echo' },
      };
    case 'supergateway': {
      const stdio = echo.map((word) => `"${word}"`).join(' ');
      const output = ['--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none'];
      return {
        args: ['--stdio', stdio, ...output, '--port', String(port)],
        target: { name: peer, url, tool: 'echo' },
      };
    }
    case 'mcp-hub': {
      const config = join(folder, 'mcp-hub.json');
      writeFileSync(config, JSON.stringify({ mcpServers: { echo: { command, args: rest } } }));
      return {
        args: ['--port', String(port), '--config', config],
        target: { name: peer, url, tool: 'echo__echo', sse: true },
      };
    }
    default:
      return peer satisfies never;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('expected a port');
  return address.port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
  child.kill('SIGTERM');
  await gone;
  clearTimeout(force);
}
