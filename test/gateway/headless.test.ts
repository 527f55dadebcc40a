import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  connectApp,
  createDataFolder,
  freePort,
  type Headless,
  parseLog,
  readRecord,
  refusalOf,
  root,
  runHeadless,
  signIn,
  startHeadless,
  until,
} from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';

let organisation: Organisation;
let folder: ReturnType<typeof createDataFolder>;
const running: Headless[] = [];

async function start(...args: string[]): Promise<Headless> {
  const headless = await startHeadless(['--data', folder.data, ...args]);
  running.push(headless);
  return headless;
}

beforeAll(async () => {
  organisation = await createOrganisation();
  folder = createDataFolder();
});
afterEach(async () => {
  for (const headless of running.splice(0)) await headless.stop('SIGKILL');
  folder.remove();
  folder = createDataFolder();
});
afterAll(() => {
  organisation.remove();
  folder.remove();
});

describe('when the headless mode is ready', () => {
  it('prints exactly one line of JSON on stdout, and its log as lines of JSON on stderr', async () => {
    const port = await freePort();
    const gatehouse = await start(
      '--port',
      String(port),
      '--org',
      organisation.orgJson,
      '--client',
      'Cursor',
      '--client',
      'Claude Code',
    );
    expect(Object.keys(gatehouse.ready)).toEqual(['ready', 'endpoint', 'console', 'clients', 'policy']);
    expect(gatehouse.ready).toEqual({
      ready: true,
      endpoint: `http://127.0.0.1:${port}/mcp`,
      console: expect.stringMatching(new RegExp(`^http://127\\.0\\.0\\.1:${port}/console/open\\?key=[\\w-]{43}$`)),
      clients: { Cursor: expect.stringMatching(/^gth_/), 'Claude Code': expect.stringMatching(/^gth_/) },
      policy: { org: 'Acme', version: 2 },
    });
    const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients['Claude Code'] ?? '');
    expect(await app.list()).toContain('echo__write');
    expect(await app.call('echo__add', { a: 2, b: 3 })).toEqual({ refused: false, text: '5' });
    await app.close();
    const { stdout, stderr, code } = await gatehouse.stop();
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    for (const line of parseLog(stderr))
      expect(line).toMatchObject({ time: expect.any(String), level: expect.any(String), event: expect.any(String) });
    expect(stderr).not.toContain(gatehouse.ready.clients.Cursor);
  });

  it('says that there is no policy where it has joined nobody, and refuses every call in words', async () => {
    const gatehouse = await start('--client', 'Cursor');
    expect(gatehouse.ready.policy).toBeNull();
    const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients.Cursor ?? '');
    expect(await app.list()).toEqual([]);
    expect(await app.call('echo__add', { a: 1, b: 1 })).toEqual({
      refused: true,
      text: expect.stringContaining('not joined an organisation'),
    });
    await app.close();
  });

  it('takes any name an app can have, even one that objects use themselves', async () => {
    const gatehouse = await start('--client', '__proto__', '--client', 'constructor');
    expect(Object.keys(gatehouse.ready.clients)).toEqual(['__proto__', 'constructor']);
  });
});

describe('when a name is given a token again', () => {
  it('gives a new one and ends the old one', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor', '--client', 'Zed');
    await first.stop();
    const second = await start('--client', 'Cursor');
    const old = first.ready.clients.Cursor ?? '';
    expect(second.ready.clients).toEqual({ Cursor: expect.not.stringMatching(old) });
    await expect(connectApp(second.ready.endpoint, old)).rejects.toThrow(/not valid, or was withdrawn/);
    const app = await connectApp(second.ready.endpoint, first.ready.clients.Zed ?? '');
    expect(await app.call('echo__add', { a: 1, b: 1 })).toEqual({ refused: false, text: '2' });
    await app.close();
  });

  it('keeps every token when one name of several cannot be used', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    await first.stop();
    const refused = await runHeadless({}, '--data', folder.data, '--client', 'Cursor', '--client', '\u200b');
    expect(refused.code).toBe(2);
    expect(refusalOf(refused)).toContain('cannot be used');
    const twice = await runHeadless({}, '--data', folder.data, '--client', 'Cursor', '--client', 'CURSOR');
    expect(twice.code).toBe(2);
    expect(refusalOf(twice)).toContain('expected each app once');
    const second = await start();
    const app = await connectApp(second.ready.endpoint, first.ready.clients.Cursor ?? '');
    await app.close();
  });
});

