import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admit, bearerOf, checkOrigin, type DoorPolicy, endpointKey, endpointOf } from '../../../main/gateway/admit.ts';

const policy: DoorPolicy = {
  appsAllowed: ['Cursor'],
  profiles: ['small'],
  aliasesFor: () => new Set(['github']),
  contact: 'it@acme.example',
};
const cursor = { id: '1', name: 'Cursor' };
const known = (token: string) =>
  token === 'good' ? cursor : token === 'other' ? { id: '2', name: 'Other' } : undefined;
const headers = { authorization: 'Bearer good' };
const all = { kind: 'all' } as const;

describe('when a request stands at the door', () => {
  it('knows its own names and no other', () => {
    for (const host of ['127.0.0.1:7', 'localhost:7', '[::1]:7', 'LOCALHOST:7']) {
      expect(checkOrigin({ host }, 7)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webAuthority()), (host) => {
        fc.pre(!['127.0.0.1:7', 'localhost:7', '[::1]:7'].includes(host.toLowerCase()));
        expect(checkOrigin({ host }, 7)).toMatchObject({ code: 'foreign-host', httpStatus: 403 });
        const origin = `http://${host}`;
        expect(checkOrigin({ host: '127.0.0.1:7', origin }, 7)).toMatchObject({ code: 'foreign-origin' });
      }),
    );
    expect(checkOrigin({}, 7)?.code).toBe('foreign-host');
  });

  it('takes an origin of its own pages only', () => {
    const host = '127.0.0.1:7';
    expect(checkOrigin({ host, origin: 'http://127.0.0.1:7' }, 7)).toBeUndefined();
    for (const origin of [
      'null',
      '',
      'https://127.0.0.1:7',
      'http://127.0.0.1:8',
      'http://127.0.0.1:7/',
      'http://a@127.0.0.1:7',
    ]) {
      expect(checkOrigin({ host, origin }, 7)?.code).toBe('foreign-origin');
    }
  });

  it('reads a bearer token and nothing that only looks like one', () => {
    expect(bearerOf('Bearer abc')).toBe('abc');
    expect(bearerOf('bearer   abc')).toBe('abc');
    for (const text of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Basic abc',
      'Bearer a b',
      'Bearer a,Bearer b',
      ' Bearer abc',
    ]) {
      expect(bearerOf(text)).toBeUndefined();
    }
  });

  it('says who is asking', () => {
    expect(admit({ headers, endpoint: all }, known, policy)).toEqual({ ok: true, app: cursor });
    expect(admit({ headers, endpoint: all }, known, undefined)).toEqual({ ok: true, app: cursor });
  });

  it('says in words why not, and whom to ask', () => {
    const rejected = (authorization: string | undefined, endpoint = endpointOf('/mcp')) =>
      admit({ headers: { authorization }, endpoint: endpoint ?? all }, known, policy);
    expect(rejected(undefined)).toMatchObject({ code: 'no-token', httpStatus: 401 });
    expect(rejected('Bearer bad')).toMatchObject({ code: 'unknown-token', httpStatus: 401 });
    expect(rejected('Bearer other')).toEqual({
      ok: false,
      code: 'app-not-allowed',
      httpStatus: 403,
      message: 'Your organisation does not allow Other to use Gatehouse. Ask it@acme.example.',
    });
    expect(rejected('Bearer good', endpointOf('/mcp/large'))).toMatchObject({
      code: 'unknown-endpoint',
      httpStatus: 404,
    });
    expect(rejected('Bearer good', endpointOf('/mcp/~slack'))).toMatchObject({ code: 'unknown-endpoint' });
    expect(rejected('Bearer good', endpointOf('/mcp/small')).ok).toBe(true);
    expect(rejected('Bearer good', endpointOf('/mcp/~github')).ok).toBe(true);
  });

  it('never repeats a token', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{8,60}$/), (token) => {
        const answer = admit({ headers: { authorization: `Bearer ${token}` }, endpoint: all }, () => undefined, policy);
        expect(JSON.stringify(answer)).not.toContain(token);
      }),
    );
  });
});

describe('when a path names an endpoint', () => {
  it('knows three kinds', () => {
    expect(endpointOf('/mcp')).toEqual({ kind: 'all' });
    expect(endpointOf('/mcp?x=1')).toEqual({ kind: 'all' });
    expect(endpointOf('/mcp/small')).toEqual({ kind: 'profile', profile: 'small' });
    expect(endpointOf('/mcp/~git-hub')).toEqual({ kind: 'alias', alias: 'git-hub' });
  });

  it('never takes one for another', () => {
    const keys = ['/mcp', '/mcp/a', '/mcp/~a', '/mcp/b'].map((path) => {
      const endpoint = endpointOf(path);
      return endpoint === undefined ? undefined : endpointKey(endpoint);
    });
    expect(new Set(keys).size).toBe(4);
    fc.assert(
      fc.property(fc.string(), (text) => {
        const endpoint = endpointOf(text);
        if (endpoint !== undefined) expect(text.startsWith('/mcp')).toBe(true);
      }),
    );
  });
});
