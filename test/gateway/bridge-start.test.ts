import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDataFolder, freePort, root, startHeadless, until } from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';
import { bareApp, legacyStdioApp } from './support/stdio-apps.ts';

const headless = join(root, 'out/main/headless.js');

let organisation: Organisation;
let folder: ReturnType<typeof createDataFolder>;
let port: number;
let token: string;
const started = new Set<number>();

/** A data folder that is enrolled and knows one app, with nobody running on it. */
beforeAll(async () => {
  organisation = await createOrganisation();
  folder = createDataFolder();
  port = await freePort();
  const first = await startHeadless([
    '--data',
    folder.data,
    '--port',
    String(port),
    '--org',
    organisation.orgJson,
    '--client',
    'An app',
  ]);
  token = first.ready.clients['An app'] ?? '';
  await first.stop();
});
afterEach(() => {
  pids();
  for (const pid of started) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended by itself.
    }
  }
  started.clear();
});
afterAll(() => {
  organisation.remove();
  folder.remove();
});

/** What starts Gatehouse here: writes its process id, so that the test can end it. */
function starter(): readonly string[] {
  const script = join(folder.data, 'start.mjs');
  mkdirSync(folder.data, { recursive: true });
  writeFileSync(
    script,
    `import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(join(folder.data, 'pids'))}, process.pid + '\\n');
if (process.env.GATEHOUSE_TOKEN !== undefined) process.exit(3);
process.argv = [process.argv[0], ${JSON.stringify(headless)}, '--data', ${JSON.stringify(folder.data)}, '--port', '${port}'];
await import(${JSON.stringify(headless)});
`,
  );
  writeFileSync(join(folder.data, 'pids'), '');
  return [process.execPath, script];
}

function pids(): readonly number[] {
  const file = join(folder.data, 'pids');
  const found = (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').filter(Boolean).map(Number);
  for (const pid of found) started.add(pid);
  return found;
}

const endpoint = () => ['--endpoint', `http://127.0.0.1:${port}/mcp`];

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('when Gatehouse is not running', () => {
  it('is started for the app, without the app’s key, and outlives both app and bridge', async () => {
    const app = await legacyStdioApp({ args: [...endpoint(), '--start', ...starter()], token });
    expect((await app.client.listTools()).tools.length).toBeGreaterThan(5);
    expect(app.stderr()).toContain('Gatehouse is not running, so it is started now');
    await app.close();
    const [pid = 0] = pids();
    await until(
      'the bridge ends',
      () => isAlive(app.pid),
      (alive) => !alive,
    );
    expect(isAlive(pid)).toBe(true);
  });

  it('is started again with the next request after it was killed', async () => {
    const before = await startHeadless(['--data', folder.data, '--port', String(port)]);
    const app = await legacyStdioApp({ args: [...endpoint(), '--start', ...starter()], token });
    await app.client.listTools();
    expect(pids()).toEqual([]);
    await before.stop('SIGKILL');
    expect((await app.client.listTools()).tools.length).toBeGreaterThan(5);
    expect(pids()).toHaveLength(1);
    await app.close();
  });

  it('is not started again after a person closed it', async () => {
    const app = await legacyStdioApp({ args: [...endpoint(), '--start', ...starter()], token });
    await app.client.listTools();
    // A stream that is not open yet cannot tell how Gatehouse ended.
    await new Promise((next) => setTimeout(next, 300));
    const [first = 0] = pids();
    process.kill(first, 'SIGTERM');
    await until(
      'it is closed',
      () => isAlive(first),
      (alive) => !alive,
    );
    const waiting = app.client.listTools();
    await new Promise((next) => setTimeout(next, 1_500));
    expect(pids()).toEqual([first]);
    const again = spawn(process.execPath, [headless, '--data', folder.data, '--port', String(port)], {
      stdio: 'ignore',
    });
    started.add(again.pid ?? 0);
    expect((await waiting).tools.length).toBeGreaterThan(5);
    await app.close();
  });

  it('ends with a sentence where what was to start it cannot be run', async () => {
    const app = bareApp({ args: [...endpoint(), '--start', '/nonexistent/gatehouse', '--hidden'], token });
    app.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    expect((await app.answer(1)).error).toMatchObject({ message: expect.stringContaining('Start Gatehouse') });
    expect((await app.ended).code).toBe(1);
    expect(app.stderr()).toContain('Gatehouse could not be started with "/nonexistent/gatehouse"');
  });

  it('says what became of a start that failed', async () => {
    const app = bareApp({ args: [...endpoint(), '--start', process.execPath, '-e', 'process.exit(9)'], token });
    app.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
    await until(
      'it is told',
      () => app.stderr(),
      (text) => text.includes('what was to start Gatehouse ended (code 9)'),
    );
    app.child.stdin?.end();
    expect((await app.ended).code).toBe(0);
  });

  it('is started once by several apps that start at one moment', async () => {
    const command = { args: [...endpoint(), '--start', ...starter()], token };
    const apps = await Promise.all([legacyStdioApp(command), legacyStdioApp(command), legacyStdioApp(command)]);
    for (const app of apps) {
      expect((await app.client.listTools()).tools.length).toBeGreaterThan(5);
      await app.close();
    }
    await until(
      'one is left',
      () => pids().filter(isAlive).length,
      (alive) => alive === 1,
    );
  });
});
