import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Events } from '../../../main/bridge/events.ts';
import { Lines } from '../../../main/bridge/lines.ts';
import { bridgeArguments, readBridgeOptions } from '../../../main/bridge/options.ts';
import { defaultDataFolder, endpointIn, parseEndpoint, sessionEnvironment } from '../../../main/bridge/place.ts';
import { tokenFromFile } from '../../../main/bridge/token.ts';
import { type Bridged, json, openBridge, openEndpoint, type Script, until } from './stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(script: Script, options = {}): Promise<Bridged> {
  const endpoint = await openEndpoint(script);
  const app = openBridge(endpoint.url, options);
  closing.push(endpoint.close, () => {
    app.stop.abort();
    app.stdout.resume();
    return app.code;
  });
  return app;
}

const cut = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const borders = [0, ...at.map((each) => each % (bytes.length + 1)).sort((one, other) => one - other), bytes.length];
  return borders.slice(1).map((to, index) => bytes.subarray(borders[index], to));
};

describe('when bytes come in chunks of any size', () => {
  it('cuts the same lines out of them, whatever the line ends', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n]/g, ' '));
    const lines = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')));
    fc.assert(
      fc.property(lines, fc.array(fc.nat()), (given, at) => {
        const bytes = Buffer.from(given.map(([text, end]) => text + end).join(''));
        const reader = new Lines(1 << 20, () => expect.unreachable());
        const found = cut(bytes, at).flatMap((chunk) => reader.push(chunk));
        expect(found).toEqual(given.map(([text]) => Buffer.from(text).toString()));
      }),
    );
  });

  it('skips a line that is too long, once told, and reads the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 11, max: 200 }), fc.array(fc.nat()), (length, at) => {
        let told = 0;
        const reader = new Lines(10, () => told++);
        const bytes = Buffer.from(`short\n${'x'.repeat(length)}\nafter\n`);
        expect(cut(bytes, at).flatMap((chunk) => reader.push(chunk))).toEqual(['short', 'after']);
        expect(told).toBe(1);
      }),
    );
  });

  it('reads the same events out of them', () => {
    const data = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .map((text) => text.replaceAll(/[\r\n]/g, ' ').trim() || 'x');
    const event = fc.record({ data: fc.array(data, { minLength: 1, maxLength: 3 }), id: fc.option(fc.uuid()) });
    fc.assert(
      fc.property(fc.array(event), fc.array(fc.nat()), fc.constantFrom('\n', '\r\n'), (given, at, end) => {
        const text = given.flatMap((each) => [
          ': a comment',
          'event: message',
          ...(each.id === null ? [] : [`id: ${each.id}`]),
          ...each.data.map((line) => `data: ${line}`),
          '',
          '',
        ]);
        const events = new Events(1 << 20);
        const found = cut(Buffer.from(text.join(end)), at).flatMap((chunk) => events.push(chunk));
        expect(found).toEqual(given.map((each) => each.data.join('\n')));
        expect(events.lastId).toBe(given.findLast(({ id }) => id !== null)?.id ?? undefined);
      }),
    );
  });
});

describe('when somebody else answers at the address', () => {
  it('puts nothing on stdout but JSON-RPC', async () => {
    const pages = [
      (response: Parameters<Script>[1]) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hi\n'),
      (response: Parameters<Script>[1]) => void response.writeHead(404).end('Not found'),
      (response: Parameters<Script>[1]) => json(response, { hello: 'world', id: 1 }),
      (response: Parameters<Script>[1]) =>
        void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"id":1}\n\ndata: x\n\n'),
      (response: Parameters<Script>[1]) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      // An answer to something that was not asked.
      (response: Parameters<Script>[1]) => json(response, { jsonrpc: '2.0', id: 'other', result: {} }),
    ];
    for (const [id, page] of pages.entries()) {
      const app = await open((_asked, response) => page(response));
      app.send({ jsonrpc: '2.0', id, method: 'tools/call', params: {} });
      expect((await app.answer(id)).error).toMatchObject({ code: -32000 });
      expect(app.messages()).toHaveLength(1);
    }
  });
});

