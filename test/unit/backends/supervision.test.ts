import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackendStatus, Backends } from '../../../main/backends/backends.ts';
import { alive, backendsFor, call, eventually, failureOf, fixture, script, server, textOf } from './support.ts';

let backends: Backends;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'backends-'));
});
afterEach(async () => {
  await backends.close();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string) => path.join(folder, name);
async function pidIn(name: string): Promise<number> {
  await eventually(() => existsSync(file(name)) && readFileSync(file(name), 'utf8').trim() !== '');
  return Number(readFileSync(file(name), 'utf8'));
}
const timeoutMs = 10_000;

describe('when sessions are opened', () => {
  it('starts nothing before the first open, and one process for concurrent opens of one key', async () => {
    const seen: BackendStatus[] = [];
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    backends.onStatus((status) => seen.push(status));
    expect(backends.status()).toEqual([{ alias: 'echo', state: 'idle', sessions: 0, restarts: 0 }]);
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => backends.open('echo', 'key')));
    expect(a).toBe(b);
    expect(b).toBe(c);
    expect(await backends.open('echo', 'key')).toBe(a);
    expect(seen.map((status) => status.state)).toEqual(['starting', 'running']);
    expect(backends.status()[0]).toMatchObject({
      state: 'running',
      era: 'legacy',
      protocolVersion: '2025-11-25',
      sessions: 1,
      serverInfo: { name: 'echo-stdio' },
    });
  });

  it('never lets two callers share a session', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    const [one, two] = await Promise.all([backends.open('echo', 'one'), backends.open('echo', 'two')]);
    await one.request('tools/call', call('echo', { message: 'secret-of-one' }), { timeoutMs });
    const seen = textOf(await two.request('tools/call', call('seen'), { timeoutMs }));
    expect(one).not.toBe(two);
    expect(seen).not.toContain('secret-of-one');
    expect(backends.status()[0]?.sessions).toBe(2);
    await backends.release('one');
    expect(backends.status()[0]?.sessions).toBe(1);
    expect(textOf(await two.request('tools/call', call('add', { a: 2, b: 2 }), { timeoutMs }))).toBe('4');
  });

  it('lets one waiting caller give up without harm to the others', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    const gaveUp = failureOf(backends.open('echo', 'key', AbortSignal.abort()));
    const session = await backends.open('echo', 'key');
    expect((await gaveUp).code).toBe('cancelled');
    expect(session.era).toBe('legacy');
  });

  it('closes a session that nobody uses, but not one with a call under way', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') }, { idleMs: 150 });
    const session = await backends.open('echo', 'key');
    expect(textOf(await session.request('tools/call', call('slow', { steps: 5, ms: 100 }), { timeoutMs }))).toBe(
      'done after 5',
    );
    await eventually(() => backends.status()[0]?.state === 'idle');
    expect((await failureOf(session.request('ping', {}, { timeoutMs }))).message).toContain('was not used');
    expect((await backends.open('echo', 'key')) === session).toBe(false);
  });
});

describe('when a backend hangs at its start', () => {
  it('ends it after the limit, blocks no other, and kills even a process that ignores SIGTERM', async () => {
    backends = backendsFor(
      { hang: fixture('hang-stdio.ts', ['--pid', file('pid')]), echo: fixture('echo-stdio.ts') },
      { startTimeoutMs: 1_500 },
    );
    const hanging = failureOf(backends.open('hang', 'key'));
    const echo = await backends.open('echo', 'key');
    expect(textOf(await echo.request('tools/call', call('add', { a: 1, b: 1 }), { timeoutMs }))).toBe('2');
    const pid = await pidIn('pid');
    const failure = await hanging;
    expect(failure.code).toBe('timeout');
    expect(failure.message).toBe(
      'The server "hang" did not start within 1.5 seconds. Its last message: "waiting for nothing".',
    );
    await eventually(() => !alive(pid));
  });
});