describe('when it is started again without --org', () => {
  it('keeps policy, tokens and record, even with the repository gone', async () => {
    const own = await createOrganisation({ name: 'Beta' });
    try {
      const first = await start('--org', own.orgJson, '--client', 'Cursor');
      const app = await connectApp(first.ready.endpoint, first.ready.clients.Cursor ?? '');
      await app.call('echo__add', { a: 1, b: 1 });
      await app.close();
      await first.stop();
      rmSync(own.repository, { recursive: true });
      const second = await start();
      expect(second.ready.policy).toEqual(first.ready.policy);
      const again = await connectApp(second.ready.endpoint, first.ready.clients.Cursor ?? '');
      expect(await again.call('echo__add', { a: 2, b: 2 })).toEqual({ refused: false, text: '4' });
      await again.close();
      const person = await signIn(second.ready.console);
      expect(await person.call('activity', {})).toHaveLength(2);
      await until(
        'the page says that the repository is gone',
        () => person.call('status', {}),
        ({ problem }) => problem?.code === 'unreachable',
      );
      await second.stop();
      // A script that always names its org.json still starts, as long as it is the same organisation's.
      const third = await start('--org', own.orgJson);
      expect(third.ready.policy).toEqual(first.ready.policy);
      expect(third.log().some(({ event }) => event === 'enrolment-not-renewed')).toBe(true);
    } finally {
      own.remove();
    }
  });

  it('stays paused, for whoever stopped every tool did not agree to a restart', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    await (await signIn(first.ready.console)).call('pause', { minutes: null });
    await first.stop();
    const second = await start();
    const app = await connectApp(second.ready.endpoint, first.ready.clients.Cursor ?? '');
    expect(await app.call('echo__add', { a: 1, b: 1 })).toEqual({
      refused: true,
      text: expect.stringContaining('paused Gatehouse'),
    });
    const person = await signIn(second.ready.console);
    expect((await person.call('status', {})).state).toBe('paused');
    await person.call('resume', {});
    expect(await app.call('echo__add', { a: 1, b: 1 })).toEqual({ refused: false, text: '2' });
    await app.close();
    await second.stop();
    const third = await start();
    expect((await (await signIn(third.ready.console)).call('status', {})).state).toBe('calm');
  });
});

