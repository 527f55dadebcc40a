import fc from 'fast-check';

/** What an app, a broken one or one that means harm might send: bytes, headers, bodies and the order of things. */

export interface Action {
  readonly what: string;
  /** Bytes with `{host}`, `{token}`, `{other}`, `{session}` and `{length}` still to be filled in. */
  readonly pieces: readonly string[];
  /** Answers that must come; none where the connection may just end. */
  readonly expected: number;
  /** Ends its side of the connection once all is sent. */
  readonly hangUp: boolean;
}

const one = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const version = '2026-07-28';
const versions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', version];
const methods = [
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
  'logging/setLevel',
  'tasks/get',
  'tasks/result',
  'tasks/list',
  'tasks/cancel',
  'tasks/update',
  'roots/list',
  'elicitation/create',
  'sampling/createMessage',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/initialized',
  'notifications/roots/list_changed',
  'notifications/message',
  'rpc.discover',
  'toString',
  '__proto__',
];

// ── bodies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const word = fc.string({ unit: 'binary', maxLength: 10 });
const nested = fc.integer({ min: 1, max: 400 }).map((n) => `${'['.repeat(n)}${']'.repeat(n)}`);
const numberText = one(
  '0',
  '-0',
  '1.0',
  '1e999',
  '-1e999',
  '9007199254740993',
  '1E400',
  '5e-324',
  '123456789012345678901',
);
const valueText = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
  numberText,
  nested,
  word.map((text) => JSON.stringify(text)),
  one('"\\ud800"', '"\\u0000"', '{"__proto__":{"x":1}}', '""', 'null', JSON.stringify('y'.repeat(5_000))),
);
const idText = fc.oneof(
  fc.integer().map(String),
  word.map((text) => JSON.stringify(text)),
  one('1', '"same"', 'null', '1.5', '1e300', '[]', '{}', 'true', JSON.stringify('i'.repeat(300)), '9007199254740991'),
);
const method = fc.oneof({ weight: 5, arbitrary: one(...methods) }, { weight: 1, arbitrary: word });
const known: readonly (readonly [name: string, value: string])[] = [
  ['name', '"old__count"'],
  ['name', '"fresh__greet"'],
  ['arguments', '{}'],
  ['arguments', '{"who":"Ada"}'],
  ['uri', '"old+note://1"'],
  ['uri', '"fresh+note://{n}"'],
  ['ref', '{"type":"ref/prompt","name":"old__greet"}'],
  ['argument', '{"name":"a","value":"b"}'],
  ['level', '"debug"'],
  ['cursor', '"dG9vbHM6MA"'],
  ['taskId', '"x"'],
  ['requestId', '1'],
  ['protocolVersion', '"2025-11-25"'],
  ['capabilities', '{}'],
  ['clientInfo', '{"name":"a","version":"1"}'],
  ['notifications', '{"toolsListChanged":true}'],
  ['requestState', '"gatehouse.AAAA"'],
  ['inputResponses', '{"a":{"action":"accept"}}'],
  ['task', '{"ttl":1}'],
];
const member = fc.oneof(
  { weight: 3, arbitrary: one(...known) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...known.map(([name]) => name)), valueText) },
  { weight: 1, arbitrary: fc.tuple(word, valueText) },
);
const objectText = (pairs: readonly (readonly [string, string])[]) =>
  `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
const meta = fc
  .record({
    version: fc.oneof(one(...versions.map((each) => JSON.stringify(each))), valueText),
    capabilities: fc.oneof(one('{}', '{"elicitation":{},"roots":{}}'), valueText),
    token: fc.option(valueText),
    level: fc.option(valueText),
    modern: fc.boolean(),
  })
  .map(({ version: named, capabilities, token, level, modern }) =>
    objectText([
      ...(modern
        ? ([
            ['io.modelcontextprotocol/protocolVersion', named],
            ['io.modelcontextprotocol/clientCapabilities', capabilities],
          ] as const)
        : []),
      ...(token === null ? [] : [['progressToken', token] as const]),
      ...(level === null ? [] : [['io.modelcontextprotocol/logLevel', level] as const]),
    ]),
  );
const params = fc
  .tuple(fc.array(member, { maxLength: 4 }), fc.option(meta))
  .map(([members, own]) => objectText(own === null ? members : [...members, ['_meta', own] as const]));
const message = fc
  .record({
    version: fc.oneof({ weight: 9, arbitrary: one('"2.0"') }, { weight: 1, arbitrary: valueText }),
    id: fc.option(idText),
    method: fc.option(method),
    params: fc.option(fc.oneof({ weight: 9, arbitrary: params }, { weight: 1, arbitrary: valueText })),
    result: fc.option(valueText, { freq: 8 }),
    twice: fc.boolean(),
  })
  .map((drawn) =>
    objectText([
      ['jsonrpc', drawn.version],
      ...(drawn.id === null ? [] : [['id', drawn.id] as const]),
      ...(drawn.method === null ? [] : [['method', JSON.stringify(drawn.method)] as const]),
      ...(drawn.params === null ? [] : [['params', drawn.params] as const]),
      ...(drawn.result === null ? [] : [['result', drawn.result] as const]),
      ...(drawn.twice && drawn.id !== null ? [['id', drawn.id] as const] : []),
    ]),
  );
const batch = fc.array(message, { maxLength: 12 }).map((messages) => `[${messages.join(',')}]`);
const damaged = fc.tuple(message, fc.nat(), fc.nat({ max: 20 }), word).map(([text, at, length, put]) => {
  const from = at % (text.length + 1);
  return `${text.slice(0, from)}${put}${text.slice(from + length)}`;
});
const body = fc.oneof(
  { weight: 6, arbitrary: message },
  { weight: 1, arbitrary: batch },
  { weight: 2, arbitrary: damaged },
  { weight: 1, arbitrary: valueText },
);

// ── headers ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Header values must have no line ends here: those are for the framing below. */
const headerText = fc.string({ unit: 'binary-ascii', maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, ''));
const header = (name: string, ...values: readonly string[]) =>
  fc
    .oneof({ weight: 4, arbitrary: one(...values) }, { weight: 1, arbitrary: headerText })
    .map((value) => `${name}: ${value}`);
const maybe = (arbitrary: fc.Arbitrary<string>, freq = 3) => fc.option(arbitrary, { freq });
const headers = fc
  .record({
    host: fc.oneof(
      { weight: 20, arbitrary: one('Host: {host}') },
      { weight: 1, arbitrary: header('Host', 'evil.test') },
    ),
    key: fc.oneof(
      { weight: 20, arbitrary: one('Authorization: Bearer {token}') },
      { weight: 2, arbitrary: one('Authorization: Bearer {other}') },
      { weight: 1, arbitrary: header('Authorization', 'Bearer x', 'Basic eDp5') },
    ),
    type: fc.oneof(
      { weight: 9, arbitrary: one('Content-Type: application/json') },
      {
        weight: 1,
        arbitrary: header('Content-Type', 'text/plain', 'application/json; charset=utf-16', 'application/jsonp', ''),
      },
    ),
    accept: maybe(
      header('Accept', 'application/json, text/event-stream', 'text/event-stream', 'application/json', '*/*'),
    ),
    session: maybe(header('Mcp-Session-Id', '{session}', '{session}', '{session}', 'x'.repeat(43))),
    version: maybe(header('Mcp-Protocol-Version', ...versions)),
    method: maybe(header('Mcp-Method', ...methods), 1),
    name: maybe(header('Mcp-Name', 'old__count', '=?base64?b2xkX19jb3VudA==?=', '=?base64?####?='), 1),
    last: maybe(header('Last-Event-ID', 'AAAAAAAAAAAA.1', 'x.y', '../../etc', '1'.repeat(200)), 1),
    origin: fc.option(header('Origin', 'http://{host}', 'https://evil.test', 'null'), { freq: 1 }),
    odd: fc.option(
      header('X-Odd', 'z'.repeat(9_000), '\u00ff\u00fe', '').map((line) => line),
      { freq: 1 },
    ),
  })
  .map((drawn) => Object.values(drawn).filter((line) => line !== null));

const path = fc.oneof(
  { weight: 12, arbitrary: one('/mcp') },
  { weight: 3, arbitrary: one('/mcp/~old', '/mcp/~fresh', '/mcp/~gone', '/mcp/none', '/mcp?x=1') },
  {
    weight: 1,
    arbitrary: one('/', '/mcp/', '//mcp', '/mcp/~', '/mcp/%2e%2e', '*', 'http://evil.test/mcp', '/mcp/~old/..'),
  },
);

// ── framing ────────────────────────────────────────────────────────────────────────────────────────────────────────

const head = (line: string, lines: readonly string[]) => `${line}\r\n${lines.join('\r\n')}\r\n\r\n`;
const posted = (at: string, lines: readonly string[], text: string) =>
  head(`POST ${at} HTTP/1.1`, [...lines, `Content-Length: ${Buffer.byteLength(text)}`]) + text;

const whole = fc.tuple(path, headers, body).map(([at, lines, text]): Action => {
  return { what: 'a request', pieces: [posted(at, lines, text)], expected: 1, hangUp: false };
});
const opening = ['Host: {host}', 'Authorization: Bearer {token}', 'Content-Type: application/json'];
const accepting = [...opening, 'Accept: application/json, text/event-stream'];
/** Good requests, to which something is added or done. */
const good: readonly (readonly [method: string, members: readonly (readonly [string, string])[]])[] = [
  ...['old__log', 'fresh__log', 'old__ask', 'fresh__ask'].map(
    (name) =>
      [
        'tools/call',
        [
          ['name', JSON.stringify(name)],
          ['arguments', '{"a":1}'],
        ],
      ] as const,
  ),
  [
    'prompts/get',
    [
      ['name', '"old__greet"'],
      ['arguments', '{"who":"Ada"}'],
    ],
  ],
  [
    'prompts/get',
    [
      ['name', '"fresh__greet"'],
      ['arguments', '{"who":"Ada"}'],
    ],
  ],
  ['resources/read', [['uri', '"old+note://1"']]],
  ['resources/read', [['uri', '"fresh+note://1"']]],
  ['resources/subscribe', [['uri', '"fresh+note://1"']]],
  ['resources/unsubscribe', [['uri', '"fresh+note://1"']]],
  [
    'completion/complete',
    [
      ['ref', '{"type":"ref/prompt","name":"old__greet"}'],
      ['argument', '{"name":"a","value":"b"}'],
    ],
  ],
  ['logging/setLevel', [['level', '"debug"']]],
  ['tasks/get', [['taskId', '"x"']]],
  ['subscriptions/listen', [['notifications', '{"toolsListChanged":true,"resourceSubscriptions":["old+note://1"]}']]],
  ...['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'ping'].map(
    (name) => [name, []] as const,
  ),
];
const goodId = fc.oneof({ weight: 9, arbitrary: fc.nat().map(String) }, { weight: 1, arbitrary: idText });
const calling = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...good) },
      { weight: 1, arbitrary: fc.tuple(one(...methods), fc.array(member, { maxLength: 4 })) },
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(member, { maxLength: 2 }) }),
    fc.option(goodId, { freq: 19 }),
  )
  .map(([[called, members], more, id]) => ({ called, members: [...members, ...more], id }));
const requestText = (called: string, members: readonly (readonly [string, string])[], id: string | null) =>
  objectText([
    ['jsonrpc', '"2.0"'],
    ...(id === null ? [] : [['id', id] as const]),
    ['method', JSON.stringify(called)],
    ['params', objectText(members)],
  ]);
/** What gets past the door, and as far as what it asks for lets it. */
const legacy = fc.tuple(calling, fc.boolean()).map(([{ called, members, id }, alone]): Action => {
  const text = requestText(called, [...members, ['_meta', '{"progressToken":1}']], id);
  const lines = [...accepting, 'Mcp-Session-Id: {session}'];
  return {
    what: 'a 2025 request',
    pieces: [posted('/mcp', lines, alone ? text : `[${text}]`)],
    expected: 1,
    hangUp: false,
  };
});
const naming: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
const modern = fc.tuple(calling, fc.option(valueText)).map(([{ called, members, id }, level]): Action => {
  const own = objectText([
    ['io.modelcontextprotocol/protocolVersion', JSON.stringify(version)],
    ['io.modelcontextprotocol/clientCapabilities', '{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}'],
    ['progressToken', '"t"'],
    ...(level === null || !level.startsWith('"') ? [] : [['io.modelcontextprotocol/logLevel', '"info"'] as const]),
  ]);
  const text = requestText(called, [...members, ['_meta', own]], id);
  const named = members.findLast(([name]) => name === naming[called])?.[1];
  const lines = [...accepting, `Mcp-Protocol-Version: ${version}`, `Mcp-Method: ${called}`];
  if (named !== undefined && /^"[ -~]*"$/.test(named)) lines.push(`Mcp-Name: ${JSON.parse(named) as string}`);
  return { what: 'a 2026 request', pieces: [posted('/mcp', lines, text)], expected: 1, hangUp: false };
});
const listening = fc
  .tuple(one('GET', 'DELETE'), fc.option(one('AAAAAAAAAAAA.1', '0', '{session}.1')))
  .map(([verb, last]): Action => {
    const lines = [...opening, 'Accept: text/event-stream', 'Mcp-Session-Id: {session}'];
    if (last !== null) lines.push(`Last-Event-ID: ${last}`);
    return { what: verb, pieces: [head(`${verb} /mcp HTTP/1.1`, lines)], expected: 1, hangUp: false };
  });
const pipelined = fc.array(fc.tuple(headers, body), { minLength: 2, maxLength: 5 }).map((requests): Action => {
  const pieces = requests.map(([lines, text]) => posted('/mcp', lines, text));
  // The first answer may be the last: some end the connection, and streams end with it.
  return { what: 'requests in one go', pieces: [pieces.join('')], expected: 1, hangUp: false };
});
const inPieces = fc.tuple(headers, body, fc.nat({ max: 200 })).map(([lines, text, cut]): Action => {
  const bytes = posted('/mcp', lines, text);
  return { what: 'a request in pieces', pieces: [bytes.slice(0, cut), bytes.slice(cut)], expected: 1, hangUp: false };
});
const half = fc.tuple(headers, body, fc.nat()).map(([lines, text, cut]): Action => {
  const bytes = posted('/mcp', lines, text);
  return { what: 'half a request', pieces: [bytes.slice(0, cut % bytes.length)], expected: 0, hangUp: true };
});
const longer = fc.tuple(headers, body).map(([lines, text]): Action => {
  const short = head('POST /mcp HTTP/1.1', [...lines, `Content-Length: ${Buffer.byteLength(text) + 9}`]) + text;
  return { what: 'less than it says', pieces: [short], expected: 0, hangUp: true };
});
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const chunked = fc
  .tuple(headers, body, one('0\r\n\r\n', 'zz\r\n', '-1\r\n', 'ffffffffffff\r\n', '5;x="y"\r\nab'))
  .map(([lines, text, end]): Action => {
    const bytes = head('POST /mcp HTTP/1.1', [...lines, 'Transfer-Encoding: chunked']) + chunk(text) + end;
    return { what: 'chunks', pieces: [bytes], expected: end === '0\r\n\r\n' ? 1 : 0, hangUp: end !== '0\r\n\r\n' };
  });
const smuggled = fc
  .tuple(headers, body, one('Content-Length: 4', 'Content-Length: 4, 5', 'Transfer-Encoding: x'))
  .map(([lines, text, line]): Action => {
    const bytes = head('POST /mcp HTTP/1.1', [...lines, 'Transfer-Encoding: chunked', line]) + chunk(text);
    return { what: 'two lengths', pieces: [`${bytes}0\r\n\r\n`], expected: 1, hangUp: false };
  });
const otherMethod = fc
  .tuple(one('GET', 'GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'QUERY'), path, headers)
  .map(([verb, at, lines]): Action => {
    return { what: verb, pieces: [head(`${verb} ${at} HTTP/1.1`, lines)], expected: 1, hangUp: false };
  });
const garbage = fc
  .oneof(
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 200 }),
    one(
      'GET /mcp HTTP/9.9\r\n\r\n',
      'GET\r\n\r\n',
      'POST /mcp HTTP/1.1\r\nbad header\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ),
    one(`GET /${'a'.repeat(40_000)} HTTP/1.1\r\n\r\n`, `GET /mcp HTTP/1.1\r\nX: ${'b'.repeat(40_000)}\r\n\r\n`),
  )
  .map((bytes): Action => ({ what: 'garbage', pieces: [bytes], expected: 0, hangUp: true }));
const large = one(70_000, 200_000).map((size): Action => {
  const text = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${'x'.repeat(size)}"}}`;
  const lines = ['Host: {host}', 'Authorization: Bearer {token}', 'Content-Type: application/json'];
  return { what: 'a large body', pieces: [posted('/mcp', lines, text)], expected: 1, hangUp: false };
});