describe('when a backend fails again and again', () => {
  it('waits longer each time, refuses meanwhile in words, and forgets after a minute of health', async () => {
    let now = 1_000_000;
    backends = backendsFor({ echo: fixture('echo-stdio.ts') }, { clock: { now: () => now } });
    const crash = async () => {
      const session = await backends.open('echo', 'key');
      expect((await failureOf(session.request('tools/call', call('crash'), { timeoutMs }))).code).toBe('unavailable');
      const { retryAt } = backends.status()[0] ?? {};
      return (retryAt ?? Number.NaN) - now;
    };
    const bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    for (const [index, most] of bounds.entries()) {
      const wait = await crash();
      expect(wait).toBeGreaterThanOrEqual(most * 0.75);
      expect(wait).toBeLessThanOrEqual(most);
      const refused = await failureOf(backends.open('echo', 'key'));
      expect(refused.code).toBe('unavailable');
      expect(refused.message).toMatch(/It can be tried again in about (a second|\d+ seconds)\.$/);
      expect(backends.status()[0]).toMatchObject({ state: 'backing-off', restarts: index });
      now += wait;
    }
    expect(backends.status()[0]?.state).toBe('failed');
    const session = await backends.open('echo', 'key');
    now += 60_000;
    await failureOf(session.request('tools/call', call('crash'), { timeoutMs }));
    expect((backends.status()[0]?.retryAt ?? Number.NaN) - now).toBeLessThanOrEqual(500);
  });

  it('says what cannot be executed', async () => {
    backends = backendsFor({ gone: { transport: 'stdio', command: '/no/such/program', args: [], env: [] } });
    const failure = await failureOf(backends.open('gone', 'key'));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('"/no/such/program" cannot be executed');
    expect(backends.status()[0]).toMatchObject({ state: 'backing-off', sessions: 0 });
  });

  it('refuses an argument that no process can be given', async () => {
    backends = backendsFor({ nul: { transport: 'stdio', command: process.execPath, args: ['a\0b'], env: [] } });
    expect((await failureOf(backends.open('nul', 'key'))).code).toBe('unavailable');
  });
});

describe('when the manifest changes', () => {
  it('goes on with what is unchanged', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    const session = await backends.open('echo', 'key');
    backends.apply([{ ...server('echo', fixture('echo-stdio.ts')), title: 'Another title' }]);
    expect(await backends.open('echo', 'key')).toBe(session);
  });

  it.each([
    [
      'revoked',
      [server('echo', fixture('echo-stdio.ts'), 'revoked')],
      'has withdrawn the server "echo". Ask its owner: tools@example.com.',
    ],
    ['removed', [], 'not among those your organisation approves'],
    ['relaunched', [server('echo', fixture('echo-stdio.ts', ['--other']))], 'changed how the server "echo" is started'],
  ] as const)(
    "rejects what is in flight as 'revoked' when the server is %s, and ends its process",
    async (_, servers, words) => {
      backends = backendsFor({ echo: fixture('echo-stdio.ts', ['--pid', file('pid')]) });
      const session = await backends.open('echo', 'key');
      const pid = await pidIn('pid');
      const inFlight = failureOf(session.request('tools/call', call('hang'), { timeoutMs: 60_000 }));
      backends.apply(servers);
      const failure = await inFlight;
      expect(failure.code).toBe('revoked');
      expect(failure.message).toContain(words);
      expect((await failureOf(session.request('ping', {}, { timeoutMs }))).code).toBe('revoked');
      await eventually(() => !alive(pid));
    },
  );

  it('calls off a start under way', async () => {
    backends = backendsFor({ hang: fixture('hang-stdio.ts', ['--pid', file('pid')]) });
    const opening = failureOf(backends.open('hang', 'key'));
    const pid = await pidIn('pid');
    backends.apply([]);
    expect((await opening).code).toBe('revoked');
    await eventually(() => !alive(pid));
  });

  it('opens nothing that is revoked or unknown', async () => {
    backends = backendsFor({});
    backends.apply([server('old', fixture('echo-stdio.ts'), 'revoked')]);
    expect((await failureOf(backends.open('old', 'key'))).message).toContain('has withdrawn');
    expect((await failureOf(backends.open('never', 'key'))).code).toBe('revoked');
  });
});

