import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  connectApp,
  createDataFolder,
  type Ended,
  filesIn,
  type Headless,
  refusalOf,
  runHeadless,
  signIn,
  startHeadless,
  until,
} from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';
import { createClock, createPublisher } from '../unit/trust/publisher.ts';

let organisation: Organisation;
let folder: ReturnType<typeof createDataFolder>;
const running: Headless[] = [];

beforeAll(async () => {
  organisation = await createOrganisation({
    servers: [
      { alias: 'second', argv: [process.execPath, join(import.meta.dirname, '../fixtures/servers/echo-stdio.ts')] },
    ],
  });
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

async function start(...args: string[]): Promise<Headless> {
  const headless = await startHeadless(['--data', folder.data, ...args]);
  running.push(headless);
  return headless;
}

const run = (...args: string[]) => runHeadless({}, '--data', folder.data, ...args);

/** Nothing on stdout, one sentence that a person can act on, and no trace of the program's inside. */
function expectRefused(ended: Ended, code: number, ...says: (string | RegExp)[]): void {
  const message = refusalOf(ended);
  for (const each of says) expect(message).toMatch(each);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).not.toMatch(/node:internal|^\s+at /m);
}

describe('when the command line is wrong', () => {
  it.each([
    [[], /^expected --data DIR, found none\nusage: /],
    [['--data'], /--data/],
    [['--data', ''], /^expected --data DIR, found none/],
    [['--data', 'x', '--port', '70000'], /^expected --port from 0 to 65535, found "70000"/],
    [['--data', 'x', '--port', '-1'], /--port/],
    [['--data', 'x', '--port', 'http'], /found "http"/],
    [['--data', 'x', '--port', ''], /found ""/],
    [['--data', 'x', '--port', '0x50'], /found "0x50"/],
    [['--data', 'x', '--port', '80.5'], /found "80.5"/],
    [['--data', 'x', '--nonsense'], /nonsense/],
    [['--data', 'x', 'stray'], /stray/],
    [['--data', 'x', '--client', ''], /it is empty/],
  ] as [string[], RegExp][])('%j ends with 2 and says how it is used', async (args, says) => {
    expectRefused(await runHeadless({}, ...args), 2, says, 'usage: headless --data DIR');
  });
});

describe('when the enrolment file is wrong', () => {
  const broken = (change: (json: Record<string, unknown>) => void): string => {
    const json = JSON.parse(readFileSync(organisation.orgJson, 'utf8')) as Record<string, unknown>;
    change(json);
    return JSON.stringify(json);
  };
  const cases: readonly [string, () => string, (string | RegExp)[]][] = [
    ['is not JSON', () => '{"schema":1,', ['it is not JSON', 'Ask your IT team']],
    ['is empty', () => '', ['it is not JSON']],
    ['is an array', () => '[]', ['expected object']],
    [
      'has wrong fields',
      () => '{"schema":2,"name":"","repository":"ftp://x","root":{}}',
      ['/schema', '/name', '/repository: expected https:', '/root'],
    ],
    ['has a field too many', () => broken((json) => Object.assign(json, { extra: 1 })), ['extra']],
    [
      'names a repository that is not there',
      () => broken((json) => Object.assign(json, { repository: 'file:///nowhere/at/all/' })),
      ['/nowhere/at/all'],
    ],
    [
      'has a root that was tampered with',
      () => broken((json) => Object.assign((json.root as { signed: object }).signed, { version: 7 })),
      ['not a TUF root signed by its own keys'],
    ],
  ];

  it.each(cases)('that %s, the start is refused and nothing is joined', async (_, text, says) => {
    const file = join(organisation.home, 'broken.json');
    writeFileSync(file, text());
    expectRefused(await run('--org', file), 1, ...says);
    const later = await start();
    expect(later.ready.policy).toBeNull();
  });

  it.each([
    ['is not there', () => join(organisation.home, 'nothing.json'), /nothing\.json cannot be read: ENOENT/],
    ['is a folder', () => organisation.home, /cannot be read: EISDIR/],
  ] as [string, () => string, RegExp][])(
    'that %s, the start is refused before anything is made',
    async (_, path, says) => {
      expectRefused(await run('--org', path()), 1, says, 'Expected the org.json of your organisation');
      expect(() => readFileSync(join(folder.data, 'audit.db'))).toThrow(/ENOENT/);
    },
  );

  it('is never answered by the policy of the organisation joined before', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    await first.stop();
    const file = join(organisation.home, 'other.json');
    writeFileSync(
      file,
      broken((json) => Object.assign(json, { repository: 'file:///nowhere/at/all/' })),
    );
    expectRefused(await run('--org', file), 1, '/nowhere/at/all');
    writeFileSync(file, 'nonsense');
    expectRefused(await run('--org', file), 1, 'it is not JSON');
    const back = await start();
    expect(back.ready.policy).toEqual(first.ready.policy);
  });
});

