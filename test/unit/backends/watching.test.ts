import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { BackendSession, Backends, BackendsOptions } from '../../../main/backends/backends.ts';
import type { Launch } from '../../../main/policy/manifest.ts';
import {
  backendsFor,
  type Caller,
  call,
  caller,
  eventually,
  failureOf,
  fixture,
  http,
  jsonOf,
  script,
  sse,
  startFixture,
} from './support.ts';

const timeoutMs = 10_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

async function conformance(): Promise<Launch> {
  const file = path.resolve(import.meta.dirname, '../../fixtures/conformance/everything-server.ts');
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  stops.push(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const [line] = child.stdout ? ((await once(child.stdout, 'data')) as [Buffer]) : [];
  return http((JSON.parse(String(line)) as { url: string }).url);
}

async function talker(mode: 'http' | 'sse'): Promise<Launch> {
  const remote = await startFixture('talker.ts', [mode]);
  stops.push(remote.stop);
  return mode === 'http' ? http(remote.url) : sse(remote.url);
}

const WATCHED = 'test://watched-resource';
const servers: readonly (readonly [string, () => Launch | Promise<Launch>])[] = [
  ['2025-11-25 over stdio', () => fixture('talker.ts', ['stdio'])],
  ['2025-11-25 over HTTP', () => talker('http')],
  ['2025-11-25 over HTTP+SSE', () => talker('sse')],
  ['2026-07-28 over stdio', () => fixture('talker-modern.ts')],
  ['2026-07-28 over HTTP', () => conformance()],
];

async function open(launch: Launch | Promise<Launch>, client: Caller, options: Partial<BackendsOptions> = {}) {
  backends = backendsFor({ server: await launch }, options);
  return backends.open('server', 'key', undefined, client);
}

/** Makes the server announce a change of `uri`; the conformance fixture has a tool for one URI alone. */
async function touch(session: BackendSession, uri: string): Promise<void> {
  const own = session.serverInfo.name === 'conformance-fixture';
  const params = own ? call('test_trigger_resource_update') : call('announce', { uri });
  expect(await session.request('tools/call', params, { timeoutMs })).toMatchObject({ ok: true });
}

const updates = (client: Caller) =>
  client.notifications.filter(({ method }) => method === 'notifications/resources/updated');

describe.each(servers)('when resources are watched on a server of %s', (name, launch) => {
  it('hears of their changes, belonging to no request, until they are watched no more', async () => {
    const client = caller();
    const session = await open(launch(), client);
    expect(await session.watch(new Set([WATCHED, 'test://static-text']))).toEqual(new Map());
    await eventually(async () => {
      await touch(session, WATCHED);
      return updates(client).length > 0;
    });
    expect(updates(client)[0]).toEqual({
      method: 'notifications/resources/updated',
      params: { uri: WATCHED },
      origin: undefined,
    });
    expect(await session.watch(new Set(['test://static-text']))).toEqual(new Map());
    const before = updates(client).length;
    await touch(session, WATCHED);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(updates(client).length).toBe(before);
    expect(await session.watch(new Set())).toEqual(new Map());
  });

  it('hears that its lists changed', async () => {
    const client = caller();
    const session = await open(launch(), client);
    const own = session.serverInfo.name === 'conformance-fixture';
    for (const kind of ['tool', 'prompt', 'resource']) {
      const method = `notifications/${kind}s/list_changed`;
      await eventually(async () => {
        const params = own ? call(`test_trigger_${kind}_change`) : call('announce', { kind: `${kind}s` });
        await session.request('tools/call', params, { timeoutMs });
        return client.notifications.some((each) => each.method === method);
      });
      const heard = client.notifications.find((each) => each.method === method);
      expect(heard?.origin).toBeUndefined();
      expect(heard?.params ?? {}).toEqual({});
    }
    expect(client.notifications.some(({ method }) => method.includes('acknowledged'))).toBe(false);
  });

  it('is not closed for want of use', async () => {
    const session = await open(launch(), caller(), { idleMs: 150 });
    await session.watch(new Set([WATCHED]));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(backends.status()[0]).toMatchObject({ state: 'running', sessions: 1 });
    await session.watch(new Set());
    await eventually(() => backends.status()[0]?.sessions === 0);
    expect(name).toBeTruthy();
  });
});

describe('when the set of watched resources changes', () => {
  const subscribed = async (session: BackendSession) =>
    (jsonOf(await session.request('tools/call', call('subscribed'), { timeoutMs })) as string[]).sort();

  it('asks a 2025 server for what is new and takes back what is not wanted, nothing else', async () => {
    const session = await open(fixture('talker.ts', ['stdio']), caller());
    await Promise.all([
      session.watch(new Set(['a:1', 'b:1'])),
      session.watch(new Set(['b:1', 'c:1'])),
      session.watch(new Set(['c:1', 'd:1', 'e:1'])),
    ]);
    expect(await subscribed(session)).toEqual(['c:1', 'd:1', 'e:1']);
    await session.watch(new Set());
    expect(await subscribed(session)).toEqual([]);
  });

  it("answers a 2025 server's refusals one by one and keeps the rest", async () => {
    const session = await open(fixture('talker.ts', ['stdio']), caller());
    const refused = await session.watch(new Set(['a:1', 'secret:1']));
    expect([...refused.keys()]).toEqual(['secret:1']);
    expect(refused.get('secret:1')).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('no such') },
    });
    expect(await subscribed(session)).toEqual(['a:1']);
  });

  it('refuses by itself where the server reports no updates, and asks it nothing', async () => {
    const session = await open(fixture('echo-stdio.ts'), caller());
    const refused = await session.watch(new Set(['a:1']));
    expect(refused.get('a:1')).toMatchObject({
      ok: false,
      error: { code: -32601, message: 'The server "server" does not report updates of its resources.' },
    });
    const seen = JSON.stringify(await session.request('tools/call', call('seen'), { timeoutMs }));
    expect(seen).not.toContain('subscribe');
  });

  it('watches at most a thousand', async () => {
    const session = await open(fixture('talker.ts', ['stdio']), caller());
    const refused = await session.watch(new Set(Array.from({ length: 1_003 }, (_, n) => `n:${n}`)));
    expect([...refused.keys()]).toEqual(['n:1000', 'n:1001', 'n:1002']);
    expect(await subscribed(session)).toHaveLength(1_000);
  });

  it('rejects when the session is gone', async () => {
    const session = await open(fixture('talker.ts', ['stdio']), caller());
    backends.apply([]);
    expect((await failureOf(session.watch(new Set(['a:1'])))).code).toBe('revoked');
  });
});