describe.skipIf(process.platform === 'win32')('when a server has started others', () => {
  it('ends the grandchild behind a shell too', async () => {
    const { args } = fixture('echo-stdio.ts', ['--pid', file('pid')]) as { args: readonly string[] };
    const line = `sleep 1000 & echo $! > ${file('helper')}; "${process.execPath}" ${args.join(' ')}; true`;
    backends = backendsFor({ wrapped: { transport: 'stdio', command: '/bin/sh', args: ['-c', line], env: [] } });
    await backends.open('wrapped', 'key');
    const pids = [await pidIn('pid'), await pidIn('helper')];
    expect(pids.map(alive)).toEqual([true, true]);
    await backends.close();
    expect(pids.map(alive)).toEqual([false, false]);
  });

  it('ends what a crashed server leaves behind', async () => {
    const { args } = fixture('echo-stdio.ts') as { args: readonly string[] };
    const line = `sleep 1000 & echo $! > ${file('helper')}; exec "${process.execPath}" ${args.join(' ')}`;
    backends = backendsFor({ wrapped: { transport: 'stdio', command: '/bin/sh', args: ['-c', line], env: [] } });
    const session = await backends.open('wrapped', 'key');
    const helper = await pidIn('helper');
    await failureOf(session.request('tools/call', call('crash'), { timeoutMs }));
    await eventually(() => !alive(helper));
  });
});

describe('when a server process is started', () => {
  it('sees the short safe list and the named variables, nothing else of ours', async () => {
    process.env.GATEHOUSE_TEST_SECRET = 'leak';
    process.env.GATEHOUSE_TEST_NAMED = 'given';
    try {
      backends = backendsFor({ echo: fixture('echo-stdio.ts', [], ['GATEHOUSE_TEST_NAMED', 'GATEHOUSE_TEST_UNSET']) });
      const session = await backends.open('echo', 'key');
      const environment: Record<string, string> = JSON.parse(
        textOf(await session.request('tools/call', call('env'), { timeoutMs })),
      );
      const anchors = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
      const safe = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', ...anchors];
      expect(environment.GATEHOUSE_TEST_NAMED).toBe('given');
      expect(Object.keys(environment).filter((name) => !safe.includes(name))).toEqual(['GATEHOUSE_TEST_NAMED']);
    } finally {
      delete process.env.GATEHOUSE_TEST_SECRET;
      delete process.env.GATEHOUSE_TEST_NAMED;
    }
  });

  it('keeps the last 200 lines of a stderr flood, cut and without control characters', async () => {
    const flood = `
      for (let i = 0; i < 5000; i += 1) process.stderr.write('line ' + i + '\\n');
      process.stderr.write('\\u001b[31mred\\u001b[0m \\u202egnp.exe\\u0007\\n' + 'x'.repeat(5_000_000) + '\\nend');
      process.stdin.resume();`;
    backends = backendsFor({ flood: script(flood) }, { startTimeoutMs: 20_000 });
    const opening = failureOf(backends.open('flood', 'key'));
    await eventually(() => backends.stderr('flood').at(-1) === 'end');
    const lines = backends.stderr('flood');
    expect(lines).toHaveLength(200);
    expect(lines.at(-2)).toBe('x'.repeat(2_000));
    expect(lines.at(-3)).toBe('red gnp.exe');
    expect(lines.at(-4)).toBe('line 4999');
    await backends.close();
    expect((await opening).code).toBe('unavailable');
  });
});

describe('when Gatehouse shuts down', () => {
  it('opens nothing more and leaves no process', async () => {
    backends = backendsFor({
      echo: fixture('echo-stdio.ts', ['--pid', file('pid')]),
      hang: fixture('hang-stdio.ts', ['--pid', file('hang')]),
    });
    await backends.open('echo', 'key');
    const opening = failureOf(backends.open('hang', 'key'));
    const pids = [await pidIn('pid'), await pidIn('hang')];
    await backends.close();
    expect(pids.map(alive)).toEqual([false, false]);
    expect((await opening).code).toBe('unavailable');
    expect((await failureOf(backends.open('echo', 'key'))).message).toContain('shutting down');
  });

  it('takes its servers with it even when it ends without closing anything', async () => {
    backends = backendsFor({});
    const support = new URL('./support.ts', import.meta.url).href;
    const code = `
      const { backendsFor, fixture, eventually } = await import(${JSON.stringify(support)});
      const { existsSync } = await import('node:fs');
      const backends = backendsFor({ hang: fixture('hang-stdio.ts', ['--pid', ${JSON.stringify(file('hang'))}]) });
      backends.open('hang', 'key').catch(() => {});
      await eventually(() => existsSync(${JSON.stringify(file('hang'))}));
      process.exit(3);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
    expect((await once(child, 'exit'))[0]).toBe(3);
    const pid = await pidIn('hang');
    await eventually(() => !alive(pid));
  });
});
