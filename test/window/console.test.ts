import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectApp,
  createDataFolder,
  type Headless,
  type Person,
  signIn,
  startHeadless,
  until,
} from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';

let organisation: Organisation;
let folder: ReturnType<typeof createDataFolder>;
let gatehouse: Headless;
let person: Person;
let base: string;
let port: number;
let token: string;

beforeAll(async () => {
  organisation = await createOrganisation();
  folder = createDataFolder();
  gatehouse = await startHeadless(['--data', folder.data, '--org', organisation.orgJson, '--client', 'Cursor']);
  const link = new URL(gatehouse.ready.console);
  base = `${link.origin}/console/`;
  port = Number(link.port);
  token = gatehouse.ready.clients.Cursor ?? '';
  person = await signIn(gatehouse.ready.console);
});
afterAll(async () => {
  await gatehouse.stop();
  folder.remove();
  organisation.remove();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** A request as any program can write it: no header is forbidden, no path is tidied. */
function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer; signedIn?: boolean } = {},
): Promise<Answer> {
  const { method = 'GET', body, signedIn = true } = options;
  const headers = { ...(signedIn ? person.headers : {}), ...options.headers };
  return new Promise((done, failed) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', failed);
    });
    request.on('error', failed);
    request.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const post = (name: string, body: string | Buffer = '{}', headers: Record<string, string> = json, signedIn = true) =>
  ask(`/console/api/call/${name}`, { method: 'POST', headers, body, signedIn });

describe('when the one-time link is opened', () => {
  it('opens once, and gives a cookie no script and no other site can use', async () => {
    const other = createDataFolder();
    const own = await startHeadless(['--data', other.data]);
    try {
      const wrong = await fetch(`${new URL('/console/open', own.ready.console)}?key=${'A'.repeat(43)}`, {
        redirect: 'manual',
      });
      expect(wrong.status).toBe(401);
      const first = await fetch(own.ready.console, { redirect: 'manual' });
      expect(first.status).toBe(200);
      expect(first.headers.get('referrer-policy')).toBe('no-referrer');
      expect(first.headers.get('cache-control')).toBe('no-store');
      expect(first.headers.get('set-cookie')).toMatch(
        /^gatehouse_console_\d+=[\w-]{43}; Path=\/console\/; HttpOnly; SameSite=Strict$/,
      );
      const again = await fetch(own.ready.console, { redirect: 'manual' });
      expect(again.status).toBe(401);
      expect(await again.json()).toMatchObject({ ok: false, message: expect.stringContaining('one-time link') });
      // The other Gatehouse's cookie, and this one's under its name, open nothing here.
      const value = person.cookie.split('=')[1];
      const name = first.headers.get('set-cookie')?.split('=')[0];
      for (const cookie of [person.cookie, `${name}=${value}`]) {
        const refused = await fetch(new URL('/console/api/call/status', own.ready.console), {
          method: 'POST',
          headers: { ...json, cookie },
          body: '{}',
        });
        expect(refused.status).toBe(401);
      }
    } finally {
      await own.stop();
      other.remove();
    }
  });

  it('gives the page a key of its own, without which the cookie opens no call and no event', async () => {
    // Browsers send a cookie to every port of a host: whoever listens on another one may have it.
    const stolen = { ...json, cookie: person.cookie };
    for (const headers of [stolen, { ...stolen, 'x-gatehouse-page-key': 'A'.repeat(43) }]) {
      const called = await ask('/console/api/call/issueApp', {
        method: 'POST',
        headers,
        body: '{"name":"Thief"}',
        signedIn: false,
      });
      expect(called.status).toBe(401);
      expect((await ask('/console/api/events', { headers, signedIn: false })).status).toBe(401);
    }
    // And no page but the one the link opened carries the key.
    const page = await ask('/console/', { headers: { cookie: person.cookie }, signedIn: false });
    expect(page.status).toBe(200);
    expect(page.text).not.toContain('page-key');
    expect((await person.call('apps', {})).map(({ name }) => name)).toEqual(['Cursor']);
  });

  it('answers HEAD with no cookie and leaves the link unused', async () => {
    const other = createDataFolder();
    const own = await startHeadless(['--data', other.data]);
    try {
      const looked = await fetch(own.ready.console, { method: 'HEAD', redirect: 'manual' });
      expect(looked.status).toBe(401);
      expect(looked.headers.get('set-cookie')).toBeNull();
      await signIn(own.ready.console);
    } finally {
      await own.stop();
      other.remove();
    }
  });
});

