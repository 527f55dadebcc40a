import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAudit } from '../../main/audit/store.ts';

const entry = resolve(import.meta.dirname, '../../main/admin/index.ts');
const ECHO = resolve(import.meta.dirname, '../fixtures/servers/echo-stdio.ts');
const EVERYTHING = resolve(
  import.meta.dirname,
  '../../node_modules/@modelcontextprotocol/server-everything/dist/index.js',
);
let home: string;
let org: string;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs gatehouse-admin as a process of its own, without a terminal. */
function admin(
  args: readonly string[],
  env: Record<string, string> = { GATEHOUSE_PASSPHRASE: 'correct horse battery' },
): Promise<Ran> {
  const { GATEHOUSE_PASSPHRASE: _, ...own } = process.env;
  const child: ChildProcess = spawn(process.execPath, [entry, ...args], {
    env: { ...own, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, out, err }));
  });
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'gatehouse-cli-'));
  org = join(home, 'acme');
  const made = await admin(['init', org, '--name', 'Acme']);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toMatch(/compare this fingerprint of its root key first:\n {2}([0-9A-F]{4} ){15}[0-9A-F]{4}\n/);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('when gatehouse-admin is used wrongly', () => {
  it.each([
    [[]],
    [['nonsense']],
    [['init']],
    [['init', 'x']],
    [['init', 'x', '--name']],
    [['publish']],
    [['publish', 'x', '--nonsense']],
    [['publish', 'x', '--expires-days', 'soon']],
    [['publish', 'x', 'y']],
    [['server']],
    [['server', 'nonsense']],
    [['server', 'add', 'x']],
    [['server', 'add', 'x', '--npm', 'a', '--http', 'b']],
    [['server', 'add', 'x', '--http', 'https://a.example', '--', 'argument']],
    [['server', 'add', 'x', '--http', 'https://a.example', '--sse', 'https://a.example/sse']],
    [['server', 'add', 'x', '--sse', 'https://a.example/sse', '--', 'argument']],
    [['server', 'add', 'x', '--sse']],
    [['server', 'remove', 'x']],
    [['policy']],
    [['verify', 'x']],
    [['audit', 'verify']],
  ])('%j ends with 2 and says how it is used', async (args) => {
    const ran = await admin(args);
    expect(ran.code).toBe(2);
    expect(ran.out).toBe('');
    expect(ran.err).toMatch(/help|Usage/);
  });
});

describe('when help is asked for', () => {
  it.each([
    ['init'],
    ['publish'],
    ['verify'],
    ['pin'],
    ['server', 'add'],
    ['server', 'remove'],
    ['policy', 'check'],
    ['audit', 'verify'],
  ])('%s %s explains itself with an example', async (...command) => {
    const ran = await admin([...command.filter((word) => word !== undefined), '--help']);
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('--json');
    expect(ran.out).toContain(`Example:\n  gatehouse-admin ${command.join(' ').trim()} `);
  });
});