describe('when a port cannot be had', () => {
  it('says so, and leaves the data folder usable', async () => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
    const { port } = other.address() as AddressInfo;
    expectRefused(
      await run('--port', String(port), '--org', organisation.orgJson, '--client', 'Cursor'),
      1,
      `Port ${port} on this computer is already used by another program`,
    );
    other.close();
    const later = await start('--port', String(port));
    expect(later.ready).toMatchObject({ endpoint: `http://127.0.0.1:${port}/mcp`, policy: { org: 'Acme' } });
  });
});

describe('when the data folder is damaged', () => {
  it('refuses a file in the folder’s place', async () => {
    mkdirSync(dirname(folder.data), { recursive: true });
    writeFileSync(folder.data, 'a letter');
    expectRefused(
      await run(),
      1,
      `cannot use its data folder ${folder.data}`,
      'expected a folder',
      'EEXIST',
      'name another folder with --data',
    );
    expectRefused(await runHeadless({}, '--data', join(folder.data, 'below')), 1, 'ENOTDIR');
    expect(readFileSync(folder.data, 'utf8')).toBe('a letter');
  });

  it.each([
    ['{"apps": [', 'not valid JSON'],
    ['null', 'expected'],
    ['[1,2]', 'expected'],
    ['"text"', 'expected'],
  ])('refuses preferences.json with %s, names it, and leaves it as it is', async (text) => {
    mkdirSync(folder.data, { recursive: true });
    const file = join(folder.data, 'preferences.json');
    writeFileSync(file, text);
    expectRefused(
      await run(),
      1,
      `The settings in ${file} cannot be read: expected a JSON object`,
      'remove it and give each AI app a new token',
    );
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('lets no app in when the list of apps was altered, keeps the old list, and says so', async () => {
    const first = await start('--org', organisation.orgJson, '--client', 'Cursor');
    await first.stop();
    const file = join(folder.data, 'preferences.json');
    const stored = JSON.parse(readFileSync(file, 'utf8')) as { apps: { name: string }[] };
    writeFileSync(
      file,
      JSON.stringify({ apps: [{ ...stored.apps[0], admin: true }], toolSetsOff: 'all', pausedUntil: 'soon' }),
    );
    const second = await start();
    await expect(connectApp(second.ready.endpoint, first.ready.clients.Cursor ?? '')).rejects.toThrow(
      /not valid, or was withdrawn/,
    );
    expect(second.log().find(({ event }) => event === 'apps-unreadable')).toBeDefined();
    // What cannot be understood is taken as "paused": one click resumes.
    expect(await (await signIn(second.ready.console)).call('status', {})).toMatchObject({
      state: 'paused',
      pausedUntil: null,
    });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ appsBroken: [{ admin: true }] });
  });

  const record = async (): Promise<string> => {
    const gatehouse = await start('--org', organisation.orgJson, '--client', 'Cursor');
    const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients.Cursor ?? '');
    for (let n = 0; n < 5; n++) await app.call('echo__add', { a: n, b: 1 });
    await app.close();
    await gatehouse.stop();
    return join(folder.data, 'audit.db');
  };

  it('refuses a record that is no database, and leaves it as it is', async () => {
    mkdirSync(folder.data, { recursive: true });
    const file = join(folder.data, 'audit.db');
    writeFileSync(file, 'this was never a database, however long it goes on. '.repeat(200));
    const before = readFileSync(file, 'latin1');
    expectRefused(await run(), 1, file);
    expect(readFileSync(file, 'latin1')).toBe(before);
  });

  it('refuses a record written by a newer Gatehouse, and leaves it as it is', async () => {
    const file = await record();
    const db = new Database(file);
    db.pragma('user_version = 999');
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
    const before = readFileSync(file, 'latin1');
    expectRefused(await run(), 1, file, /newer/);
    expect(readFileSync(file, 'latin1')).toBe(before);
  });

  it('says which row of the record was changed, and writes nothing after it', async () => {
    const file = await record();
    const db = new Database(file);
    for (const { name } of db
      .prepare<[], { name: string }>("SELECT name FROM sqlite_master WHERE type = 'trigger'")
      .all())
      db.exec(`DROP TRIGGER "${name}"`);
    db.exec(
      `UPDATE rows SET body = replace(body, 'Cursor', 'Cursed') WHERE seq = (SELECT max(seq) FROM rows WHERE body LIKE '%Cursor%')`,
    );
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
    const before = readFileSync(file, 'latin1');
    const ended = await run();
    if (ended.code === 1) expectRefused(ended, 1, file, /row/i);
    expect(ended.code).toBe(1);
    expect(readFileSync(file, 'latin1')).toBe(before);
  });
});

