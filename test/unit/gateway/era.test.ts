import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify } from '../../../main/gateway/classify.ts';
import { plainEra } from '../../../main/gateway/era.ts';
import { checkParamHeaders, decodeHeaderValue, paramHeadersOf } from '../../../main/gateway/mcp-headers.ts';
import type { Json } from '../../../main/policy/json.ts';

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'x' };

describe('when a message comes in', () => {
  it('tells the eras apart', () => {
    const request = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    expect(classify({}, request)).toEqual({
      era: 'legacy',
      message: { kind: 'request', id: 1, method: 'tools/list', params: {} },
    });
    expect(classify({}, { jsonrpc: '2.0', method: 'notifications/initialized' })).toMatchObject({
      era: 'legacy',
      message: { kind: 'notification' },
    });
    expect(classify({}, { jsonrpc: '2.0', id: 1, result: {} })).toMatchObject({
      era: 'legacy',
      message: { kind: 'response' },
    });
    expect(classify({}, [request, request])).toMatchObject({ era: 'legacy-batch' });
    expect(classify({ 'mcp-protocol-version': '2026-07-28' }, { jsonrpc: '2.0', method: 'notifications/x' })).toEqual({
      era: 'modern-notification',
    });
  });

  it('drops nothing of a modern message', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (extra) => {
        const params = { 'x-extra': extra, name: 'x', arguments: extra, _meta: { ...meta, 'com.example/y': extra } };
        const body = { jsonrpc: '2.0', id: 'i', method: 'tools/call', params } as Json;
        const era = classify(modern, body);
        expect(era).toMatchObject({ era: 'modern', id: 'i', version: '2026-07-28' });
        expect(JSON.stringify('params' in era && era.params)).toBe(JSON.stringify(params));
      }),
    );
  });

  it('never throws, and always says something', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.record({ jsonrpc: fc.constant('2.0'), id: fc.jsonValue(), method: fc.jsonValue() }),
        ),
        fc.dictionary(fc.constantFrom('mcp-protocol-version', 'mcp-method', 'mcp-name'), fc.string()),
        (body, headers) => {
          const era = classify(headers, body as Json);
          if (era.era === 'rejected') expect(era.httpStatus).toBeGreaterThanOrEqual(400);
        },
      ),
    );
  });

  it('is told at a look what it plainly is, and never anything but what the closer look says', () => {
    const often = <T>(...values: T[]) => fc.constantFrom(...values);
    const key = (name: string) => `io.modelcontextprotocol/${name}`;
    const capability = fc.oneof(
      often<Json>({}, { listChanged: true }, { form: {}, url: {} }, null, 1, []),
      fc.jsonValue(),
    );
    const envelope = fc.record(
      {
        [key('protocolVersion')]: often<Json>('2026-07-28', '2026-07-28', '2026-07-28', '2025-11-25', 1),
        [key('clientCapabilities')]: fc.oneof(
          often<Json>({}, {}, {}, [], 'x'),
          fc.dictionary(often('roots', 'sampling', 'elicitation', 'experimental', 'other', 'tasks'), capability),
        ),
        [key('clientInfo')]: fc.oneof(
          often<Json>({ name: 'a', version: '1' }, { name: 'a', version: '1', title: 'A', icons: [] }, {}, null),
          fc.dictionary(often('name', 'version', 'title', 'websiteUrl', 'icons'), fc.jsonValue()),
        ),
        [key('logLevel')]: often<Json>('info', 'loud', 1),
        [key('related-task')]: often<Json>({ taskId: 'x' }, {}, 'x'),
        progressToken: often<Json>('t', 1, 1.5, 2 ** 60, null, {}),
        'com.example/z': fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const params = fc.oneof(
      often<Json>([], null, {}, { name: 'x' }),
      fc.record(
        { name: often('x', 'y'), uri: often('x'), _meta: fc.oneof(envelope, envelope, fc.jsonValue()) },
        { requiredKeys: [] },
      ),
    );
    const method = often<Json>(
      'tools/call',
      'tools/list',
      'initialize',
      'ping',
      'notifications/x',
      'server/discover',
      1,
      null,
    );
    const body = fc.record(
      {
        jsonrpc: often<Json>('2.0', '2.0', '2.0', '1.0', 2),
        id: often<Json>(1, 'a', '', 0, 1.5, 2 ** 60, null, {}, 'x'.repeat(300)),
        method,
        params,
        result: often<Json>({}, []),
        extra: fc.jsonValue(),
      },
      { requiredKeys: ['jsonrpc'] },
    );
    const usual = fc.record(
      { jsonrpc: often('2.0'), id: often<Json>(1, 'a'), method, params },
      { requiredKeys: ['jsonrpc', 'method'] },
    );
    const headers = fc.record(
      {
        'mcp-protocol-version': often(
          '2026-07-28',
          '2026-07-28',
          '2025-11-25',
          '2024-11-05',
          ' 2026-07-28',
          '2099-01-01',
          '',
        ),
        'mcp-method': often('tools/call', 'tools/call', 'tools/list', ' tools/call', ''),
        'mcp-name': often('x', 'y', ' x', '=?base64?eA==?='),
      },
      { requiredKeys: [] },
    );
    let plain = 0;
    fc.assert(
      fc.property(headers, fc.oneof(usual, body, fc.jsonValue()), (given, message) => {
        const parsed: Json = JSON.parse(JSON.stringify(message));
        const said = plainEra(given, parsed);
        if (said === undefined) return;
        plain += 1;
        expect(said).toEqual(classify(given, parsed));
      }),
      { numRuns: 5_000 },
    );
    expect(plain).toBeGreaterThan(200);
  });

  it('is plainly told for what apps send all day', () => {
    const call = (meta?: Json): Json => ({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'x', arguments: {}, ...(meta !== undefined && { _meta: meta }) },
    });
    const info = { 'io.modelcontextprotocol/clientInfo': { name: 'app', version: '1', title: 'App' } };
    const able = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {}, roots: {} } };
    expect(plainEra({}, call())).toMatchObject({ era: 'legacy' });
    expect(plainEra({ 'mcp-protocol-version': '2025-11-25' }, call({ progressToken: 7 }))).toMatchObject({
      era: 'legacy',
    });
    expect(plainEra({}, { jsonrpc: '2.0', method: 'notifications/initialized' })).toMatchObject({ era: 'legacy' });
    expect(plainEra(modern, call(meta))).toMatchObject({ era: 'modern' });
    expect(plainEra(modern, call({ ...meta, ...info, ...able, progressToken: 'p' }))).toMatchObject({ era: 'modern' });
    expect(plainEra({ ...modern, 'mcp-name': 'y' }, call(meta))).toMatchObject({ era: 'rejected', httpStatus: 400 });
  });

  it('refuses an id that is neither text nor number', () => {
    for (const id of [null, {}, [], true, 1.5]) {
      const era = classify({}, { jsonrpc: '2.0', id, method: 'ping' });
      expect(era).toMatchObject({ era: 'rejected', httpStatus: 400 });
    }
  });
});