describe('when IT goes its way from a server to staff', () => {
  it('adds, pins, checks, publishes and verifies', async () => {
    const added = await admin([
      'server',
      'add',
      org,
      '--stdio',
      `'${process.execPath}' '${ECHO}'`,
      '--alias',
      'echo',
      '--json',
    ]);
    expect(added.code).toBe(0);
    expect(JSON.parse(added.out)).toMatchObject({ ok: true, command: 'server add', alias: 'echo' });
    const pinned = await admin(['pin', org]);
    expect(pinned).toMatchObject({ code: 0, out: expect.stringMatching(/^echo: \d+ tools pinned\n {2}\+ echo\n/) });
    const checked = await admin(['policy', 'check', org]);
    expect(checked).toMatchObject({ code: 0, out: expect.stringMatching(/^Valid: 1 server, \d+ pinned tools\./) });
    const published = await admin(['publish', org, '--json']);
    expect(published.code).toBe(0);
    expect(JSON.parse(published.out)).toMatchObject({
      ok: true,
      version: 2,
      expires: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const verified = await admin(['verify', join(org, 'repository'), '--root', join(org, 'org.json'), '--json']);
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.out)).toMatchObject({
      ok: true,
      version: 2,
      servers: [{ alias: 'echo', state: 'active' }],
    });
  });

  it('pins prompts and resources, prints what there is and publishes it', async () => {
    const all = join(home, 'everything');
    expect((await admin(['init', all, '--name', 'Everything'])).code).toBe(0);
    expect(
      (await admin(['server', 'add', all, '--stdio', `'${process.execPath}' '${EVERYTHING}'`, '--alias', 'ev'])).code,
    ).toBe(0);
    const pinned = await admin(['pin', all]);
    expect(pinned).toMatchObject({ code: 0, err: '' });
    expect(pinned.out).toMatch(/^ev: \d+ tools, \d+ prompts, \d+ resource templates pinned\n/);
    expect(pinned.out).toContain('\n  + prompt simple-prompt\n');
    expect(pinned.out).toContain('\n  + resource template demo://resource/dynamic/text/{resourceId}\n');
    expect(pinned.out).toContain('\n  + its resources, as it shows them\n');
    const again = await admin(['pin', all, '--json']);
    expect(JSON.parse(again.out)).toMatchObject({
      ok: true,
      command: 'pin',
      pinned: [
        {
          alias: 'ev',
          added: [],
          prompts: { added: [], removed: [], changed: [] },
          resourceTemplates: { added: [], removed: [], changed: [] },
          resources: { now: 'as-shown', before: 'as-shown' },
          capabilitiesChanged: '',
        },
      ],
      failed: [],
    });
    const checked = await admin(['policy', 'check', all]);
    expect(checked.out).toMatch(
      /^Valid: 1 server, \d+ pinned tools, \d+ pinned prompts, \d+ pinned resource templates\./,
    );
    expect((await admin(['publish', all])).code).toBe(0);
    const verified = await admin(['verify', join(all, 'repository'), '--root', join(all, 'org.json')]);
    expect(verified.out).toMatch(/\n {2}ev: \d+ tools, \d+ prompts, \d+ resource templates, active\n$/);
    const json = await admin(['verify', join(all, 'repository'), '--root', join(all, 'org.json'), '--json']);
    expect(JSON.parse(json.out).servers).toEqual([
      expect.objectContaining({ alias: 'ev', prompts: expect.any(Number), resources: 'as-shown' }),
    ]);
  });

  it('adds a server of the older kind by its address', async () => {
    const added = await admin(['server', 'add', org, '--sse', 'https://old.example/sse', '--alias', 'old']);
    expect(added).toMatchObject({ code: 0, out: expect.stringContaining('Started as: https://old.example/sse\n') });
    expect((await admin(['server', 'remove', org, 'old'])).code).toBe(0);
  });

  it('verifies over the network', async () => {
    const server = createServer((request, response) => {
      const file = join(org, 'repository', request.url ?? '');
      if (existsSync(file)) response.end(readFileSync(file));
      else response.writeHead(404).end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const verified = await admin(['verify', url, '--root', join(org, 'org.json')]);
      expect(verified).toMatchObject({ code: 0, out: expect.stringContaining('A laptop would accept version') });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('when a record is verified', () => {
  it('accepts an unbroken one and names the row that was changed', async () => {
    const file = join(home, 'audit.db');
    const opened = openAudit({ file, clock: { now: () => Date.now() } });
    if (!opened.ok) throw new Error(opened.message);
    for (const message of ['first', 'second', 'third']) opened.value.writer.append({ kind: 'gateway.paused', message });
    opened.value.close();
    expect(await admin(['audit', 'verify', file])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Unbroken: \d+ rows/),
    });

    const bytes = readFileSync(file);
    bytes.write('sEcond', bytes.indexOf('second'));
    writeFileSync(file, bytes);
    const broken = await admin(['audit', 'verify', file, '--json']);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({
      ok: false,
      code: 'record',
      problems: [expect.stringMatching(/broken at row \d+/)],
    });
  });
});

describe('when a command refuses', () => {
  const refusals: readonly (readonly [string, () => readonly string[], string])[] = [
    ['init over an organisation', () => ['init', org, '--name', 'Acme'], 'folder-not-empty'],
    ['publish of nothing', () => ['publish', join(home, 'nowhere')], 'no-organisation'],
    ['pin of an unknown server', () => ['pin', org, 'nope'], 'unknown-server'],
    ['removal of an unknown server', () => ['server', 'remove', org, 'nope'], 'unknown-server'],
    [
      'verify without a repository',
      () => ['verify', join(home, 'nowhere'), '--root', join(org, 'org.json')],
      'unreadable',
    ],
    ['verify of a record that is not there', () => ['audit', 'verify', join(home, 'no.db')], 'record'],
    ['a package name that is none', () => ['server', 'add', org, '--npm', '../x'], 'npm'],
  ];

  it.each(refusals)('%s ends with 1, in words and in JSON', async (_, args, code) => {
    const words = await admin(args());
    expect(words.code).toBe(1);
    expect(words.out).toBe('');
    expect(words.err).toMatch(/^Refused\.\n {2}\S/);
    const json = await admin([...args(), '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, code, problems: [expect.any(String)] });
  });

  it('asks for a passphrase where there is no terminal by naming the variable', async () => {
    const ran = await admin(['publish', org], {});
    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('GATEHOUSE_PASSPHRASE') });
  });

  it('names a wrong passphrase in one sentence', async () => {
    const ran = await admin(['publish', org], { GATEHOUSE_PASSPHRASE: 'not the one' });
    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('passphrase does not open') });
  });

  it('does not let a mistaken rule out, and says where it is', async () => {
    const cedar = join(org, 'policy.cedar');
    const before = readFileSync(cedar, 'utf8');
    try {
      writeFileSync(
        cedar,
        `${before}\npermit (principal, action == Action::"call:echo.echo", resource) when { context.args.mesage == "x" };\n`,
      );
      const checked = await admin(['policy', 'check', org]);
      expect(checked.code).toBe(1);
      expect(checked.err).toMatch(/policy\.cedar:\d+/);
      expect((await admin(['publish', org])).code).toBe(1);
    } finally {
      writeFileSync(cedar, before);
    }
  });
});
