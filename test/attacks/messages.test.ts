import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ask,
  envelope,
  modernPost,
  post,
  refusalOf,
  startSession,
  textOf,
  version,
} from '../gateway/support/callers.ts';
import { fixture, type House, openHouse, permitAll, scriptServer } from '../gateway/support/house.ts';

let house: House;
beforeAll(async () => {
  house = await openHouse({
    servers: {
      files: { launch: fixture('echo-stdio.ts') },
      mirror: { launch: scriptServer(new URL('../gateway/support/mirror-server.ts', import.meta.url)) },
      fresh: { launch: fixture('echo-stdio-modern.ts') },
    },
    cedar: `${permitAll} @id("no-root") forbid (principal, action == Action::"call:files.write", resource) when { context.args has path && context.args.path == "/etc/passwd" };`,
  });
});
afterAll(() => house.close());

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

describe('when headers and body of a modern request disagree', () => {
  const modernHeaders = { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'files__echo' };
  const body = {
    jsonrpc: '2.0',
    id: 9,
    method: 'tools/call',
    params: { name: 'files__write', arguments: {}, _meta: envelope },
  };
  it('refuses another name with 400 and -32020', async () => {
    const answer = await post(house, body, modernHeaders);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ id: 9, error: { code: -32020 } });
  });

  it('refuses another method, another version, and missing headers', async () => {
    const right = { ...modernHeaders, 'mcp-name': 'files__write' };
    const { 'mcp-name': _name, ...noName } = right;
    const { 'mcp-method': _method, ...noMethod } = right;
    const { 'mcp-protocol-version': _version, ...noVersion } = right;
    const wrong = [
      { ...right, 'mcp-method': 'tools/list' },
      { ...right, 'mcp-protocol-version': '2025-11-25' },
      noName,
      noMethod,
      noVersion,
      { ...right, 'mcp-name': '=?base64?####?=' },
    ];
    for (const headers of wrong) {
      const answer = await post(house, body, headers);
      expect([answer.status, (answer.json.error as { code: number }).code]).toEqual([400, -32020]);
    }
  });

  it('takes a name in Base64, as names beyond ASCII need', async () => {
    const encoded = `=?base64?${Buffer.from('files__add').toString('base64')}?=`;
    const params = { name: 'files__add', arguments: { a: 1, b: 2 } };
    const answer = await modernPost(house, 'tools/call', params, { 'mcp-name': encoded });
    expect(textOf(answer.json.result)).toContain('3');
  });

  it('refuses an argument that its header does not repeat', async () => {
    const params = { name: 'fresh__echo', arguments: { message: 'm', region: 'eu' } };
    const missing = await modernPost(house, 'tools/call', params);
    const other = await modernPost(house, 'tools/call', params, { 'mcp-param-region': 'us' });
    for (const answer of [missing, other]) {
      expect([answer.status, (answer.json.error as { code: number }).code]).toEqual([400, -32020]);
    }
    const right = await modernPost(house, 'tools/call', params, { 'mcp-param-region': 'eu' });
    expect(textOf(right.json.result)).toContain('eu');
  });

  it('refuses versions it does not know with -32022 and says which it does', async () => {
    const params = { _meta: { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2030-01-01' } };
    const message = { jsonrpc: '2.0', id: 4, method: 'tools/list', params };
    const answer = await post(house, message, { 'mcp-protocol-version': '2030-01-01', 'mcp-method': 'tools/list' });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({
      id: 4,
      error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2030-01-01' } },
    });
  });

  it('answers methods it does not have with 404 and -32601', async () => {
    for (const method of ['ping', 'initialize', 'logging/setLevel', 'resources/list', 'constructor', '__proto__']) {
      const answer = await modernPost(house, method);
      expect([method, answer.status, (answer.json.error as { code: number }).code]).toEqual([method, 404, -32601]);
    }
  });
});

