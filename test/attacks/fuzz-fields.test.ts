import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { Puppet } from '../fixtures/servers/puppet.ts';
import { everything } from '../fixtures/servers/puppet-tools.ts';
import { type House, openHouse } from '../gateway/support/house.ts';
import { exchange, messagesOf, type RawAnswer, request, wrongWith } from './fuzz-wire.ts';

/** Every field of every method that the gateway may look at, holding everything it should not. */

const version = '2026-07-28';
let house: House;
let puppets: readonly Puppet[];
beforeAll(async () => {
  const quiet = {
    ...everything,
    acts: Object.fromEntries(Object.keys(everything.acts ?? {}).map((key) => [key, done])),
  };
  puppets = await Promise.all([
    Puppet.start({ ...quiet, era: 'legacy', transport: 'stdio' }),
    Puppet.start({ ...quiet, era: 'modern', transport: 'http' }),
  ]);
  const [old, fresh] = puppets as readonly [Puppet, Puppet];
  house = await openHouse({ servers: { old: old.approved, fresh: fresh.approved } });
});
afterAll(async () => {
  expect(house.audit.reader.verify().ok).toBe(true);
  expect(house.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  expect(puppets.flatMap(({ complaints }) => complaints)).toEqual([]);
  await house.close();
  await Promise.all(puppets.map((puppet) => puppet.close()));
});

const done = () => ({ resultType: 'complete', content: [], contents: [], messages: [], completion: { values: [] } });

/** A good request of each method, and where in it something else is put. */
const methods: Readonly<Record<string, readonly [params: JsonObject, fields: readonly string[]]>> = {
  initialize: [
    { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
    [
      '',
      'protocolVersion',
      'capabilities',
      'capabilities.elicitation',
      'capabilities.elicitation.url',
      'capabilities.sampling',
      'capabilities.roots',
      'capabilities.tasks',
      'capabilities.tasks.requests',
      'capabilities.extensions',
      'clientInfo',
      'clientInfo.name',
      '_meta',
    ],
  ],
  ping: [{}, ['', '_meta', '_meta.progressToken']],
  'server/discover': [{}, ['']],
  'tools/list': [{}, ['', 'cursor', '_meta']],
  'prompts/list': [{}, ['cursor']],
  'resources/list': [{}, ['cursor']],
  'resources/templates/list': [{}, ['cursor']],
  'tools/call': [
    { name: 'old__count', arguments: {} },
    [
      '',
      'name',
      'arguments',
      'arguments.a',
      'task',
      'task.ttl',
      '_meta',
      '_meta.progressToken',
      '_meta.x',
      'requestState',
      'inputResponses',
      'inputResponses.a',
      'x-beside',
    ],
  ],
  'prompts/get': [
    { name: 'fresh__greet', arguments: { who: 'Ada' } },
    ['name', 'arguments', 'arguments.who', 'arguments.other', 'requestState', 'inputResponses'],
  ],
  'resources/read': [{ uri: 'old+note://1' }, ['uri', '_meta', 'requestState']],
  'resources/subscribe': [{ uri: 'old+note://1' }, ['uri']],
  'resources/unsubscribe': [{ uri: 'old+note://1' }, ['uri']],
  'completion/complete': [
    { ref: { type: 'ref/prompt', name: 'old__greet' }, argument: { name: 'a', value: 'b' } },
    [
      'ref',
      'ref.type',
      'ref.name',
      'ref.uri',
      'argument',
      'argument.name',
      'argument.value',
      'context',
      'context.arguments',
    ],
  ],
  'logging/setLevel': [{ level: 'info' }, ['level']],
  'tasks/get': [{ taskId: 'x' }, ['taskId']],
  'tasks/result': [{ taskId: 'x' }, ['taskId']],
  'tasks/cancel': [{ taskId: 'x' }, ['taskId']],
  'tasks/list': [{}, ['cursor']],
  'tasks/update': [{ taskId: 'x', inputResponses: {} }, ['taskId', 'inputResponses', 'inputResponses.a']],
  'subscriptions/listen': [
    { notifications: {} },
    [
      '',
      'notifications',
      'notifications.toolsListChanged',
      'notifications.resourceSubscriptions',
      'notifications.resourceSubscriptions.0',
      'notifications.x',
    ],
  ],
  'notifications/cancelled': [{ requestId: 1 }, ['', 'requestId', 'reason']],
  'notifications/progress': [{ progressToken: 1, progress: 1 }, ['progressToken', 'progress']],
  'notifications/roots/list_changed': [{}, ['', '_meta']],
  'notifications/initialized': [{}, ['']],
};

const deep = (levels: number) => `${'[{"a":'.repeat(levels)}1${'}]'.repeat(levels)}`;
/** JSON text of what does not belong there. */
const odd: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1.5',
  '1e999',
  '9007199254740993',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"__proto__"',
  '"constructor"',
  JSON.stringify('x'.repeat(20_000)),
  '"old+note://../\\u202e%00"',
  '[]',
  '[[]]',
  '["a",1,null]',
  '{}',
  '{"__proto__":{"a":1},"constructor":{"prototype":1}}',
  '{"\\ud800":"\\udc00"}',
  '{"":{"":{"":[]}}}',
  deep(60),
  deep(150),
];

const hole = '"the hole"';

/** The message's text with `value` at the field. */
function holding(method: string, params: JsonObject, field: string, value: string, id: number | undefined): string {
  const path = field === '' ? [] : field.split('.');
  const put = (node: unknown, [key, ...rest]: readonly string[]): unknown => {
    if (key === undefined) return 'the hole';
    if (key === '0') return [put(undefined, rest)];
    const object = (typeof node === 'object' && node !== null ? node : {}) as Record<string, unknown>;
    return { ...object, [key]: put(object[key], rest) };
  };
  const message = { jsonrpc: '2.0', ...(id !== undefined && { id }), method, params: put(params, path) };
  return JSON.stringify(message).replace(hole, value);
}

const common = (): [string, string][] => [
  ['Host', `127.0.0.1:${house.port}`],
  ['Authorization', `Bearer ${house.token}`],
  ['Content-Type', 'application/json'],
  ['Accept', 'application/json, text/event-stream'],
];

type Headers = readonly (readonly [string, string])[];

/** One after the other on as few connections as there can be: some answers end theirs. */
async function postAll(messages: readonly { headers: Headers; body: string }[]): Promise<readonly RawAnswer[]> {
  const answers: RawAnswer[] = [];
  while (answers.length < messages.length) {
    const left = messages.slice(answers.length);
    const pieces = left.map(({ headers, body }) => request('POST', '/mcp', headers, body));
    const got = await exchange(house.port, pieces, { expected: left.length });
    if (got.answers.length === 0) throw new Error(`no answer: ${left[0]?.body.slice(0, 400)} ${got.rest}`);
    answers.push(...got.answers);
  }
  return answers;
}

async function post(headers: Headers, body: string): Promise<RawAnswer> {
  const [answer] = await postAll([{ headers, body }]);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

function judge(answer: RawAnswer, body: string, id: number | undefined): void {
  const wrong = wrongWith(answer);
  if (wrong !== undefined)
    throw new Error(`${wrong}\n${body.slice(0, 400)}\n${answer.status} ${answer.body.slice(0, 600)}`);
  // What is a request is answered, under its id where it got as far as that.
  const last = messagesOf(answer).findLast((message) => message.method === undefined);
  if (id === undefined || !answer.complete) return;
  expect([null, id]).toContain(last?.id);
}

async function judgeAll(sent: readonly { headers: Headers; body: string; own: number | undefined }[]): Promise<void> {
  const answers = await postAll(sent);
  for (const [i, { body, own }] of sent.entries()) judge(answers[i] as RawAnswer, body, own);
}

const openSession = async (): Promise<string> => {
  const [params] = methods.initialize ?? [{}];
  const capabilities = { elicitation: {}, sampling: {}, roots: {} };
  const answer = await post(common(), holding('initialize', { ...params, capabilities }, 'x', '1', 1));
  return answer.headers.get('mcp-session-id') ?? '';
};

describe('when any field of any method holds what it should not', () => {
  it('a 2025 app is told what is wrong, and nothing breaks', async () => {
    const session = await openSession();
    const headers = [...common(), ['Mcp-Session-Id', session], ['Mcp-Protocol-Version', '2025-11-25']] as const;
    let id = 1;
    for (const [method, [params, fields]] of Object.entries(methods)) {
      for (const field of fields) {
        const sent = odd.map((value) => {
          const own = method.startsWith('notifications/') ? undefined : ++id;
          return { headers, own, body: holding(method, params, field, value, own) };
        });
        await judgeAll(sent);
      }
      const good = await post(headers, holding('tools/call', { name: 'old__count' }, 'x', '1', ++id));
      expect(messagesOf(good).at(-1)).toMatchObject({ id, result: { content: [] } });
    }
  }, 60_000);

  it('an argument that would become another one on the way is refused, and says why', async () => {
    const session = await openSession();
    const headers = [...common(), ['Mcp-Session-Id', session]] as const;
    for (const value of ['1e999', '"\\ud800"', '{"\\udc00":1}']) {
      const [params] = methods['tools/call'] ?? [{}];
      const answer = await post(headers, holding('tools/call', params, 'arguments.a', value, 1));
      const message = expect.stringContaining('not valid Unicode or a number larger than any double');
      expect(messagesOf(answer)).toMatchObject([{ id: 1, error: { code: -32602, message } }]);
    }
  });

  const envelope: JsonObject = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientInfo': { name: 'a', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, roots: {} },
    'io.modelcontextprotocol/logLevel': 'info',
  };
  const envelopeFields = Object.keys(envelope);

  /** A modern message's `_meta` has dots in its keys: it is put in whole. */
  function modern(
    method: string,
    params: JsonObject,
    field: string,
    value: string,
    meta: string,
    own: number | undefined,
  ) {
    const text = holding(method, { _meta: 'the meta', ...params }, field, value, own);
    return text.replace('"the meta"', meta);
  }
  const headersFor = (method: string, params: JsonObject): Headers => {
    const name = params.name ?? params.uri ?? params.taskId;
    return [
      ...common(),
      ['Mcp-Protocol-Version', version],
      ['Mcp-Method', method],
      ...(typeof name === 'string' ? [['Mcp-Name', name] as const] : []),
    ];
  };

  it('so is a 2026 app', async () => {
    let id = 1;
    for (const [method, [params, fields]] of Object.entries(methods)) {
      for (const field of fields) {
        if (field.startsWith('_meta')) continue;
        const headers = headersFor(method, params);
        const sent = odd.map((value) => {
          const own = method.startsWith('notifications/') ? undefined : ++id;
          return { headers, own, body: modern(method, params, field, value, JSON.stringify(envelope), own) };
        });
        // A stream that stays open lets nothing follow it.
        if (method === 'subscriptions/listen') for (const each of sent) await judgeAll([each]);
        else await judgeAll(sent);
      }
    }
    for (const field of envelopeFields) {
      const headers = headersFor('tools/call', { name: 'fresh__count' });
      const sent = odd.map((value) => {
        const meta = JSON.stringify({ ...envelope, [field]: 'the hole' }).replace(hole, value);
        return { headers, own: ++id, body: modern('tools/call', { name: 'fresh__count' }, 'x', '1', meta, id) };
      });
      await judgeAll(sent);
    }
    const params = { name: 'fresh__count' };
    const good = await post(
      headersFor('tools/call', params),
      modern('tools/call', params, 'x', '1', JSON.stringify(envelope), ++id),
    );
    expect(messagesOf(good).at(-1)).toMatchObject({ id, result: { content: [] } });
  }, 60_000);
});