describe('when headers repeat arguments', () => {
  const schema: Json = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { type: 'object', properties: { count: { type: 'integer', 'x-mcp-header': 'Count' } } },
      list: { type: 'array', items: { type: 'string', 'x-mcp-header': 'Never' } },
      bad: { type: 'string', 'x-mcp-header': 'no spaces' },
    },
  };
  const declared = paramHeadersOf(schema);

  it('finds what is declared where it may be', () => {
    expect(declared.map(({ header, path }) => [header, path.join('.')])).toEqual([
      ['Region', 'region'],
      ['Count', 'deep.count'],
    ]);
    expect(paramHeadersOf(undefined)).toEqual([]);
  });

  it('compares what is there, and asks for nothing that is not', () => {
    const check = (args: Json, headers: Record<string, string>) => checkParamHeaders(declared, headers, args)?.code;
    expect(check({}, {})).toBeUndefined();
    expect(check({ region: null }, {})).toBeUndefined();
    expect(check({ region: 'eu' }, {})).toBe(-32020);
    expect(check({ region: 'eu' }, { 'mcp-param-region': 'eu' })).toBeUndefined();
    expect(check({ region: 'eu' }, { 'mcp-param-region': 'EU' })).toBe(-32020);
    expect(check({ region: 'ü' }, { 'mcp-param-region': '=?base64?w7w=?=' })).toBeUndefined();
    expect(check({ deep: { count: 42 } }, { 'mcp-param-count': '42.0' })).toBeUndefined();
    expect(check({ deep: { count: 42 } }, { 'mcp-param-count': '0x2a' })).toBe(-32020);
    expect(check({ deep: { count: 0 } }, { 'mcp-param-count': '' })).toBe(-32020);
  });

  it('decodes only canonical Base64 of UTF-8', () => {
    expect(decodeHeaderValue('plain')).toBe('plain');
    expect(decodeHeaderValue('=?base64?aGk=?=')).toBe('hi');
    for (const text of ['=?base64?aGk?=', '=?base64?aG k=?=', '=?base64?/w==?=', '=?base64?aGl=?=']) {
      expect(decodeHeaderValue(text)).toBeUndefined();
    }
  });
});
