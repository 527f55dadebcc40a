import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify } from '../../../main/gateway/era.ts';
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
