import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  connectApp,
  createDataFolder,
  freePort,
  type Headless,
  type Person,
  readRecord,
  signIn,
  startHeadless,
  until,
} from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';
import { type BareApp, type BridgeCommand, bareApp, legacyStdioApp, modernStdioApp } from './support/stdio-apps.ts';

const textOf = (result: unknown) =>
  ((result as { content?: readonly { text?: string }[] }).content ?? []).map(({ text }) => text ?? '').join('\n');

let organisation: Organisation;
let folder: ReturnType<typeof createDataFolder>;
let port: number;
let token: string;
let gatehouse: Headless;
let person: Person;
const closing: (() => Promise<unknown>)[] = [];

/** Same folder, same port: what an update or a restart of the computer's Gatehouse is. */
async function start(): Promise<void> {
  const first = token === undefined ? ['--org', organisation.orgJson, '--client', 'An app'] : [];
  gatehouse = await startHeadless(['--data', folder.data, '--port', String(port), ...first]);
  token ??= gatehouse.ready.clients['An app'] ?? '';
  person = await signIn(gatehouse.ready.console);
}

const bridge = (...args: string[]): BridgeCommand => ({
  args: ['--endpoint', `http://127.0.0.1:${port}/mcp`, '--no-start', ...args],
  token,
});

beforeAll(async () => {
  organisation = await createOrganisation();
  folder = createDataFolder();
  port = await freePort();
  await start();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await gatehouse?.stop('SIGKILL');
  organisation.remove();
  folder.remove();
});

describe.each([
  [
    'the previous major of the SDK, with a session',
    async () => {
      const changed: string[] = [];
      const app = await legacyStdioApp(bridge(), (client) => {
        client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changed.push('tools'));
      });
      closing.push(app.close);
      return { ...app, changed, era: 'legacy' };
    },
  ],
  [
    'the current SDK, without one',
    async () => {
      const changed: string[] = [];
      const app = await modernStdioApp(bridge(), (client) => {
        client.setNotificationHandler('notifications/tools/list_changed', () => void changed.push('tools'));
      });
      closing.push(app.close);
      await app.client.listen({ toolsListChanged: true });
      return { ...app, changed, era: 'modern' };
    },
  ],
] as const)('when an app speaks stdio by %s', (_name, open) => {
  const call = (app: Awaited<ReturnType<typeof open>>, name: string, args: Record<string, unknown>, options = {}) =>
    app.era === 'legacy'
      ? (app.client.callTool as (...all: unknown[]) => Promise<unknown>).call(
          app.client,
          { name, arguments: args },
          undefined,
          options,
        )
      : (app.client.callTool as (...all: unknown[]) => Promise<unknown>).call(
          app.client,
          { name, arguments: args },
          options,
        );

  it('lists tools and calls one, as it would over HTTP', async () => {
    const app = await open();
    const over = await connectApp(`http://127.0.0.1:${port}/mcp`, token);
    closing.push(over.close);
    const { tools } = await app.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(await over.list());
    expect(textOf(await call(app, 'echo__add', { a: 2, b: 3 }))).toBe('5');
    expect(app.stderr()).toContain(`connected to Gatehouse at http://127.0.0.1:${port}/mcp`);
  });

  it('hears progress while a call runs', async () => {
    const app = await open();
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    expect(textOf(await call(app, 'echo__slow', { steps: 3, ms: 60 }, { onprogress }))).toBe('done after 3');
    expect(heard).toEqual([1, 2, 3]);
  });

  it('cancels a call, and the record says so', async () => {
    const app = await open();
    const cancel = new AbortController();
    const running = call(app, 'echo__hang', {}, { signal: cancel.signal });
    await until(
      'the call runs',
      () => person.call('activity', { outcome: 'running' }),
      (calls) => calls.length === 1,
    );
    cancel.abort('enough');
    await expect(running).rejects.toThrow();
    await until(
      'the record says it',
      () => person.call('activity', { limit: 1 }),
      ([last]) => last?.tool === 'hang' && last.outcome === 'cancelled',
    );
  });

  it('hears that its tools changed', async () => {
    const app = await open();
    await app.client.listTools();
    // A stream that is not open yet hears nothing.
    await sleep(300);
    const before = app.changed.length;
    await person.call('setToolSetEnabled', { alias: 'echo', enabled: false });
    try {
      await until(
        'the news',
        () => app.changed.length,
        (count) => count > before,
      );
      expect((await app.client.listTools()).tools).toEqual([]);
    } finally {
      await person.call('setToolSetEnabled', { alias: 'echo', enabled: true });
    }
  });

  it('goes on after a restart of Gatehouse as if nothing had been, and is told to look at its tools again', async () => {
    const app = await open();
    expect((await app.client.listTools()).tools).not.toEqual([]);
    await gatehouse.stop();
    const before = app.changed.length;
    // Asked while nobody answers: waited for.
    const list = app.client.listTools();
    const sum = call(app, 'echo__add', { a: 1, b: 1 });
    await sleep(300);
    await start();
    expect((await list).tools).not.toEqual([]);
    expect(textOf(await sum)).toBe('2');
    await until(
      'the news',
      () => app.changed.length,
      (count) => count > before,
    );
    await sleep(300);
    const between = app.changed.length;
    await person.call('setToolSetEnabled', { alias: 'echo', enabled: false });
    await person.call('setToolSetEnabled', { alias: 'echo', enabled: true });
    await until(
      'news of the new Gatehouse',
      () => app.changed.length,
      (count) => count > between,
    );
  });

  it('hears what became of a call when Gatehouse is killed, and goes on with the next', async () => {
    const app = await open();
    const running = call(app, 'echo__hang', {}).then(
      () => 'answered',
      (error: Error) => error.message,
    );
    await until(
      'the call runs',
      () => person.call('activity', { outcome: 'running' }),
      (calls) => calls.length > 0,
    );
    await gatehouse.stop('SIGKILL');
    expect(await running).toContain('It may have been done: check before you try again.');
    const sum = call(app, 'echo__add', { a: 20, b: 2 });
    await start();
    expect(textOf(await sum)).toBe('22');
  });
});

