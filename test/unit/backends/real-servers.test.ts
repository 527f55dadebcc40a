import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { Launch } from '../../../main/policy/manifest.ts';
import { backendsFor, call, caller, eventually, http, sse, textOf } from './support.ts';

const require = createRequire(import.meta.url);
const published = (name: string, ...args: string[]): Launch => {
  const root = path.dirname(require.resolve(`@modelcontextprotocol/${name}/package.json`));
  return {
    transport: 'stdio',
    command: process.execPath,
    args: [path.join(root, 'dist', 'index.js'), ...args],
    env: [],
  };
};

let backends: Backends | undefined;
const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'real-')));
afterEach(async () => {
  await backends?.close();
  rmSync(folder, { recursive: true, force: true });
});
const timeoutMs = 15_000;

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** server-everything on a port of its own. */
async function everything(transport: 'stdio' | 'streamableHttp' | 'sse'): Promise<Launch> {
  const launch = published('server-everything', transport);
  if (launch.transport !== 'stdio' || transport === 'stdio') return launch;
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const child = spawn(launch.command, launch.args, { env: { ...process.env, PORT: String(port) }, stdio: 'ignore' });
  stops.push(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const origin = `http://127.0.0.1:${port}`;
  await eventually(() =>
    fetch(origin).then(
      () => true,
      () => false,
    ),
  );
  return transport === 'sse' ? sse(`${origin}/sse`) : http(`${origin}/mcp`);
}

describe('when the servers are published ones', () => {
  it('lists and calls everything, filesystem and memory', async () => {
    writeFileSync(path.join(folder, 'note.txt'), 'written by a test');
    backends = backendsFor({
      everything: published('server-everything'),
      files: published('server-filesystem', folder),
      memory: published('server-memory'),
    });
    const [everything, files, memory] = await Promise.all(
      ['everything', 'files', 'memory'].map((alias) => backends?.open(alias, 'key')),
    );
    if (!everything || !files || !memory) throw new Error('not opened');
    expect((await everything.tools(0)).length).toBeGreaterThanOrEqual(10);
    expect((await files.tools(0)).map((tool) => tool.name)).toContain('read_text_file');
    expect((await memory.tools(0)).map((tool) => tool.name)).toContain('read_graph');
    expect(textOf(await everything.request('tools/call', call('echo', { message: 'hello' }), { timeoutMs }))).toContain(
      'hello',
    );
    const note = await files.request('tools/call', call('read_text_file', { path: path.join(folder, 'note.txt') }), {
      timeoutMs,
    });
    expect(textOf(note)).toBe('written by a test');
    const outside = await files.request('tools/call', call('read_text_file', { path: '/etc/hostname' }), { timeoutMs });
    expect(outside).toMatchObject({ ok: true, result: { isError: true } });
    expect(backends.status().map((status) => [status.alias, status.state, status.era])).toEqual([
      ['everything', 'running', 'legacy'],
      ['files', 'running', 'legacy'],
      ['memory', 'running', 'legacy'],
    ]);
  });
});

describe.each(['stdio', 'streamableHttp', 'sse'] as const)('when server-everything runs over %s', (transport) => {
  it('asks for roots, samples, elicits, waits for tasks of its client, and tells of updates', async () => {
    const task = { taskId: 't-1', status: 'working', ttl: null, createdAt: new Date().toISOString(), pollInterval: 50 };
    const sampled = { role: 'assistant', content: { type: 'text', text: 'a sample' }, model: 'm' };
    const results: Readonly<Record<string, JsonObject>> = {
      'roots/list': { roots: [{ uri: 'file:///work', name: 'work' }] },
      'elicitation/create': { action: 'accept', content: { name: 'Ada', check: true } },
      'tasks/get': { ...task, status: 'completed' },
      'tasks/result': sampled,
    };
    const client = caller(
      ({ method, params }) => ({
        ok: true,
        result: method === 'sampling/createMessage' ? (params.task ? { task } : sampled) : (results[method] ?? {}),
      }),
      {
        roots: { listChanged: true },
        sampling: {},
        elicitation: { form: {}, url: {} },
        tasks: { requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
      },
    );
    backends = backendsFor({ everything: await everything(transport) });
    const session = await backends.open('everything', 'key', undefined, client);
    expect(session.era).toBe('legacy');
    const origin = {};
    const tool = async (name: string, args: JsonObject = {}) =>
      textOf(await session.request('tools/call', call(name, args), { timeoutMs, origin }));
    const asked = (method: string) => client.requests.filter((each) => each.method === method);
    expect(await tool('echo', { message: 'hello' })).toContain('hello');
    // It registers what depends on its client's capabilities a moment after the handshake.
    await eventually(async () =>
      (await session.tools(0)).some(({ name }) => name === 'trigger-sampling-request-async'),
    );
    expect(await tool('trigger-sampling-request', { prompt: 'p', maxTokens: 10 })).toContain('a sample');
    expect(asked('sampling/createMessage')[0]?.origin).toBe(origin);
    await tool('trigger-elicitation-request');
    expect(asked('elicitation/create')[0]?.origin).toBe(origin);
    expect(await tool('trigger-sampling-request-async', { prompt: 'p' })).toContain('a sample');
    expect(asked('tasks/get').length).toBeGreaterThan(0);
    expect(await tool('get-roots-list')).toContain('file:///work');
    expect(await session.list('prompts', 0)).not.toEqual([]);
    expect(await session.list('resourceTemplates', 0)).not.toEqual([]);
    const [resource] = await session.list('resources', 0);
    const uri = String(resource?.uri);
    expect(await session.watch(new Set([uri]))).toEqual(new Map());
    await tool('toggle-subscriber-updates');
    await eventually(() => client.notifications.some(({ method }) => method === 'notifications/resources/updated'));
    await tool('toggle-simulated-logging');
    await eventually(() => client.notifications.some(({ method }) => method === 'notifications/message'));
  });
});
