import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from '../../../main/gateway/capabilities.ts';
import { complete } from '../../../main/gateway/delivery.ts';
import { instructionsFor } from '../../../main/gateway/identity.ts';
import {
  askLine,
  legacyResourceNotFound,
  nameAction,
  refusalError,
  refusalResult,
  ruleLine,
  type WireRefusalCode,
} from '../../../main/gateway/refusal.ts';
import {
  batchVersion,
  errorMessage,
  legacyVersions,
  metaKey,
  modernVersions,
  nestsDeeperThan,
  notificationMessage,
  resultMessage,
  rpcCode,
  withLeadingMember,
} from '../../../main/gateway/wire.ts';

describe('when AI apps rely on codes and keys', () => {
  it('keeps them as they are', () => {
    expect(rpcCode).toEqual({
      parseError: -32700,
      invalidRequest: -32600,
      methodNotFound: -32601,
      invalidParams: -32602,
      internalError: -32603,
      refused: -32000,
      headerMismatch: -32020,
      missingCapability: -32021,
      unsupportedVersion: -32022,
    });
    expect(metaKey).toEqual({
      protocolVersion: 'io.modelcontextprotocol/protocolVersion',
      clientInfo: 'io.modelcontextprotocol/clientInfo',
      clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
      logLevel: 'io.modelcontextprotocol/logLevel',
      serverInfo: 'io.modelcontextprotocol/serverInfo',
      subscriptionId: 'io.modelcontextprotocol/subscriptionId',
      refusal: 'gatehouse/refusal',
    });
    expect(legacyVersions).toEqual(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']);
    expect(modernVersions).toEqual(['2026-07-28']);
    expect(batchVersion).toBe('2025-03-26');
    expect(capabilitiesOf(undefined, 0)).toEqual({ tools: { listChanged: true } });
  });

  it('keeps the codes of refusals as they are', () => {
    // A code added or renamed fails here twice: in the type and in the list.
    const codes: Record<WireRefusalCode, true> = {
      'policy-denied': true,
      'not-approved-by-person': true,
      'definition-changed': true,
      'unknown-tool': true,
      'invalid-arguments': true,
      'no-policy': true,
      'policy-expired': true,
      'app-not-allowed': true,
      paused: true,
      'backend-unavailable': true,
      'shutting-down': true,
      'record-unavailable': true,
      'result-refused': true,
      timeout: true,
      'backend-failed': true,
      revoked: true,
      cancelled: true,
      'too-many-calls': true,
    };
    expect(Object.keys(codes)).toHaveLength(18);
  });

  it('keeps the shape of a refusal as it is', () => {
    const refusal = {
      code: 'policy-denied',
      message: 'No.',
      rules: [{ id: 'r1', reason: 'why' }],
      reason: 'why',
      contact: 'it@acme.example',
      callId: 'c1',
    } as const;
    expect(refusalResult(refusal)).toBe(
      '{"content":[{"type":"text","text":"No."}],"isError":true,"_meta":{"gatehouse/refusal":{"code":"policy-denied","rules":["r1"],"reason":"why","contact":"it@acme.example","callId":"c1"}}}',
    );
    expect(complete(refusalResult(refusal))).toMatch(/^\{"resultType":"complete","content":/);
  });

  it('words refusals for people', () => {
    expect(nameAction('create_issue', 'GitHub')).toBe('"create_issue" in GitHub');
    expect(askLine('it@acme.example')).toBe('Questions? Ask it@acme.example.');
    expect(askLine('')).toBe('Questions? Ask your IT team.');
    const refusal = { message: 'No.', rules: [{ id: 'r' }], reason: 'Why.', contact: 'IT', callId: '1' };
    expect(refusalError({ ...refusal, code: 'policy-denied' })).toEqual({
      code: -32000,
      message: 'No.',
      data: {
        'gatehouse/refusal': { code: 'policy-denied', rules: ['r'], reason: 'Why.', contact: 'IT', callId: '1' },
      },
    });
    expect(refusalError({ ...refusal, code: 'invalid-arguments' }).code).toBe(-32602);
    expect(refusalError({ ...refusal, code: 'backend-unavailable' }).code).toBe(-32603);
    expect(legacyResourceNotFound).toBe(-32002);
    expect(ruleLine([])).toBe('');
    expect(ruleLine([{ id: 'a' }, { id: 'b' }])).toBe('(Rules: a, b.)');
    expect(instructionsFor('Acme')).toBe(
      'The tools here are provided and governed by Acme. A call may be refused or wait until the person at this computer agrees; a refusal says why and whom to ask. Show it to the person and do not try to work around it.',
    );
  });
});

describe('when messages are written', () => {
  it('writes the envelopes of JSON-RPC 2.0', () => {
    expect(resultMessage('a"b', '{"x":1}')).toBe('{"jsonrpc":"2.0","id":"a\\"b","result":{"x":1}}');
    expect(errorMessage(null, { code: -1, message: 'm' })).toBe(
      '{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}',
    );
    expect(notificationMessage('n')).toBe('{"jsonrpc":"2.0","method":"n"}');
    expect(notificationMessage('n', { a: 1 })).toBe('{"jsonrpc":"2.0","method":"n","params":{"a":1}}');
  });

  it('puts a member in front of any object, and changes nothing else', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const text = JSON.stringify(object);
        const written = withLeadingMember(text, '\u0000first', '[1]');
        expect(written.endsWith(text === '{}' ? '}' : text.slice(1))).toBe(true);
        expect(JSON.parse(written)).toEqual({ '\u0000first': [1], ...JSON.parse(text) });
      }),
    );
  });

  it('measures depth without going deeper than it must', () => {
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(nestsDeeperThan(deep, 200)).toBe(true);
    expect(nestsDeeperThan(JSON.parse('{"a":[{"b":1}]}'), 3)).toBe(false);
    expect(nestsDeeperThan(JSON.parse('{"a":[{"b":1}]}'), 2)).toBe(true);
    expect(nestsDeeperThan(JSON.parse('{"__proto__":{"a":{}}}'), 2)).toBe(true);
    expect(nestsDeeperThan('text', 0)).toBe(false);
  });
});
