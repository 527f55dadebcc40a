import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../fixtures/headless-process.ts';
import { type BridgeCommand, bareApp, legacyStdioApp } from '../gateway/support/stdio-apps.ts';
import { createLaptop, launch, missing, type Running, root, switches, until } from './gatehouse.ts';

const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(root, 'node_modules/electron/dist');
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'an app', version: '1' } },
};

describe.skipIf(missing !== undefined)('when the app’s own program is started as a bridge', () => {
  const laptop = createLaptop();
  const running: Running[] = [];
  let port: number;
  let token: string;

  /** The desktop program as an AI app's settings name it. `without` takes variables away, as MCP libraries do. */
  const bridge = (args: readonly string[], without: readonly string[] = []): BridgeCommand => ({
    command: [join(dist, 'electron'), ...switches, root, 'bridge'],
    args,
    env: Object.fromEntries(Object.entries(laptop.env).filter(([name]) => !without.includes(name))),
    ...(token !== undefined && { token }),
  });

  async function start(): Promise<Running> {
    const app = await launch(laptop, '--port', String(port));
    running.push(app);
    return app;
  }

  beforeAll(async () => {
    port = await freePort();
  });
  afterEach(async () => {
    for (const app of running.splice(0)) await app.stop();
  });
  afterAll(() => laptop.remove());

  it('touches nothing of the person’s, and leaves nothing behind', async () => {
    const before = leftovers();
    const app = bareApp({ ...bridge(['--no-start']), token: 'gth_none' });
    app.send(initialize);
    await until('it looks for Gatehouse', app.stderr, (text) => text.includes('still waiting for Gatehouse'));
    app.child.kill('SIGTERM');
    expect((await app.ended).code).toBe(0);
    expect(existsSync(laptop.data)).toBe(false);
    expect(leftovers()).toEqual(before);
  });

  it('says what is wrong with its arguments, with an exit code a script can read', async () => {
    const app = bareApp(bridge(['--port', '7']));
    expect((await app.ended).code).toBe(2);
    expect(app.stderr()).toContain("Unknown option '--port'");
    expect(app.messages()).toEqual([]);
  });

  it('lets Gatehouse start beside it, and relays to it without a window of its own', async () => {
    // First the bridge: had it taken the lock, Gatehouse would now end at once.
    const early = bareApp({ ...bridge(['--no-start']), token: 'gth_none' });
    early.send(initialize);
    const gatehouse = await start();
    const page = await gatehouse.mainPage();
    await page.waitForSelector('#root *');
    expect((await early.answer(1)).error).toMatchObject({ message: expect.stringContaining('is not valid') });
    early.child.stdin?.end();
    expect((await early.ended).code).toBe(0);

    const issued = await page.evaluate<{ token: string }>(
      `window.gatehouse.call('issueApp', { name: 'An app that speaks stdio' })`,
    );
    token = issued.token;
    const windows = () => gatehouse.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length);
    const count = await windows();
    const app = await legacyStdioApp(bridge([]));
    expect((await app.client.listTools()).tools).toEqual([]);
    expect(app.stderr()).toContain(`connected to Gatehouse at http://127.0.0.1:${port}/mcp`);
    expect(await windows()).toBe(count);
    await app.close();
  });

  it('starts Gatehouse in the tray when it is not running, at the port it had', async () => {
    const app = await legacyStdioApp(bridge([]));
    expect(app.client.getServerVersion()?.name).toBe('gatehouse');
    expect(app.stderr()).toContain('Gatehouse is not running, so it is started now');
    await app.close();
    // It is still there for the next app.
    const next = bareApp(bridge(['--no-start']));
    next.send(initialize);
    expect((await next.answer(1)).result).toBeDefined();
    next.child.stdin?.end();
    await next.ended;
    const pid = lockedBy(laptop.data);
    if (pid === undefined) throw new Error('expected a lock, found none');
    process.kill(pid, 'SIGTERM');
    await until(
      'it ends',
      () => lockedBy(laptop.data),
      (holder) => holder === undefined,
    );
  });

  it.skipIf(process.platform !== 'linux')('works for apps whose library withholds the screen', async () => {
    await start();
    const told = bareApp(
      bridge(
        ['--endpoint', `http://127.0.0.1:${port}/mcp`],
        ['DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS'],
      ),
    );
    told.send(initialize);
    expect((await told.answer(1)).result).toMatchObject({ protocolVersion: '2025-11-25' });
    told.child.stdin?.end();
    expect((await told.ended).code).toBe(0);
  });
});

const leftovers = () =>
  readdirSync(process.env.TMPDIR ?? '/tmp').filter((name) => name.startsWith('gatehouse-bridge-'));

/** The process that holds the one instance's lock of this data folder. */
function lockedBy(data: string): number | undefined {
  const lock = join(data, 'SingletonLock');
  // Chromium's own: a link to nowhere that says host and process.
  const text = lstatSync(lock, { throwIfNoEntry: false }) === undefined ? '' : readlinkSync(lock);
  const pid = Number(/-(\d+)$/.exec(text)?.[1]);
  return Number.isInteger(pid) ? pid : undefined;
}