describe('when a signed policy is not valid', () => {
  const damages: readonly [string, Record<string, string>, RegExp][] = [
    [
      'policy.json',
      { policyJson: '{"schema":1,"organisation":7,"approvals":{"timeoutSeconds":1}}' },
      /policy\.json at \/?organisation.*expected/,
    ],
    ['policy.json that is no JSON', { policyJson: 'permit everything' }, /policy\.json/],
    ['manifest.json', { manifestJson: '{"schema":1,"servers":[{"alias":"A B"}]}' }, /manifest\.json at/],
    ['policy.cedar', { policyCedar: 'permit (principal, action, resource' }, /policy\.cedar/],
    [
      'an unknown tool in policy.cedar',
      { policyCedar: 'permit (principal, action == Action::"call:no.such", resource);' },
      /policy\.cedar/,
    ],
  ];

  it.each(damages)('in %s, joining is refused with the place and the version', async (_, sources, says) => {
    const publisher = createPublisher({ ...createClock(), time: Date.now() });
    try {
      publisher.publish({ policyJson: '{"schema":1,"organisation":"Acme","contact":"it@acme.example"}', ...sources });
      const file = join(organisation.home, 'invalid.json');
      writeFileSync(file, publisher.orgJson());
      const ended = await run('--org', file);
      expectRefused(ended, 1, 'is signed but not valid', says);
      expect(
        [...filesIn(folder.data).keys()].filter((path) => path.includes('trust') && path.endsWith('.json')),
      ).toEqual([]);
    } finally {
      publisher.remove();
    }
  });

  it('keeps the last good one in force when a later one is broken, and says so on the page', async () => {
    const publisher = createPublisher({ ...createClock(), time: Date.now() });
    try {
      publisher.publish({ policyJson: '{"schema":1,"organisation":"Acme","contact":"it@acme.example"}' });
      const file = join(organisation.home, 'later.json');
      writeFileSync(file, publisher.orgJson());
      const gatehouse = await start('--org', file);
      const person = await signIn(gatehouse.ready.console);
      publisher.publish({ policyCedar: 'permit (' });
      await until(
        'the broken one is noticed',
        () => person.call('refreshPolicy', {}),
        (done) => !done.ok,
      );
      const status = await person.call('status', {});
      expect(status).toMatchObject({
        policy: gatehouse.ready.policy && { version: gatehouse.ready.policy.version },
        problem: { code: 'invalid-policy' },
      });
      expect(status.problem?.message).toMatch(/policy\.cedar/);
    } finally {
      publisher.remove();
    }
  });
});

describe('when a server’s program does not exist', () => {
  it('refuses its calls in words, shows it on the page, and leaves the others alone', async () => {
    const own = await createOrganisation();
    try {
      const manifest = join(own.dir, 'manifest.json');
      writeFileSync(
        manifest,
        readFileSync(manifest, 'utf8').replaceAll(JSON.stringify(process.execPath), '"/nowhere/program"'),
      );
      await own.publish();
      const gatehouse = await start('--org', own.orgJson, '--client', 'Cursor');
      const app = await connectApp(gatehouse.ready.endpoint, gatehouse.ready.clients.Cursor ?? '');
      const heard = await app.call('echo__add', { a: 1, b: 1 });
      expect(heard.refused).toBe(true);
      expect(heard.text).toMatch(/Echo/);
      await app.close();
      const person = await signIn(gatehouse.ready.console);
      const [set] = await person.call('tools', {});
      expect(set).toMatchObject({ alias: 'echo', lastError: expect.stringContaining('/nowhere/program') });
      expect(await person.call('inspectToolSet', { alias: 'echo' })).toMatchObject({ ok: expect.any(Boolean) });
      const [call] = await person.call('activity', {});
      expect(call).toMatchObject({ status: 'refused', refusal: 'backend-unavailable' });
    } finally {
      own.remove();
    }
  });
});

describe('when the disk says no in the middle of things', () => {
  it('answers the page in words and goes on', async () => {
    const gatehouse = await start('--org', organisation.orgJson, '--client', 'Cursor');
    const person = await signIn(gatehouse.ready.console);
    const file = join(folder.data, 'preferences.json');
    const good = readFileSync(file, 'utf8');
    appendFileSync(file, '}}');
    await expect(person.call('issueApp', { name: 'Zed' })).rejects.toThrow(/preferences\.json/);
    await expect(person.call('setToolSetEnabled', { alias: 'echo', enabled: false })).rejects.toThrow(
      /preferences\.json/,
    );
    expect((await person.call('tools', {})).map(({ enabled }) => enabled)).toEqual([true, true]);
    // A pause holds although it could not be kept.
    expect(await person.call('pause', { minutes: null })).toEqual({ ok: true });
    expect((await person.call('status', {})).state).toBe('paused');
    writeFileSync(file, good);
    expect(await person.call('resume', {})).toEqual({ ok: true });
    expect((await person.call('apps', {})).map(({ name }) => name)).toEqual(['Cursor']);
    expect(await person.call('issueApp', { name: 'Zed' })).toMatchObject({ ok: true });
  });
});