describe('when a message is not what it should be', () => {
  const garbage = [
    '',
    '{',
    'null',
    '42',
    '"text"',
    '{}',
    '[]',
    '[null]',
    '[[]]',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
  ];
  for (const text of garbage) {
    it(`refuses ${JSON.stringify(text)} with 400`, async () => {
      const session = await startSession(house);
      const answer = await post(house, text, session.headers);
      expect(answer.status).toBe(400);
    });
  }

  it('refuses what is not UTF-8, and what is not JSON by its type', async () => {
    const headers = { authorization: `Bearer ${house.token}`, 'content-type': 'application/json' };
    const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    expect((await fetch(house.endpoint, { method: 'POST', headers, body })).status).toBe(400);
    expect((await post(house, list, { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('does not fall over arguments that nest without end, and says how deep they may', async () => {
    const session = await startSession(house);
    const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const call = (args: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mirror__say","arguments":${args}}}`;
    for (const depth of [199, 100_000]) {
      const answer = await post(house, call(nested(depth)), session.headers);
      expect([answer.status, answer.json]).toMatchObject([
        400,
        { id: 1, error: { code: -32600, message: expect.stringContaining('deeper than 200 levels') } },
      ]);
    }
    expect((await post(house, call(nested(198)), session.headers)).json).toHaveProperty('result');
  });

  it('forwards exactly what was decided where a key stands twice', async () => {
    const session = await startSession(house);
    const twice = (first: string, second: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__write","arguments":{"path":"${first}","path":"${second}","text":""}}}`;
    const denied = await post(house, twice('ok', '/etc/passwd'), session.headers);
    expect(refusalOf(denied.json.result).code).toBe('policy-denied');
    const allowed = await post(house, twice('/etc/passwd', 'ok'), session.headers);
    expect(refusalOf(allowed.json.result)).toEqual({});
    const seen = await ask(house, session, 'tools/call', { name: 'files__seen', arguments: {} });
    expect(seen.text).not.toContain('/etc/passwd');
    const name = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__echo","name":"nothing"}}`;
    expect((await post(house, name, session.headers)).json.error).toMatchObject({ message: 'Unknown tool: nothing' });
  });

  it('treats __proto__ and constructor in arguments as plain names', async () => {
    const session = await startSession(house);
    const args =
      '{"__proto__":{"isError":true,"path":"/etc/passwd"},"constructor":{"prototype":{"polluted":1}},"toString":1}';
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mirror__say","arguments":${args},"__proto__":{"name":"x"}}}`;
    expect((await post(house, text, session.headers)).status).toBe(200);
    const last = await ask(house, session, 'tools/call', { name: 'mirror__last' });
    expect(last.text).toContain(`"arguments":${args}`);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('refuses half a character in arguments, and records a name that holds one', async () => {
    const session = await startSession(house);
    const half =
      '{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"mirror__say","arguments":{"a":"\\ud800"}}}';
    const answer = await post(house, half, session.headers);
    expect(answer.json).toMatchObject({ id: 6, error: { code: -32602 } });
    const rows = house.rows('call.refused').length;
    for (const name of ['\\udfff', `${'x'.repeat(199)}\\ud83d\\ude00`]) {
      const text = half.replace('mirror__say', name);
      expect((await post(house, text, session.headers)).json.error).toMatchObject({ code: -32602 });
    }
    expect(house.rows('call.refused')).toHaveLength(rows + 2);
  });

  it('passes half a character in a result on, and keeps its record', async () => {
    const session = await startSession(house);
    const call = (answer: string) =>
      `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"mirror__half","arguments":{}}}`.replace(
        'half',
        answer,
      );
    const text = await post(house, call('half'), session.headers);
    expect(text.text).toContain('\\ud800');
    const error = await post(house, call('half-error'), session.headers);
    expect(error.json.error).toMatchObject({ code: -1 });
    expect(house.rows('call.end').slice(-2)).toMatchObject([{ outcome: 'ok' }, { outcome: 'backend-error' }]);
  });

  it('refuses an id that is taken by a running call', async () => {
    const session = await startSession(house);
    const slow = { name: 'files__slow', arguments: { steps: 4, ms: 50 } };
    const answers = await Promise.all([1, 2].map(() => ask(house, session, 'tools/call', slow, 'same')));
    const errors = answers.filter((answer) => answer.json.error !== undefined);
    expect(errors).toHaveLength(1);
  });

  it('does not let a cancel of one session reach another', async () => {
    const [one, two] = [await startSession(house), await startSession(house)];
    const running = ask(house, one, 'tools/call', { name: 'files__slow', arguments: { steps: 3, ms: 100 } }, 5);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } };
    expect((await post(house, cancel, two.headers)).status).toBe(202);
    expect(textOf((await running).json.result)).toContain('done');
  });
});

describe('when a batch is used to slip something through', () => {
  it('is refused in every revision that has none', async () => {
    for (const revision of ['2024-11-05', '2025-06-18', '2025-11-25']) {
      const session = await startSession(house, '', revision);
      const answer = await post(house, [list], session.headers);
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.json.error)).toContain('has no batches');
    }
  });

  it('answers each message of one in 2025-03-26, each under the policy', async () => {
    const session = await startSession(house, '', '2025-03-26');
    const call = (id: number, path: string) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'files__write', arguments: { path, text: '' } },
    });
    const answer = await post(house, [call(1, 'ok'), call(2, '/etc/passwd')], session.headers);
    const [ok, denied] = answer.json as unknown as readonly { result: unknown }[];
    expect(refusalOf(ok?.result)).toEqual({});
    expect(refusalOf(denied?.result).code).toBe('policy-denied');
  });

  it('refuses initialize in it, an id twice, a modern message in it, and a flood', async () => {
    const session = await startSession(house, '', '2025-03-26');
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-03-26' } };
    const modern = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: { _meta: envelope } };
    const flood = Array.from({ length: 51 }, (_, id) => ({ ...list, id }));
    for (const batch of [[initialize, list], [list, list], [list, modern], flood]) {
      expect((await post(house, batch, session.headers)).status).toBe(400);
    }
  });
});

describe('when a tool name plays tricks', () => {
  const names = [
    'files__ech\u043e',
    'files__echo\u200b',
    'FILES__ECHO',
    ' files__echo',
    'files__echo ',
    'files.echo',
    'files__echo\u0000',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    '',
    'x'.repeat(1_000_000),
  ];
  for (const name of names) {
    it(`does not know ${JSON.stringify(name.slice(0, 20))}`, async () => {
      const session = await startSession(house);
      const answer = await ask(house, session, 'tools/call', { name, arguments: {} });
      expect(answer.json.error).toMatchObject({ code: -32602 });
      expect(answer.text.length).toBeLessThan(1_000);
    });
  }
});