describe('when a second one is started on the same data folder', () => {
  it('is refused in one sentence and the first goes on', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    const second = await runHeadless({}, '--data', folder.data);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(refusalOf(second)).toMatch(
      /^Another Gatehouse is already writing the record .*audit\.db\. Use that one, or quit it/,
    );
    const app = await connectApp(first.ready.endpoint, first.ready.clients.Cursor ?? '');
    expect(await app.call('echo__add', { a: 1, b: 1 })).toEqual({ refused: false, text: '2' });
    await app.close();
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('when %s stops it', (signal) => {
  it('answers or records what is in flight, answers an open question with no, and exits with 0', async () => {
    const gatehouse = await start('--org', organisation.orgJson, '--client', 'Cursor');
    const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients.Cursor ?? '');
    const person = await signIn(gatehouse.ready.console);
    const short = app.call('echo__slow', { steps: 20, ms: 50 });
    const endless = app.call('echo__hang').catch((error: Error) => ({ refused: true, text: error.message }));
    const asked = app.call('echo__write', { path: 'a', text: 'b' });
    await until(
      'all three are under way',
      () => person.call('activity', {}),
      (calls) => calls.filter(({ status }) => status === 'running').length === 2,
    );
    await until(
      'the question waits',
      () => person.call('questions', {}),
      (questions) => questions.length === 1,
    );
    const ended = gatehouse.stop(signal);
    expect(await asked).toMatchObject({ refused: true });
    expect(await short).toEqual({ refused: false, text: 'done after 20' });
    expect(await endless).toEqual({ refused: true, text: expect.stringContaining('Gatehouse is closing') });
    expect((await ended).code).toBe(0);
    const { bodies, unbroken } = readRecord(folder.data);
    expect(unbroken).toBe(true);
    expect(bodies.find(({ kind }) => kind === 'approval.answered')).toMatchObject({ answer: 'quit' });
    expect(
      bodies
        .filter(({ kind }) => kind === 'call.end')
        .map(({ outcome }) => outcome)
        .sort(),
    ).toEqual(['cancelled', 'ok']);
    await app.close();
  });
});

describe('when it is stopped at a bad moment', () => {
  it('leaves nothing half-done when it is told to stop while it is still starting', async () => {
    for (const ms of [200, 300, 400, 500, 700]) {
      const { code, signal } = await runHeadless(
        { stopAfterMs: ms },
        '--data',
        folder.data,
        '--org',
        organisation.orgJson,
      );
      // Before the program has read its own first line, the system ends it.
      expect(code === 0 || signal === 'SIGTERM').toBe(true);
    }
    const gatehouse = await start('--org', organisation.orgJson);
    expect(gatehouse.ready.policy).toEqual({ org: 'Acme', version: 2 });
    const person = await signIn(gatehouse.ready.console);
    expect(await person.call('verifyRecord', {})).toMatchObject({ ok: true });
  });

  it('outlives whoever read its log', async () => {
    const gatehouse = await start('--org', organisation.orgJson, '--client', 'Cursor');
    gatehouse.child.stderr?.destroy();
    gatehouse.child.stdout?.destroy();
    const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients.Cursor ?? '');
    // Ends a server and has that said in the log nobody reads.
    await app.call('echo__crash').catch(() => undefined);
    const person = await signIn(gatehouse.ready.console);
    expect(await person.call('status', {})).toMatchObject({ organisation: 'Acme' });
    await app.close();
    gatehouse.child.kill('SIGTERM');
    await until(
      'it is gone',
      () => gatehouse.child.exitCode,
      (code) => code === 0,
    );
  });

  it('starts again after a kill in the middle of calls, closes them as interrupted, and its chain holds', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    const app = await connectApp(first.ready.endpoint, first.ready.clients.Cursor ?? '');
    const person = await signIn(first.ready.console);
    const lost = Promise.allSettled([
      app.call('echo__hang'),
      app.call('echo__slow', { steps: 1_000, ms: 50 }),
      app.call('echo__hang'),
    ]);
    await until(
      'three calls run',
      () => person.call('activity', { outcome: 'running' }),
      (calls) => calls.length === 3,
    );
    expect((await first.stop('SIGKILL')).signal).toBe('SIGKILL');
    const second = await start();
    expect(second.ready.policy).toEqual({ org: 'Acme', version: 2 });
    const back = await signIn(second.ready.console);
    const calls = await back.call('activity', {});
    expect(calls.map(({ outcome }) => outcome)).toEqual(['interrupted', 'interrupted', 'interrupted']);
    expect(await back.call('verifyRecord', {})).toMatchObject({ ok: true });
    const again = await connectApp(second.ready.endpoint, first.ready.clients.Cursor ?? '');
    expect(await again.call('echo__add', { a: 1, b: 2 })).toEqual({ refused: false, text: '3' });
    await again.close();
    await app.client.close();
    await lost;
  });
});

describe('when it is started by its npm script', () => {
  const run = promisify(execFile);

  it.runIf(process.platform !== 'win32')(
    'speaks like the program itself, and a signal to npm stops it cleanly before npm ends',
    async () => {
      const words = ['run', '-s', 'headless', '--prefix', root, '--', '--data', folder.data, '--client', 'Cursor'];
      const gatehouse = await startHeadless(words, ['npm']);
      expect(gatehouse.ready.clients).toEqual({ Cursor: expect.stringMatching(/^gth_/) });
      const ended = await gatehouse.stop('SIGTERM');
      expect(ended.stdout.split('\n')).toHaveLength(2);
      expect(ended.code).toBe(0);
      // Nothing is left running: the record can be opened for writing at once.
      readRecord(folder.data);
    },
  );

  it('offers the command line of IT beside it', async () => {
    const { stdout } = await run('npm', ['run', '-s', 'admin', '--prefix', root, '--', '--help'], {
      cwd: join(root, 'test'),
    });
    expect(stdout).toMatch(/^Usage: gatehouse-admin /);
  });
});