describe('when lines on stdin are not what they should be', () => {
  let app: BareApp;
  const initialize = {
    jsonrpc: '2.0',
    id: 'first',
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bare', version: '1' } },
  };
  beforeAll(() => {
    app = bareApp(bridge());
  });
  afterAll(() => app.child.kill('SIGKILL'));

  it('answers each with an error, and the rest as ever', async () => {
    app.write('hello\n\n   \n{"jsonrpc":"2.0"}\n[1,2\r\n"text"\n');
    app.send({ jsonrpc: '2.0', id: { no: 'id' }, method: 'ping' });
    app.send(initialize);
    const { result } = await app.answer('first');
    expect(result).toMatchObject({ protocolVersion: '2025-11-25' });
    const errors = app.messages().filter(({ id }) => id === null);
    expect(errors.map(({ error }) => (error as { code: number }).code)).toEqual([
      -32700, -32600, -32700, -32600, -32600,
    ]);
  });

  it('relays text in any chunks, whatever its characters', async () => {
    app.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const message = 'ünï¢ödé \u2028 \u{1F600} "quoted" \\n ‮';
    const params = { name: 'echo__echo', arguments: { message } };
    const bytes = Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params })}\r\n`);
    for (let at = 0; at < bytes.length; at += 7) {
      app.child.stdin?.write(bytes.subarray(at, at + 7));
      await new Promise((next) => setImmediate(next));
    }
    expect(textOf((await app.answer(7)).result)).toBe(`${message}\n`);
  });

  it('refuses an id that is still in use, and a batch where there are none', async () => {
    const call = (id: number, name: string) =>
      app.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } });
    call(8, 'echo__hang');
    call(8, 'echo__add');
    expect((await app.answer(8)).error).toMatchObject({ code: -32600 });
    app.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 8 } });
    app.send([
      { jsonrpc: '2.0', id: 9, method: 'ping' },
      { jsonrpc: '2.0', id: 10, method: 'ping' },
    ]);
    expect((await app.answer(9)).error).toMatchObject({ code: -32600 });
    expect((await app.answer(10)).error).toMatchObject({ code: -32600 });
  });

  it('carries megabytes there and back, and what Gatehouse says of more', async () => {
    const ask = (id: number, message: string) =>
      app.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo__echo', arguments: { message } } });
    const large = 'ü'.repeat(500_000);
    ask(20, large);
    expect(textOf((await app.answer(20)).result)).toBe(`${large}\n`);
    ask(21, 'x'.repeat(12 << 20));
    expect(textOf((await app.answer(21)).result)).toContain('was held back');
    ask(22, 'x'.repeat(20 << 20));
    expect((await app.answer(22)).error).toMatchObject({ message: expect.stringContaining('too large') });
    ask(23, 'small');
    expect(textOf((await app.answer(23)).result)).toBe('small\n');
  });

  it('ends when the app closes its stdin, with code 0 and nothing on stdout but messages', async () => {
    app.send({
      jsonrpc: '2.0',
      id: 11,
      method: 'tools/call',
      params: { name: 'echo__slow', arguments: { steps: 3, ms: 100 } },
    });
    app.child.stdin?.end();
    expect(await app.ended).toEqual({ code: 0, signal: null });
    expect(textOf((await app.answer(11)).result)).toBe('done after 3');
    for (const message of app.messages()) expect(message.jsonrpc).toBe('2.0');
  });
});

describe('when the app is gone', () => {
  it('waits at most five seconds for what still runs, closes the session and ends', async () => {
    const app = bareApp(bridge());
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bare', version: '1' } };
    app.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
    await app.answer(1);
    app.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'echo__hang', arguments: {} } });
    await until(
      'the call runs',
      () => person.call('activity', { outcome: 'running' }),
      (calls) => calls.length > 0,
    );
    const began = Date.now();
    app.child.stdin?.end();
    expect((await app.ended).code).toBe(0);
    expect(Date.now() - began).toBeGreaterThan(4_500);
    expect(Date.now() - began).toBeLessThan(8_000);
    await until(
      'the call ends with its session',
      () => person.call('activity', { outcome: 'running' }),
      (calls) => calls.length === 0,
    );
  });

  it('ends at once when it is told to, or when nobody reads its stdout', async () => {
    const told = bareApp(bridge());
    told.send({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: {} });
    await told.answer(1);
    told.child.kill('SIGTERM');
    expect((await told.ended).code).toBe(0);

    const deaf = bareApp(bridge());
    deaf.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    await deaf.answer(1);
    deaf.child.stdout?.destroy();
    deaf.send({ jsonrpc: '2.0', id: 2, method: 'ping' });
    expect((await deaf.ended).code).toBe(0);
  });
});

describe('when the bridge cannot do its work', () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  const keyFile = (mode: number, text = `${token}\n`) => {
    const path = join(home, `key-${mode.toString(8)}-${text.length}`);
    writeFileSync(path, text, { mode });
    return path;
  };

  it.each([
    ['without a key', () => ({ args: ['--no-start'] }), 'This app has no key for Gatehouse'],
    ['with a key on its command line', () => ({ args: ['--token', 'gth_x'] }), 'does not belong on a command line'],
    ['with a file others may read', () => ({ args: ['--token-file', keyFile(0o640)] }), 'chmod 600'],
    [
      'with a file that holds something else',
      () => ({ args: ['--token-file', keyFile(0o600, 'my key')] }),
      'holds no key',
    ],
    [
      'with an address elsewhere',
      () => ({ args: ['--endpoint', 'http://example.com/mcp'], token: 'x' }),
      'on this computer',
    ],
    [
      'with an address that is not plain HTTP',
      () => ({ args: ['--endpoint', 'https://127.0.0.1/'], token: 'x' }),
      'on this computer',
    ],
    ['with an option it does not know', () => ({ args: ['--port', '1'], token: 'x' }), "Unknown option '--port'"],
  ])('does not start %s, and says why', async (_name, command, sentence) => {
    const app = bareApp(command());
    expect((await app.ended).code).toBe(2);
    expect(app.stderr()).toContain(sentence);
    expect(app.messages()).toEqual([]);
  });

  it('reads the key from a file of the person alone', async () => {
    const app = bareApp({ args: [...bridge().args, '--token-file', keyFile(0o600)] });
    app.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    // Without a session there is nothing to ping: but the key was good.
    expect((await app.answer(1)).error).toMatchObject({ message: expect.stringContaining('no session') });
    app.child.stdin?.end();
    expect((await app.ended).code).toBe(0);
  });

  it('hands on what Gatehouse says of a key that is not valid', async () => {
    const app = bareApp({ ...bridge(), token: `gth_${'x'.repeat(43)}` });
    app.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    expect((await app.answer(1)).error).toMatchObject({ message: expect.stringContaining('is not valid') });
    app.child.kill();
    await app.ended;
  });
});

describe('when the app and Gatehouse have parted', () => {
  it('leaves a record whose chain holds', async () => {
    await gatehouse.stop();
    expect(readRecord(folder.data).unbroken).toBe(true);
  });
});
