import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkOrganisation } from '../../../main/admin/check.ts';
import { initOrganisation } from '../../../main/admin/init.ts';
import { DAY_MS } from '../../../main/admin/metadata.ts';
import { pinServers } from '../../../main/admin/pin.ts';
import { type PublishOptions, publishOrganisation } from '../../../main/admin/publish.ts';
import type { AdminResult } from '../../../main/admin/result.ts';
import { addServer, removeServer } from '../../../main/admin/servers.ts';
import { verifyPublished } from '../../../main/admin/verify-published.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { writeFileAtomically } from '../../../main/trust/files.ts';
import { createClock, createLaptop, quiet, type TestClock } from '../trust/publisher.ts';

const PASSPHRASE = 'correct horse battery';
const ECHO = resolve(import.meta.dirname, '../../fixtures/servers/echo-stdio.ts');

let home: string;
let made: string;
let dir: string;
let clock: TestClock;
let count = 0;

/** Keys are costly on purpose; each test works on a copy of one organisation. */
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'gatehouse-admin-'));
  made = join(home, 'made');
  const result = await initOrganisation({
    dir: made,
    name: 'Acme',
    contact: 'it@acme.example',
    passphrase: PASSPHRASE,
    clock: createClock(),
  });
  expectDone(result);
});
beforeEach(() => {
  clock = createClock();
  count += 1;
  dir = join(home, `org-${count}`);
  cpSync(made, dir, { recursive: true });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function expectDone<T>(result: AdminResult<T>): T {
  if (!result.ok) throw new Error(`${result.code}: ${result.problems.join(' ')}`);
  return result.value;
}

const publish = (more: Partial<PublishOptions> = {}) =>
  publishOrganisation({ dir, passphrase: PASSPHRASE, clock, ...more });
const verify = () => verifyPublished({ repository: join(dir, 'repository'), root: join(dir, 'org.json'), clock });
const edit = (name: string, change: (text: string) => string) =>
  writeFileSync(join(dir, name), change(readFileSync(join(dir, name), 'utf8')));
const addEcho = (alias: string, ...args: string[]) =>
  addServer({ dir, alias, source: { kind: 'command', command: process.execPath, args: [ECHO, ...args] } });
const pin = (...aliases: string[]) =>
  pinServers({ dir, aliases, clock, log: quiet, version: '1', startTimeoutMs: 15_000 });
const manifest = () => JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'));

describe('when an organisation is made', () => {
  it('can be joined at once, and a laptop accepts it', async () => {
    const laptop = createLaptop(clock);
    try {
      await laptop.trust.start();
      expect(await laptop.trust.enrol(readFileSync(join(made, 'org.json'), 'utf8'))).toEqual({
        ok: true,
        changed: true,
      });
      expect(laptop.trust.state().current).toMatchObject({ organisation: 'Acme', version: 1 });
    } finally {
      await laptop.remove();
    }
  });

  it('passes its own check', async () => {
    expect(expectDone(await checkOrganisation(dir))).toMatchObject({ servers: 0, tools: 0 });
  });

  it('refuses a folder that holds something, and leaves it alone', async () => {
    const before = readFileSync(join(dir, 'keys/root.key'), 'utf8');
    const again = await initOrganisation({ dir, name: 'Acme', passphrase: PASSPHRASE, clock });
    expect(again).toMatchObject({ ok: false, code: 'folder-not-empty' });
    expect(readFileSync(join(dir, 'keys/root.key'), 'utf8')).toBe(before);
  });

  it.each([
    ['a short passphrase', { passphrase: 'short' }, 'weak-passphrase'],
    ['an empty name', { name: '  ' }, 'invalid-name'],
    ['a plain http address', { url: 'http://policy.acme.example' }, 'invalid-url'],
    ['a relative address', { url: 'repository' }, 'invalid-url'],
  ])('refuses %s and leaves nothing behind', async (_, wrong, code) => {
    const target = join(home, 'refused');
    const result = await initOrganisation({ dir: target, name: 'Acme', passphrase: PASSPHRASE, clock, ...wrong });
    expect(result).toMatchObject({ ok: false, code });
    expect(existsSync(target)).toBe(false);
    expect(readdirSync(home).filter((name) => name.includes('making'))).toEqual([]);
  });
});

describe('when IT publishes', () => {
  it('signs anew only what changed', async () => {
    expect(expectDone(await publish()).signed).toEqual(['timestamp']);
    edit('policy.json', (text) => text.replace('it@acme.example', 'help@acme.example'));
    expect(expectDone(await publish())).toMatchObject({ version: 2, signed: ['policy', 'snapshot', 'timestamp'] });
    expectDone(await addEcho('echo'));
    expect(expectDone(await publish())).toMatchObject({ version: 3, signed: ['servers', 'snapshot', 'timestamp'] });
    expect(expectDone(await verify())).toMatchObject({ version: 3 });
  });

  it('lives as long as asked, and renews what would end before', async () => {
    expect(expectDone(await publish({ expiresDays: 60 })).expires).toBe(clock.now() + 60 * DAY_MS);
    clock.time += 50 * DAY_MS;
    const later = expectDone(await publish({ expiresDays: 60 }));
    expect(later.expires).toBe(clock.now() + 60 * DAY_MS);
    expect(later.signed).toEqual(['targets', 'policy', 'servers', 'snapshot', 'timestamp']);
  });

  it('renews the root in time, and laptops of the first day follow', async () => {
    const laptop = createLaptop(clock);
    try {
      const enrolment = JSON.parse(readFileSync(join(dir, 'org.json'), 'utf8'));
      enrolment.repository = `file://${join(dir, 'repository')}`;
      await laptop.trust.start();
      expect(await laptop.trust.enrol(JSON.stringify(enrolment))).toMatchObject({ ok: true });
      clock.time += 200 * DAY_MS;
      expect(expectDone(await publish()).signed).toContain('root');
      expect(await laptop.trust.refresh()).toMatchObject({ ok: true });
      clock.time += 300 * DAY_MS;
      expectDone(await publish());
      expect(await laptop.trust.refresh()).toMatchObject({ ok: true });
    } finally {
      await laptop.remove();
    }
  });

  it('works while the root key is kept elsewhere', async () => {
    rmSync(join(dir, 'keys/root.key'));
    edit('policy.json', (text) => text.replace('it@acme.example', 'help@acme.example'));
    expect(expectDone(await publish()).version).toBe(2);
    expectDone(await verify());
  });

  it('writes the same repository elsewhere too', async () => {
    const out = join(home, 'out');
    expectDone(await publish({ out }));
    expectDone(await verifyPublished({ repository: out, root: join(dir, 'org.json'), clock }));
  });

  it.each([
    [
      'a policy.json with an unknown field',
      'policy.json',
      (text: string) => text.replace('{', '{"unknown":1,'),
      /unknown/,
    ],
    [
      'a Cedar rule with a mistake',
      'policy.cedar',
      (text: string) => `${text}\npermit (principal, action == Action::"call:no.tool", resource);`,
      /policy\.cedar/,
    ],
    ['a manifest that is not JSON', 'manifest.json', () => '{', /manifest\.json/],
  ])('refuses %s and leaves the last version in place', async (_, name, spoil, sentence) => {
    edit(name, spoil);
    const refused = await publish();
    if (refused.ok) throw new Error('published');
    expect(refused.problems.join(' ')).toMatch(sentence);
    expect(expectDone(await verify()).version).toBe(1);
  });

  it('names a wrong passphrase', async () => {
    expect(await publish({ passphrase: 'incorrect horse' })).toMatchObject({ ok: false, code: 'wrong-passphrase' });
  });

  it('refuses what is not an organisation', async () => {
    expect(await publish({ dir: home })).toMatchObject({ ok: false, code: 'no-organisation' });
    expect(await publish({ dir: join(home, 'nowhere') })).toMatchObject({ ok: false, code: 'no-organisation' });
  });

  it('refuses to build on a repository that was tampered with', async () => {
    const name = readdirSync(join(dir, 'repository/metadata')).find((file) => file.endsWith('.targets.json')) ?? '';
    edit(join('repository/metadata', name), (text) => text.replace('"terminating": true', '"terminating": false'));
    edit('policy.json', (text) => text.replace('it@acme.example', 'help@acme.example'));
    const result = await publish();
    // The changed part is either not re-used at all or the self-check refuses it; a laptop sees a good version both ways.
    if (result.ok) expectDone(await verify());
    else expect(result.code).toBe('repository');
  });
});

describe('when two publish at once', () => {
  it('lets one through and tells the other to wait', async () => {
    const results = await Promise.all([publish(), publish()]);
    expect(results.map((result) => result.ok).sort()).toEqual([false, true]);
    expect(results.find((result) => !result.ok)).toMatchObject({ code: 'busy' });
    expectDone(await publish());
  });

  it('takes over a lock that a crash left', async () => {
    writeFileSync(join(dir, '.publishing'), `999999999 ${hostname()}`);
    expectDone(await publish());
    expect(existsSync(join(dir, '.publishing'))).toBe(false);
  });

  it('does not break a lock held on another computer', async () => {
    writeFileSync(join(dir, '.publishing'), '1 another-computer');
    expect(await publish()).toMatchObject({
      ok: false,
      code: 'busy',
      problems: [expect.stringContaining('another-computer')],
    });
  });
});

describe('when writing the repository fails in the middle', () => {
  it('leaves the last version complete at every point, and the next try succeeds', async () => {
    edit('policy.json', (text) => text.replace('it@acme.example', 'help@acme.example'));
    const trial = (name: string) => {
      const copy = join(home, `half-${name}`);
      cpSync(dir, copy, { recursive: true });
      return copy;
    };
    const verifyIn = (copy: string) =>
      verifyPublished({ repository: join(copy, 'repository'), root: join(copy, 'org.json'), clock });
    const written: string[] = [];
    const count = (path: string, text: string) => {
      written.push(path);
      writeFileAtomically(path, text);
    };
    expectDone(await publish({ dir: trial('whole'), write: count }));
    expect(written.at(-1)).toMatch(/timestamp\.json$/);
    expect(written.length).toBeGreaterThanOrEqual(4);

    for (const stop of written.keys()) {
      const copy = trial(String(stop));
      let done = 0;
      const fail = (path: string, text: string) => {
        if (done === stop) throw new Error('disk full');
        done += 1;
        writeFileAtomically(path, text);
      };
      const failing = await publish({ dir: copy, write: fail });
      expect(failing).toMatchObject({
        ok: false,
        code: 'unwritable',
        problems: [expect.stringContaining('disk full')],
      });
      expect(expectDone(await verifyIn(copy)).version).toBe(1);
      expect(expectDone(await publish({ dir: copy })).version).toBe(2);
      expect(expectDone(await verifyIn(copy)).version).toBe(2);
    }
  });
});

describe('when servers are added', () => {
  it('writes a registry entry with an exact version and a command without a shell', async () => {
    const added = expectDone(
      await addServer({
        dir,
        source: { kind: 'stdio', text: `'${process.execPath}' "${ECHO}"`, args: ['--x'] },
        alias: 'echo',
      }),
    );
    expect(added.launch).toEqual({ transport: 'stdio', command: process.execPath, args: [ECHO, '--x'], env: [] });
    expect(manifest().servers[0]).toMatchObject({
      alias: 'echo',
      owner: 'it@acme.example',
      state: 'active',
      server: { name: 'local.command/echo', version: '1.0.0' },
    });
  });

  it('takes a remote server, https only', async () => {
    const added = expectDone(await addServer({ dir, source: { kind: 'http', url: 'https://mcp.linear.app/mcp' } }));
    expect(added).toMatchObject({ alias: 'linear', name: 'app.linear.mcp/linear' });
    expect(
      await addServer({ dir, source: { kind: 'http', url: 'http://mcp.linear.app/mcp' }, alias: 'plain' }),
    ).toMatchObject({
      ok: false,
      code: 'invalid-manifest',
    });
    expect(await addServer({ dir, source: { kind: 'http', url: 'nonsense' } })).toMatchObject({
      ok: false,
      code: 'invalid-server',
    });
  });

  it('takes a remote server of the older kind, under the same rule for addresses', async () => {
    const url = 'https://mcp.old.example/sse';
    const added = expectDone(await addServer({ dir, source: { kind: 'sse', url } }));
    expect(added).toMatchObject({ alias: 'old', launch: { transport: 'sse', url } });
    expect(added.notes).toEqual([expect.stringContaining('Streamable HTTP')]);
    expect(manifest().servers[0]).toMatchObject({
      launch: { transport: 'sse', url },
      server: { name: 'example.old.mcp/old', remotes: [{ type: 'sse', url }] },
    });
    for (const [unsafe, code] of [
      ['http://mcp.old.example/sse', 'invalid-manifest'],
      ['https://user:secret@mcp.old.example/sse', 'invalid-manifest'],
      ['file:///etc/passwd', 'invalid-manifest'],
      ['nonsense', 'invalid-server'],
    ] as const) {
      const refused = await addServer({ dir, source: { kind: 'sse', url: unsafe }, alias: 'x' });
      expect(refused, unsafe).toMatchObject({ ok: false, code });
    }
    expect(manifest().servers).toHaveLength(1);
  });

  it.each(['bash -c "echo hi"', '/bin/sh -c x', 'cmd.exe /c x', '"', ''])('refuses the command %s', async (text) => {
    expect(await addServer({ dir, source: { kind: 'stdio', text, args: [] }, alias: 'x' })).toMatchObject({
      ok: false,
    });
    expect(manifest().servers).toEqual([]);
  });

  it.each(['-x', '../x', 'a b', 'file:/etc', 'https://evil.example/x.tgz', 'x;y', '@scope', 'git+ssh://x'])(
    'does not give npm "%s"',
    async (spec) => {
      expect(await addServer({ dir, source: { kind: 'npm', spec, args: [] } })).toMatchObject({
        ok: false,
        code: 'npm',
      });
    },
  );

  it('keeps aliases apart, replaces on request and removes', async () => {
    expectDone(await addEcho('echo'));
    expect(await addEcho('echo')).toMatchObject({ ok: false, code: 'alias-taken' });
    const replaced = expectDone(
      await addServer({ dir, alias: 'echo', replace: true, source: { kind: 'http', url: 'https://echo.example/mcp' } }),
    );
    expect(replaced.replaced).toBe(true);
    expect(removeServer(dir, 'other')).toMatchObject({
      ok: false,
      code: 'unknown-server',
      problems: [expect.stringContaining('echo')],
    });
    expectDone(removeServer(dir, 'echo'));
    expect(manifest().servers).toEqual([]);
  });
});

describe('when servers are pinned', () => {
  it('records whole definitions, the instructions and safe labels', async () => {
    expectDone(await addEcho('echo'));
    const report = expectDone(await pin());
    expect(report.failed).toEqual([]);
    const { tools } = manifest().servers[0];
    expect(tools.echo.definition).toMatchObject({
      'x-unknown': { kept: true },
      _meta: { 'com.example/owner': 'fixtures' },
    });
    expect(tools.echo.sha256).toBe(sha256OfJson(tools.echo.definition));
    expect(tools.echo.labels).toEqual([]);
    expect(tools.add.labels).toEqual(['changes-state']);
    expect(expectDone(await checkOrganisation(dir)).tools).toBe(Object.keys(tools).length);
  });

  it('says what changed, and keeps the labels IT gave', async () => {
    const shown = join(dir, 'tools.json');
    const tool = (description: string) => ({ name: 'look', description, inputSchema: { type: 'object' } });
    writeFileSync(shown, JSON.stringify([tool('Looks.'), { ...tool('Goes.'), name: 'go' }]));
    expectDone(await addEcho('echo', '--tools', shown));
    expect(expectDone(await pin()).pinned[0]).toMatchObject({ added: ['look', 'go'], removed: [], changed: [] });
    edit('manifest.json', (text) => text.replace(/"changes-state"/g, '"private-data"'));

    writeFileSync(shown, JSON.stringify([tool('Looks, and sends everything away.'), { ...tool('New.'), name: 'new' }]));
    const second = expectDone(await pin('echo')).pinned[0];
    expect(second).toMatchObject({ added: ['new'], removed: ['go'] });
    expect(second?.changed).toEqual([{ tool: 'look', changes: expect.stringContaining('sends everything away') }]);
    expect(manifest().servers[0].tools.look.labels).toEqual(['private-data']);
    expect(expectDone(await pin()).pinned[0]).toMatchObject({
      added: [],
      removed: [],
      changed: [],
      instructionsChanged: false,
    });
  });

  it('saves the others when one does not start', async () => {
    expectDone(await addEcho('echo'));
    expectDone(
      await addServer({ dir, alias: 'gone', source: { kind: 'command', command: '/no/such/program', args: [] } }),
    );
    const report = expectDone(await pin());
    expect(report.pinned.map(({ alias }) => alias)).toEqual(['echo']);
    expect(report.failed).toEqual([{ alias: 'gone', message: expect.stringContaining('gone') }]);
    expect(Object.keys(manifest().servers[0].tools).length).toBeGreaterThan(0);
  });

  it('names an unknown alias, and does not start a revoked server', async () => {
    expectDone(await addEcho('echo'));
    expect(await pin('nope')).toMatchObject({ ok: false, code: 'unknown-server' });
    edit('manifest.json', (text) => text.replace('"active"', '"revoked"'));
    expect(await pin('echo')).toMatchObject({ ok: false, code: 'server-failed' });
  });
});

describe('when IT verifies as a laptop would', () => {
  it('refuses a repository under another root', async () => {
    const other = join(home, 'other');
    if (!existsSync(other))
      expectDone(await initOrganisation({ dir: other, name: 'Other', passphrase: PASSPHRASE, clock }));
    const result = await verifyPublished({ repository: join(dir, 'repository'), root: join(other, 'org.json'), clock });
    expect(result).toMatchObject({
      ok: false,
      code: 'repository',
      problems: [expect.stringContaining('bad-signature')],
    });
  });

  it('takes a root.json as well as an org.json, and names what it cannot use', async () => {
    const root = join(dir, 'repository/metadata/1.root.json');
    expectDone(await verifyPublished({ repository: join(dir, 'repository'), root, clock }));
    const policy = join(dir, 'policy.json');
    expect(await verifyPublished({ repository: join(dir, 'repository'), root: policy, clock })).toMatchObject({
      ok: false,
      code: 'unreadable',
    });
    expect(await verifyPublished({ repository: join(home, 'nowhere'), root, clock })).toMatchObject({ ok: false });
  });
});