describe('when a 2026 server answers a subscription in its own way', () => {
  /** `listen` sees the request's id and its filter, and may `send`. */
  const modern = (listen: string) =>
    script(`
      const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
      const note = (id, method, params) => send({ method, params: { ...params, _meta: { 'io.modelcontextprotocol/subscriptionId': id } } });
      const ack = (id, notifications) => note(id, 'notifications/subscriptions/acknowledged', { notifications });
      let listens = 0;
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, params } = JSON.parse(line);
        if (method === 'server/discover') send({ id, result: { supportedVersions: ['2026-07-28'], capabilities: { resources: { subscribe: true } } } });
        else if (method === 'subscriptions/listen') { listens += 1; const filter = params.notifications; ${listen} }
        else if (method === 'listens') send({ id, result: { listens } });
      });`);

  it('says which it did not take up', async () => {
    const session = await open(modern(`ack(id, { resourceSubscriptions: ['a:1'] });`), caller());
    const refused = await session.watch(new Set(['a:1', 'b:1']));
    expect([...refused.keys()]).toEqual(['b:1']);
  });

  it('gives its refusal for each', async () => {
    const session = await open(modern(`send({ id, error: { code: -32603, message: 'full' } });`), caller());
    expect([...(await session.watch(new Set(['a:1', 'b:1'])))]).toMatchObject([
      ['a:1', { ok: false, error: { code: -32603, message: 'full' } }],
      ['b:1', { ok: false, error: { message: 'full' } }],
    ]);
  });

  it('rejects where it ends the subscription without a word', async () => {
    const session = await open(modern(`send({ id, result: {} });`), caller());
    const watching = failureOf(session.watch(new Set(['a:1'])));
    backends.apply([]);
    expect((await watching).code).toBe('revoked');
  });

  it('subscribes again after it was ended, and tells what comes then', async () => {
    const client = caller();
    const session = await open(
      modern(`ack(id, filter);
        if (listens === 1) setTimeout(() => send({ id, result: {} }), 50);
        else note(id, 'notifications/resources/updated', { uri: 'a:1', again: listens });`),
      client,
    );
    await session.watch(new Set(['a:1']));
    await eventually(() => updates(client).length > 0);
    expect(updates(client)[0]?.params).toEqual({ uri: 'a:1', again: 2 });
  });

  it('hears nothing under an id that was never given, or is over', async () => {
    const client = caller();
    const session = await open(
      modern(`ack(id, filter);
        for (const wrong of [1, id + 1000, 'x', null, {}]) note(wrong, 'notifications/resources/updated', { uri: 'wrong' });
        note(id, 'notifications/resources/updated', { uri: 'right' });`),
      client,
    );
    await session.watch(new Set(['a:1']));
    await session.watch(new Set(['b:1']));
    await eventually(() => updates(client).length === 2);
    expect(updates(client).map(({ params }) => params.uri)).toEqual(['right', 'right']);
  });

  it('opens no second stream for a set that is watched already', async () => {
    const session = await open(modern(`ack(id, filter);`), caller());
    await session.watch(new Set(['a:1', 'b:1']));
    await session.watch(new Set(['b:1', 'a:1']));
    expect(await session.request('listens', {}, { timeoutMs })).toMatchObject({ ok: true, result: { listens: 1 } });
  });

  it('asks for news of tasks as the extension wants it', async () => {
    const client = caller();
    const session = await open(
      modern(`
        const declared = params._meta['io.modelcontextprotocol/clientCapabilities'].extensions?.['io.modelcontextprotocol/tasks'];
        ack(id, declared ? filter : {});
        note(id, 'notifications/tasks', { taskId: filter.taskIds[0], status: 'working' });`),
      client,
    );
    expect(await session.watch(new Set(['a:1']), undefined, new Set(['t-1']))).toEqual(new Map());
    await eventually(() => client.notifications.some(({ method }) => method === 'notifications/tasks'));
    expect(client.notifications.at(-1)?.params).toEqual({ taskId: 't-1', status: 'working' });
  });
});

