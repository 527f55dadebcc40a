import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { BackendReply, Backends } from '../../../main/backends/backends.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { backendsFor, call, caller, eventually, fixture, http, jsonOf, textOf } from './support.ts';

const timeoutMs = 10_000;
const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

async function conformance(): Promise<string> {
  const file = path.resolve(import.meta.dirname, '../../fixtures/conformance/everything-server.ts');
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  stops.push(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const [line] = child.stdout ? ((await once(child.stdout, 'data')) as [Buffer]) : [];
  return (JSON.parse(String(line)) as { url: string }).url;
}

const resultOf = (reply: BackendReply): JsonObject => {
  if (!reply.ok) throw new Error(JSON.stringify(reply.error));
  return reply.result;
};

describe('when a 2026 server needs something of the caller', () => {
  it.each(['stdio', 'http'] as const)(
    'hands its input_required on as it is over %s, and sends the answers',
    async (over) => {
      const launch = over === 'stdio' ? fixture('talker-modern.ts') : http(await conformance());
      const tool = over === 'stdio' ? 'ask' : 'test_input_required_result_elicitation';
      backends = backendsFor({ server: launch });
      const session = await backends.open('server', 'key');
      const options = { timeoutMs, clientCapabilities: { elicitation: {}, roots: {}, sampling: {} } };
      const first = resultOf(await session.request('tools/call', call(tool), options));
      expect(first).toMatchObject({ resultType: 'input_required', inputRequests: expect.anything() });
      const refused = await session.request('tools/call', call(tool), { timeoutMs });
      expect(refused).toMatchObject({ ok: false, error: { code: -32021 } });
      if (over === 'stdio') return;
      const [key] = Object.keys(first.inputRequests as JsonObject);
      const inputResponses = { [String(key)]: { action: 'accept', content: { name: 'Ada' } } };
      const again = { ...call(tool), inputResponses, ...(first.requestState && { requestState: first.requestState }) };
      expect(textOf(await session.request('tools/call', again, options))).toContain('Ada');
    },
  );

  it('tells it per request what the caller can do and wants to hear, and nothing of an earlier one', async () => {
    backends = backendsFor({ server: fixture('talker-modern.ts') });
    const client = caller();
    const session = await backends.open('server', 'key', undefined, client);
    const origin = {};
    const clientCapabilities = { sampling: {}, ...TASKS };
    const meta = { 'com.example/kept': [1], 'io.modelcontextprotocol/logLevel': 'debug' };
    const said = jsonOf(
      await session.request('tools/call', { ...call('meta'), _meta: meta }, { timeoutMs, clientCapabilities }),
    );
    expect(said).toMatchObject({ 'io.modelcontextprotocol/clientCapabilities': clientCapabilities });
    await session.request('tools/call', call('log'), { timeoutMs, origin, logLevel: 'warning' });
    await session.request('tools/call', { ...call('log'), _meta: meta }, { timeoutMs, origin });
    const logs = client.notifications.filter(({ method }) => method === 'notifications/message');
    expect(logs).toMatchObject([{ params: { level: 'error', data: { what: 'error' } } }]);
    expect(logs[0]?.origin).toBe(origin);
  });

  it('brings what it says back to the request on whose stream it came', async () => {
    backends = backendsFor({ server: http(await conformance()) });
    const client = caller();
    const session = await backends.open('server', 'key', undefined, client);
    const origins = [{ n: 0 }, { n: 1 }, { n: 2 }];
    const heard: JsonObject[][] = [[], [], []];
    await Promise.all(
      origins.map(async (origin, n) => {
        const options = { timeoutMs, origin, logLevel: 'info', onProgress: (each: JsonObject) => heard[n]?.push(each) };
        await session.request('tools/call', call('test_tool_with_logging'), options);
        await session.request('tools/call', call('test_tool_with_progress'), options);
      }),
    );
    for (const origin of origins) expect(client.notifications.filter((each) => each.origin === origin)).toHaveLength(3);
    expect(heard.map((each) => each.map(({ progress }) => progress))).toEqual(origins.map(() => [0, 50, 100]));
  });

  it('carries a task of the extension from its start to its end', async () => {
    backends = backendsFor({ server: http(await conformance()) }, { idleMs: 300 });
    const session = await backends.open('server', 'key');
    const options = { timeoutMs, clientCapabilities: TASKS };
    const task = resultOf(await session.request('tools/call', call('confirm_delete', { filename: 'a' }), options));
    expect(task).toMatchObject({ resultType: 'task', taskId: expect.any(String) });
    const { taskId = '' } = task;
    let state: JsonObject = {};
    await eventually(async () => {
      state = resultOf(await session.request('tasks/get', { taskId }, options));
      return state.status === 'input_required';
    });
    // A session with a task that goes on is not unused.
    await new Promise((resolve) => setTimeout(resolve, 800));
    const inputResponses = Object.fromEntries(
      Object.keys(state.inputRequests as JsonObject).map((key) => [
        key,
        { action: 'accept', content: { confirm: true } },
      ]),
    );
    expect((await session.request('tasks/update', { taskId, inputResponses }, options)).ok).toBe(true);
    await eventually(async () => {
      state = resultOf(await session.request('tasks/get', { taskId }, options));
      return state.status === 'completed';
    });
    expect(JSON.stringify(state.result)).toContain('deleted');
    const other = resultOf(await session.request('tools/call', call('slow_compute', { seconds: 60 }), options));
    expect((await session.request('tasks/cancel', { taskId: other.taskId ?? '' }, options)).ok).toBe(true);
    await eventually(() => backends.status()[0]?.sessions === 0);
  });
});

describe('when a server on the current SDK is spoken to as of 2025', () => {
  /** Passes everything on but the question for the newer era. */
  async function legacyOnly(target: string): Promise<string> {
    const front = createServer(async (request: IncomingMessage, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (body.includes('server/discover')) {
        response.writeHead(404).end();
        return;
      }
      const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
      const passed = httpRequest(target, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      response.on('close', () => passed.destroy());
      passed.on('error', () => response.destroy());
      passed.end(body === '' ? undefined : body);
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    stops.unshift(async () => {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
    });
    return `http://127.0.0.1:${(front.address() as AddressInfo).port}/mcp`;
  }

  it('asks, comes back to a stream it was sent away from, and reports updates', async () => {
    backends = backendsFor({ server: http(await legacyOnly(await conformance())) });
    const client = caller(({ method }) =>
      method === 'sampling/createMessage'
        ? { ok: true, result: { role: 'assistant', content: { type: 'text', text: 'sampled' }, model: 'm' } }
        : { ok: true, result: { action: 'accept', content: { username: 'ada', email: 'a@example.com' } } },
    );
    const session = await backends.open('server', 'key', undefined, client);
    expect(session).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25' });
    const origin = {};
    const tool = async (name: string, args: JsonObject = {}) =>
      textOf(await session.request('tools/call', call(name, args), { timeoutMs, origin }));
    expect(await tool('test_sampling', { prompt: 'p' })).toContain('sampled');
    expect(await tool('test_elicitation', { message: 'm' })).toContain('accept');
    expect(client.requests.map((each) => each.origin === origin)).toEqual([true, true]);
    // The server ends the stream on purpose; the answer comes on the next one (SEP-1699).
    expect(await tool('test_reconnection')).toContain('completed successfully');
    expect(await session.watch(new Set(['test://watched-resource']))).toEqual(new Map());
    await eventually(async () => {
      await tool('test_trigger_resource_update');
      return client.notifications.some(({ method }) => method === 'notifications/resources/updated');
    });
  });
});