describe('when nobody is signed in', () => {
  it.each([
    '/console/',
    '/console/index.html',
    '/console/assets/index.js',
    '/console/api/events',
    '/console/open?key=',
    '/console/api/call/status',
  ])('%s says no in JSON to a script', async (path) => {
    for (const cookie of [
      '',
      'gatehouse_console=x',
      `gatehouse_console_${port}=`,
      `gatehouse_console_${port}=${'A'.repeat(43)}`,
    ]) {
      const answer = await ask(path, { signedIn: false, headers: { cookie } });
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.text)).toMatchObject({ ok: false, code: 'refused' });
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  });

  it('calls are refused', async () => {
    expect((await post('issueApp', '{"name":"Thief"}', json, false)).status).toBe(401);
    expect(
      (await post('issueApp', '{"name":"Thief"}', { ...json, authorization: `Bearer ${token}` }, false)).status,
    ).toBe(401);
    expect((await person.call('apps', {})).map(({ name }) => name)).toEqual(['Cursor']);
  });

  it('a browser is shown a page that says how to get in, alone and without scripts', async () => {
    const answer = await ask('/console/', {
      signedIn: false,
      headers: { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.headers['content-security-policy']).toMatch(
      /^default-src 'none'; img-src data:; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
    });
    expect(answer.text).toContain('<h1>This page needs a new link</h1>');
    expect(answer.text).not.toMatch(/<script|src=|http:/);
  });

  it('a flood of visits makes one link in the log, which opens once, and never takes a waiting link away', async () => {
    const links = () => gatehouse.log().filter(({ event }) => event === 'console-link');
    await Promise.all(Array.from({ length: 50 }, () => ask('/console/', { signedIn: false })));
    const [made, ...more] = links();
    expect(more).toEqual([]);
    const link = String(made?.link);
    await Promise.all(Array.from({ length: 20 }, () => ask('/console/', { signedIn: false })));
    expect(links()).toHaveLength(1);
    await signIn(link);
    expect((await fetch(link, { redirect: 'manual' })).status).toBe(401);
    expect(await person.call('status', {})).toMatchObject({ organisation: 'Acme' });
  });
});