describe('when a session is lost', () => {
  it('is opened again at the next use, and its client hears of it first', async () => {
    const client = caller();
    const first = await open(fixture('talker.ts', ['stdio']), client);
    expect(client.opened).toEqual([first]);
    await failureOf(first.request('tools/call', call('exit'), { timeoutMs }));
    await eventually(() => backends.status()[0]?.state !== 'backing-off');
    const heard: unknown[] = [];
    const next = await backends.open('server', 'key', undefined, {
      ...caller(),
      onOpen: (session) => heard.push(session),
    });
    expect(heard).toEqual([next]);
    expect(next).not.toBe(first);
  });

  it('is opened again by itself while it watches, so that the client can watch anew', async () => {
    const client = caller();
    const watching: Promise<unknown>[] = [];
    const first = await open(fixture('talker.ts', ['stdio']), {
      ...client,
      onOpen(session) {
        client.opened.push(session);
        watching.push(session.watch(new Set(['a:1'])));
      },
    });
    await Promise.all(watching);
    await failureOf(first.request('tools/call', call('exit'), { timeoutMs }));
    await eventually(() => client.opened.length === 2);
    await Promise.all(watching);
    const second = client.opened[1];
    expect(second).toBe(await backends.open('server', 'key'));
    await second?.request('tools/call', call('announce', { uri: 'a:1' }), { timeoutMs });
    expect(updates(client)).toHaveLength(1);
  });

  it('is opened again ever later where the server loses each session at once', async () => {
    const client = caller();
    let watching: Promise<unknown> = Promise.resolve();
    const launch = await talker('sse');
    const url = launch.transport === 'sse' ? launch.url : '';
    await open(launch, {
      ...client,
      onOpen(session) {
        client.opened.push(session);
        watching = session.watch(new Set(['a:1'])).then(() => fetch(new URL('/drop', url), { method: 'POST' }));
        watching.catch(() => undefined);
      },
    });
    await eventually(() => client.opened.length >= 2);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    // At once, after one second, after two more.
    expect(client.opened.length).toBeLessThanOrEqual(4);
    expect(client.opened.length).toBeGreaterThanOrEqual(3);
  });

  it('is not opened again by itself once it was released, or when nothing was watched', async () => {
    const client = caller();
    const first = await open(fixture('talker.ts', ['stdio']), client);
    await failureOf(first.request('tools/call', call('exit'), { timeoutMs }));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(client.opened).toHaveLength(1);
    const second = await backends.open('server', 'key', undefined, client);
    await second.watch(new Set(['a:1']));
    await failureOf(second.request('tools/call', call('exit'), { timeoutMs }));
    await backends.release('key');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(client.opened).toHaveLength(2);
  });

  it('does not fail with a client whose own onOpen fails', async () => {
    const session = await open(fixture('talker.ts', ['stdio']), {
      ...caller(),
      onOpen: () => {
        throw new Error('mine');
      },
    });
    expect(jsonOf(await session.request('tools/call', call('subscribed'), { timeoutMs }))).toEqual([]);
  });
});