describe('when there is more than is taken', () => {
  it('answers the request beyond the most that may be under way', async () => {
    const waiting: (() => void)[] = [];
    const app = await open(({ json: { id } }, response) => {
      waiting.push(() => json(response, { jsonrpc: '2.0', id, result: {} }));
    });
    app.send(...Array.from({ length: 513 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: {} })));
    expect((await app.answer(512)).error).toMatchObject({
      message: 'Too many requests at once: at most 512 may be under way. Wait until some are answered.',
    });
    await until('all others are asked', () => waiting.length === 512);
    for (const answer of waiting) answer();
    await app.answer(511);
    expect(app.messages().filter(({ result }) => result !== undefined)).toHaveLength(512);
  });

  it('refuses a line that is too long, and reads on', async () => {
    const app = await open(({ json: { id } }, response) => json(response, { jsonrpc: '2.0', id, result: {} }));
    const block = 'x'.repeat(1 << 20);
    for (let sent = 0; sent <= 64; sent++) {
      if (!app.stdin.write(block)) await new Promise((next) => app.stdin.once('drain', next));
    }
    app.stdin.write('\n');
    app.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    await app.answer(1);
    expect(app.messages()[0]).toMatchObject({ id: null, error: { code: -32600 } });
    expect(app.messages()).toHaveLength(2);
  });

  it('waits for an app that does not read, instead of holding everything for it', async () => {
    let written = 0;
    const app = await open(
      (_asked, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const text = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'x', params: { text: 'x'.repeat(1 << 20) } })}\n\n`;
        const more = () => {
          while (written < 200 && !response.destroyed) {
            written++;
            if (!response.write(text)) return void response.once('drain', more);
          }
        };
        more();
      },
      { reads: false },
    );
    app.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} });
    await until('it began', () => written > 3);
    await new Promise((next) => setTimeout(next, 500));
    expect(written).toBeLessThan(60);
    app.stdout.resume();
    await until('it goes on once the app reads', () => written === 200);
  });
});

describe('when a key comes from a file', () => {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-key-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  const key = join(home, 'key');
  const write = (text: string, mode = 0o600) => {
    writeFileSync(key, text);
    chmodSync(key, mode);
  };

  it.each([0o600, 0o400, 0o700])('takes one that is its owner’s alone (%o)', (mode) => {
    write(' gth_abc\n', mode);
    expect(tokenFromFile(key)).toEqual({ ok: true, token: 'gth_abc' });
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o777, 0o610])(
    'refuses one that others can reach (%o)',
    (mode) => {
      write('gth_abc', mode);
      const read = tokenFromFile(key);
      expect(read).toMatchObject({ ok: false, message: expect.stringContaining(`chmod 600 ${key}`) });
      expect(JSON.stringify(read)).not.toContain('gth_abc');
    },
  );

  it('looks at what a link points to, and refuses what is another account’s, no file, or none', () => {
    write('gth_abc', 0o644);
    const link = join(home, 'link');
    symlinkSync(key, link);
    expect(tokenFromFile(link)).toMatchObject({ ok: false });
    write('gth_abc');
    expect(tokenFromFile(link)).toMatchObject({ ok: true });
    const own = process.getuid?.() ?? 0;
    // A file of root is as safe as this account's own.
    if (own !== 0) expect(tokenFromFile(key, own + 1)).toMatchObject({ ok: false });
    expect(tokenFromFile(home)).toMatchObject({ ok: false, message: expect.stringContaining('not a file') });
    expect(tokenFromFile(join(home, 'none'))).toMatchObject({ ok: false });
    write(`gth_${'x'.repeat(5_000)}`);
    expect(tokenFromFile(key)).toMatchObject({ ok: false });
    write('');
    expect(tokenFromFile(key)).toMatchObject({ ok: false });
  });

  it('reads it again when it no longer opens the door', async () => {
    write('gth_old');
    const endpoint = await openEndpoint((asked, response) => {
      if (asked.headers.authorization !== 'Bearer gth_new')
        return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Withdrawn.' } }, 401);
      return json(response, { jsonrpc: '2.0', id: asked.json.id, result: {} });
    });
    const app = openBridge(endpoint.url, { args: ['--token-file', key] });
    closing.push(endpoint.close, () => {
      app.stop.abort();
      return app.code;
    });
    app.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    expect((await app.answer(1)).error).toMatchObject({ message: 'Withdrawn.' });
    write('gth_new');
    app.send({ jsonrpc: '2.0', id: 2, method: 'ping' });
    expect((await app.answer(2)).result).toEqual({});
  });
});

describe('when a command line is read', () => {
  it.each([
    [['bridge'], []],
    [
      ['--no-sandbox', 'bridge', '--profile', 'x'],
      ['--profile', 'x'],
    ],
    [
      ['--ozone-platform=headless', 'bridge', '--start', 'a', 'bridge'],
      ['--start', 'a', 'bridge'],
    ],
  ])('%j starts the bridge', (words, given) => {
    expect(bridgeArguments(words)).toEqual(given);
  });

  it.each([
    [[]],
    [['--hidden']],
    [['--data', 'bridge']],
    [['--org', 'bridge', 'bridge']],
    [['other', 'bridge']],
    [['bridge', 'gatehouse://enrol']],
    [['GATEHOUSE://enrol', 'bridge']],
  ])('%j does not', (words) => {
    expect(bridgeArguments(words)).toBeUndefined();
  });

  it.each([
    ['http://127.0.0.1:7717', 'http://127.0.0.1:7717/mcp'],
    ['http://localhost:1/mcp/x', 'http://localhost:1/mcp/x'],
    ['http://[::1]:80/', 'http://[::1]/mcp'],
  ])('takes %s', (text, url) => {
    expect(String(parseEndpoint(text))).toBe(url);
  });

  it.each([
    'https://127.0.0.1:7717/mcp',
    'http://127.0.0.2:7717/mcp',
    'http://127.0.0.1.example.com/mcp',
    'http://user:pass@127.0.0.1/mcp',
    'http://127.0.0.1/mcp?token=x',
    'file:///etc/passwd',
    '7717',
    '',
  ])('refuses %j as an address', (text) => {
    expect(typeof parseEndpoint(text)).toBe('string');
  });

  it('reads where, which, and how to start', () => {
    expect(
      readBridgeOptions(['--token-file', 'k', '--data', 'd', '--profile', 'p', '--start', 'node', '--x'], '/home'),
    ).toEqual({
      tokenFile: '/home/k',
      data: '/home/d',
      profile: 'p',
      start: ['node', '--x'],
    });
    expect(readBridgeOptions([], '/')).toEqual({ start: 'usual' });
    expect(readBridgeOptions(['--no-start'], '/')).toEqual({ start: 'never' });
    for (const wrong of [
      ['--start'],
      ['--token=x'],
      ['--profile', '../x'],
      ['--endpoint', 'http://127.0.0.1/mcp/x', '--profile', 'y'],
      ['word'],
    ])
      expect(typeof readBridgeOptions(wrong, '/')).toBe('string');
  });

  it('finds the port in the settings, and the usual one where they say nothing', () => {
    const data = mkdtempSync(join(tmpdir(), 'gatehouse-data-'));
    closing.push(() => rmSync(data, { recursive: true }));
    const settings = join(data, 'preferences.json');
    expect(endpointIn(data).href).toBe('http://127.0.0.1:7717/mcp');
    for (const [text, port] of [
      ['{"desktop":{"port":8123}}', 8123],
      ['{"desktop":{"port":"8123"}}', 7717],
      ['{"desktop":{"port":99999}}', 7717],
      ['no JSON', 7717],
    ] as const) {
      writeFileSync(settings, text);
      expect(endpointIn(data).port).toBe(String(port));
    }
  });

  it('knows the data folder of each system', () => {
    expect(defaultDataFolder({ HOME: '/home/a' }, 'linux')).toBe('/home/a/.config/Gatehouse');
    expect(defaultDataFolder({ HOME: '/home/a', XDG_CONFIG_HOME: '/c' }, 'linux')).toBe('/c/Gatehouse');
    expect(defaultDataFolder({ HOME: '/Users/a' }, 'darwin')).toBe('/Users/a/Library/Application Support/Gatehouse');
  });

  it.skipIf(process.platform !== 'linux')('finds the person’s session where the app’s library withheld it', () => {
    const env = sessionEnvironment({ HOME: '/h' }, process.pid);
    // What this very process was started with.
    if (process.env.DISPLAY !== undefined) expect(env.DISPLAY).toBe(process.env.DISPLAY);
    expect(env.PATH).toBeUndefined();
    expect(sessionEnvironment({ LANG: 'own' }, process.pid).LANG).toBe('own');
    expect(sessionEnvironment({ HOME: '/h' }, 2 ** 22 + 1)).toEqual({ HOME: '/h' });
  });
});