describe('when another web page is behind a request', () => {
  it.each([
    ['a foreign Host', { host: 'evil.example' }],
    ['a re-bound Host with our port', { host: 'evil.example:1' }],
    ['a foreign Origin', { origin: 'https://evil.example' }],
    ['a page of no origin', { origin: 'null' }],
    ['our address under another scheme', { origin: 'https://127.0.0.1' }],
    ['another port of this computer', { origin: 'http://127.0.0.1:1' }],
    ['a fetch from another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
    ['a fetch from another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }],
    [
      'a frame in another port’s page',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    ],
    [
      'a form of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      'POST',
    ],
  ] as [string, Record<string, string>, string?][])('%s is refused, cookie or not', async (_, headers, method) => {
    for (const path of ['/console/', '/console', '/', '/console/api/events', '/console/api/call/status']) {
      const answer = await ask(path, { headers, method: method ?? (path.endsWith('status') ? 'POST' : 'GET') });
      expect(answer.status).toBe(403);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
  });
});

describe('when a call is malformed', () => {
  it.each([
    ['text', 415, 'text/plain'],
    ['a form', 415, 'application/x-www-form-urlencoded'],
    ['something like JSON', 415, 'application/jsonp'],
  ])('%s is refused', async (_, status, type) => {
    expect((await post('status', '{}', { 'content-type': type })).status).toBe(status);
  });

  it('too much is refused in words, whether its length is told or not', async () => {
    const body = Buffer.alloc(1_000_001, ' ');
    const told = await post('status', body);
    expect(told.status).toBe(413);
    expect(JSON.parse(told.text)).toMatchObject({ message: 'Expected at most 1000000 bytes.' });
    const untold = await ask('/console/api/call/status', {
      method: 'POST',
      headers: { ...json, 'transfer-encoding': 'chunked' },
      body,
    });
    expect(untold.status).toBe(413);
  });

  it.each(['{', 'nonsense', '\u0000', '[1', '{"a":}'])('%j is no JSON', async (body) => {
    expect((await post('status', body)).status).toBe(400);
  });

  it('bytes that are no text are refused', async () => {
    expect((await post('issueApp', Buffer.from([0x22, 0xff, 0xfe, 0x22]))).status).toBe(400);
  });

  it.each([
    'nonsense',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'status/',
    '',
    '%5f%5fproto%5f%5f',
    'a'.repeat(5_000),
  ])('"%s" is no call', async (name) => {
    const answer = await post(name);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ ok: false, code: 'unknown-call' });
  });

  it.each([
    ['pause', '{"minutes":0}'],
    ['pause', '{"minutes":1e9}'],
    ['pause', '[]'],
    ['pause', 'null'],
    ['answer', '{"id":"x","digest":"y","answer":"allow-forever"}'],
    ['activity', '{"limit":100000}'],
    ['issueApp', '{"name":{"toString":1}}'],
    ['call', '{"callId":{"$ne":null}}'],
    ['setToolSetEnabled', '{"alias":"echo","enabled":"yes"}'],
  ])('%s %s has wrong arguments', async (name, body) => {
    const answer = await post(name, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ ok: false, code: 'invalid-arguments' });
  });

  it('what does not exist is answered in words, and nothing changes', async () => {
    expect(await person.call('call', { callId: "' OR 1=1 --" })).toBeNull();
    expect(await person.call('setToolSetEnabled', { alias: '__proto__', enabled: false })).toMatchObject({
      ok: false,
      code: 'unknown',
    });
    expect(await person.call('revokeApp', { id: 'constructor' })).toMatchObject({ ok: false });
    expect(await person.call('restoreApp', { id: '__proto__' })).toMatchObject({ ok: false });
    expect(await person.call('answer', { id: 'no', digest: 'no', answer: 'allow-once' })).toMatchObject({
      ok: false,
      code: 'unknown',
    });
    expect(await person.call('activity', { text: "%' OR 1=1 --" })).toEqual([]);
  });
});