export const anyAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 10, arbitrary: whole },
  { weight: 12, arbitrary: legacy },
  { weight: 12, arbitrary: modern },
  { weight: 1, arbitrary: listening },
  { weight: 2, arbitrary: pipelined },
  { weight: 1, arbitrary: inPieces },
  { weight: 1, arbitrary: half },
  { weight: 1, arbitrary: longer },
  { weight: 1, arbitrary: chunked },
  { weight: 1, arbitrary: smuggled },
  { weight: 3, arbitrary: otherMethod },
  { weight: 2, arbitrary: garbage },
  { weight: 1, arbitrary: large },
);

// ── what servers do ────────────────────────────────────────────────────────────────────────────────────────────────

export interface Deed {
  readonly says: readonly (readonly [method: string, params: string])[];
  readonly asks: readonly (readonly [method: string, params: string])[];
  /** JSON text of a result, or of an error. */
  readonly result: string;
  readonly failed: boolean;
}

const said = one(
  'notifications/progress',
  'notifications/message',
  'notifications/cancelled',
  'notifications/tools/list_changed',
  'notifications/resources/updated',
  'notifications/tasks/status',
  'notifications/elicitation/complete',
  'notifications/subscriptions/acknowledged',
  'notifications/initialized',
  'x',
);
const asked = one('ping', 'roots/list', 'sampling/createMessage', 'elicitation/create', 'tasks/get', 'tools/call', '');
const serverMember = fc.oneof(
  one<readonly [string, string]>(
    ['content', '[]'],
    ['content', '[null,{"type":"text"},{"type":"resource_link","uri":1}]'],
    ['isError', 'true'],
    ['resultType', '"complete"'],
    ['resultType', '"input_required"'],
    ['resultType', '"task"'],
    ['taskId', '"x"'],
    ['task', '{"taskId":"x"}'],
    ['inputRequests', '{"a":{"method":"roots/list"}}'],
    ['inputRequests', '{"a":{"method":"elicitation/create","params":{"mode":"url","url":"x:y"}}}'],
    ['requestState', '"s"'],
    ['messages', '[{"content":{"type":"resource"}}]'],
    ['contents', '[{"uri":5},{"uri":"a"}]'],
    ['completion', '5'],
  ),
  fc.tuple(fc.constantFrom('content', '_meta', 'resultType', 'inputRequests', 'contents', 'messages', 'x'), valueText),
);
const serverParams = fc
  .array(
    fc.tuple(one('progressToken', 'progress', 'level', 'data', 'uri', 'requestId', '_meta', 'mode', 'task'), valueText),
    {
      maxLength: 3,
    },
  )
  .map(objectText);
export const anyDeed: fc.Arbitrary<Deed> = fc.record({
  says: fc.array(fc.tuple(said, serverParams), { maxLength: 3 }),
  asks: fc.array(fc.tuple(asked, serverParams), { maxLength: 2 }),
  result: fc.oneof(
    { weight: 5, arbitrary: fc.array(serverMember, { maxLength: 4 }).map(objectText) },
    { weight: 1, arbitrary: valueText },
    {
      weight: 1,
      arbitrary: fc
        .tuple(valueText, one('5', 'null', '{}', '"the server says no"'))
        .map(([code, text]) => `{"code":${code},"message":${text}}`),
    },
  ),
  failed: fc.boolean(),
});