describe('when files beside the pages are asked for', () => {
  it.each([
    '/console/../package.json',
    '/console/..%2f..%2fpackage.json',
    '/console/%2e%2e/%2e%2e/package.json',
    '/console/..\\..\\main\\headless.js',
    '/console/..%5c..%5cmain%5cheadless.js',
    '/console/%252e%252e%252fmain%252fheadless.js',
    '/console//etc/passwd',
    '/console/assets/../../main/headless.js',
    '/console/assets/%2e%2e/%2e%2e/main/headless.js',
    '/console/....//....//main/headless.js',
    '/console/index.html%00.js',
    '/console/index.html/x.js',
    '/console/assets',
    `/console/${'a'.repeat(3_000)}.js`,
    '/console/assets/nothing.js',
    '//127.0.0.1/console/../main/headless.js',
    '/mcp/../console/../main/headless.js',
  ])('%s is not there', async (path) => {
    const answer = await ask(path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.text).not.toMatch(/"name": "gatehouse"|createApp|root:x/);
  });

  it('pages carry every header that keeps them ours', async () => {
    for (const path of ['/console/', '/console/index.html']) {
      const { status, headers } = await ask(path);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*/);
    }
  });

  it('HEAD has the headers and no body; other methods are refused', async () => {
    expect(await ask('/console/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'POST'])
      expect((await ask('/console/', { method })).status).toBe(405);
    for (const method of ['GET', 'PUT', 'HEAD'])
      expect([404, 405]).toContain((await ask('/console/api/call/status', { method })).status);
  });
});

describe('when the console’s cookie and an app’s token meet', () => {
  it('neither opens the other’s door', async () => {
    const initialize = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const mcp = await ask('/mcp', {
      method: 'POST',
      headers: { ...json, accept: 'application/json, text/event-stream' },
      body: initialize,
    });
    expect(mcp.status).toBe(401);
    for (const headers of [
      { authorization: `Bearer ${token}` },
      { cookie: `gatehouse_console_${port}=${token}` },
    ] as Record<string, string>[])
      expect((await ask('/console/', { signedIn: false, headers })).status).toBe(401);
    expect((await ask(`/console/open?key=${token}`, { signedIn: false })).status).toBe(401);
  });
});

describe('when pages listen', () => {
  it('events arrive as calls are made, in a stream that ends with Gatehouse', async () => {
    const abort = new AbortController();
    const response = await fetch(`${base}api/events`, { headers: person.headers, signal: abort.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let heard = '';
    const reading = (async () => {
      for await (const chunk of response.body ?? []) heard += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    const app = await connectApp(gatehouse.ready.endpoint, token);
    await app.call('echo__add', { a: 1, b: 1 });
    await until(
      'the call is told',
      () => heard,
      (text) => text.includes('event: changed\ndata: {"what":"activity"}'),
    );
    await app.close();
    abort.abort();
    await reading;
  });

  it('the 33rd stream is refused in words, and closing one makes room', async () => {
    const streams = await Promise.all(
      Array.from({ length: 32 }, async () => {
        const abort = new AbortController();
        const response = await fetch(`${base}api/events`, { headers: person.headers, signal: abort.signal });
        return { abort, status: response.status };
      }),
    );
    const free = streams.filter(({ status }) => status === 200).length;
    expect(free).toBeGreaterThan(30);
    const refused = await ask('/console/api/events');
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ message: expect.stringContaining('Close one') });
    for (const { abort } of streams) abort.abort();
    const again = new AbortController();
    await until(
      'there is room again',
      async () => (await fetch(`${base}api/events`, { headers: person.headers, signal: again.signal })).status,
      (status) => status === 200,
    );
    again.abort();
  });

  it('garbage on the wire does not disturb it', async () => {
    for (const text of [
      'GET /console/ HTTP/1.1\r\n\r\n',
      'GET http://x/console/ HTTP/1.1\r\nHost: x\r\n\r\n',
      '\u0016\u0003\u0001',
      'POST /console/api/call/status HTTP/1.1\r\nContent-Length: 5\r\n\r\n{',
    ]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(text);
      await new Promise((next) => setTimeout(next, 50));
      socket.destroy();
    }
    expect(await person.call('status', {})).toMatchObject({ organisation: 'Acme' });
    expect(gatehouse.log().filter(({ event }) => event === 'request-failed')).toEqual([]);
  });
});

describe('when the link is followed from another page', () => {
  it('opens at once, and leaves neither link nor key in the address', async () => {
    const other = createDataFolder();
    const own = await startHeadless(['--data', other.data]);
    const site = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end(`<a href="${own.ready.console}">open</a>`),
    );
    await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
    const { chromium } = await import('playwright');
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const address = site.address();
      if (typeof address !== 'object' || address === null) throw new Error('expected an address');
      await page.goto(`http://localhost:${address.port}/`);
      await page.getByRole('link').click();
      await page.waitForURL(/\/console\/(#.*)?$/);
      await page.getByRole('heading', { name: 'Welcome to Gatehouse' }).waitFor();
      expect(page.url()).not.toContain('key=');
    } finally {
      await browser.close();
      site.close();
      site.closeAllConnections();
      await own.stop();
      other.remove();
    }
  });
});
