import { describe, expect, it } from 'vitest';
import { parsePolicyDocument } from '../../../main/policy/document.ts';

const least = { schema: 1, organisation: 'Acme', contact: 'it@acme.example' };
const problems = (value: unknown) => {
  const parsed = parsePolicyDocument(JSON.stringify(value));
  return parsed.ok ? [] : parsed.problems;
};

describe('when policy.json says only what it must', () => {
  it('fills in every default', () => {
    const parsed = parsePolicyDocument(JSON.stringify(least));
    expect(parsed).toEqual({
      ok: true,
      value: {
        ...least,
        identity: { users: {} },
        profiles: [],
        approvals: { timeoutSeconds: 60, remember: ['call', 'session'], message: '' },
        apps: { allowed: ['*'] },
        names: { prefix: 'always' },
        serverRequests: { allowed: ['elicitation', 'sampling', 'roots'] },
        resilience: { deadlineSeconds: 120 },
        gateway: {
          bodyBytes: 16_777_216,
          sessionsPerApp: 256,
          streamsPerSession: 4,
          streamsPerApp: 64,
          callsPerApp: 256,
          parkedPerApp: 32,
          parkedSeconds: 600,
          batch: 50,
          depth: 200,
        },
        guard: { resultBytes: 10_485_760 },
        sync: { refreshSeconds: 900, graceSeconds: 0 },
        audit: { payloads: 'full' },
      },
    });
  });
});

describe('when policy.json has mistakes', () => {
  it('names every one of them, not only the first', () => {
    const found = problems({
      schema: 2,
      organisation: 7,
      contcat: 'x',
      identity: { users: { alice: ['a', 3], bob: 'staff' } },
      approvals: { timeout: 30, timeoutSeconds: 4, remember: ['call', 'call'] },
      apps: [],
      profiles: [{ name: 'A b', title: 'x', tools: ['github'] }],
      audit: { payloads: 'none' },
    });
    expect(found.map((p) => `${p.path} ${p.expected} | ${p.found}`).sort()).toEqual([
      '/approvals/remember each of "call" and "session" at most once | a list of 2',
      '/approvals/timeout one of timeoutSeconds, remember, message | the unknown field "timeout"',
      '/approvals/timeoutSeconds a whole number from 5 to 600 | number 4',
      '/apps an object | a list of 0',
      '/audit/payloads "full" or "digest" | text "none"',
      '/contact text | nothing',
      '/contcat one of schema, organisation, contact, identity, profiles, approvals, apps, names, serverRequests, resilience, gateway, guard, sync, audit | the unknown field "contcat"',
      '/identity/users/alice/1 a group name | number 3',
      '/identity/users/bob a list of group names | text "staff"',
      '/organisation text | number 7',
      '/profiles/0/name a name of a–z, 0–9 and "-", at most 32 characters | text "A b"',
      '/profiles/0/tools/0 "alias.*", "alias.tool_name", "alias.prompts/name" or "alias.resources/*" | text "github"',
      '/schema the number 1 | number 2',
    ]);
    expect(found.find((p) => p.path === '/contcat')?.advice).toBe('Did you mean "contact"?');
    expect(found.find((p) => p.path === '/approvals/timeout')?.advice).toBe('Did you mean "timeoutSeconds"?');
  });

  it.each([[null], [[]], ['x'], [7]])('refuses %j for a document', (value) => {
    expect(problems(value)[0]).toMatchObject({ path: '', expected: 'an object' });
  });

  it('refuses a field named after a prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const text = `{"schema":1,"organisation":"A","contact":"c",${JSON.stringify(name)}:{"polluted":true}}`;
      const parsed = parsePolicyDocument(text);
      expect(parsed.ok, name).toBe(false);
    }
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('refuses profile names that would share an endpoint, and text that breaks a line', () => {
    const profile = { name: 'sales', title: 'Sales', tools: ['crm.*'] };
    expect(problems({ ...least, profiles: [profile, profile] })[0]?.expected).toBe('each profile name once');
    expect(problems({ ...least, contact: 'it@acme\nallow everything' })[0]?.path).toBe('/contact');
  });

  it('refuses a field given twice instead of taking the last', () => {
    const parsed = parsePolicyDocument('{"schema":1,"organisation":"A","contact":"a","contact":"b"}');
    expect(parsed).toMatchObject({ ok: false, code: 'not-json', problems: [{ path: 'policy.json:1:46' }] });
  });
});

describe('when policy.json says how names and servers behave', () => {
  const parse = (more: object) => {
    const parsed = parsePolicyDocument(JSON.stringify({ ...least, ...more }));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.value;
  };

  it('takes every value there is', () => {
    for (const prefix of ['always', 'on-collision']) expect(parse({ names: { prefix } }).names).toEqual({ prefix });
    for (const allowed of [[], ['roots'], ['sampling', 'elicitation'], ['elicitation', 'sampling', 'roots']]) {
      expect(parse({ serverRequests: { allowed } }).serverRequests).toEqual({ allowed });
    }
    const profile = { name: 'p', title: 'P', tools: ['a.*', 'a.prompts/*', 'a.prompts/x', 'a.resources/*'] };
    expect(parse({ profiles: [profile] }).profiles).toEqual([{ ...profile, search: false }]);
    expect(parse({ profiles: [{ ...profile, search: true }] }).profiles).toEqual([{ ...profile, search: true }]);
  });

  it('names what it does not know, and what was probably meant', () => {
    const profile = { name: 'p', title: 'P', tools: ['a.*'] };
    expect(
      problems({
        ...least,
        names: { prefix: 'never', prefx: 'always' },
        serverRequests: { allowed: ['elicitation', 'elicitation', 'ping'], allow: [] },
        profiles: [{ ...profile, search: 'yes', serach: true }],
      }).map((p) => `${p.path} ${p.expected} | ${p.found}${p.advice === undefined ? '' : ` (${p.advice})`}`),
    ).toEqual([
      '/profiles/0/search true or false | text "yes"',
      '/profiles/0/serach one of name, title, tools, search | the unknown field "serach" (Did you mean "search"?)',
      '/names/prefix "always" or "on-collision" | text "never"',
      '/names/prefx one of prefix | the unknown field "prefx" (Did you mean "prefix"?)',
      '/serverRequests/allowed/2 "elicitation" or "sampling" or "roots" | text "ping"',
      '/serverRequests/allow one of allowed | the unknown field "allow" (Did you mean "allowed"?)',
    ]);
    expect(problems({ ...least, serverRequests: { allowed: ['roots', 'roots'] } })).toMatchObject([
      { path: '/serverRequests/allowed', expected: 'each of "elicitation", "sampling" and "roots" at most once' },
    ]);
    expect(problems({ ...least, serverRequest: {} })[0]?.advice).toBe('Did you mean "serverRequests"?');
    for (const wrong of [null, [], 'all', { allowed: 'elicitation' }, { allowed: null }]) {
      expect(problems({ ...least, serverRequests: wrong }).length, JSON.stringify(wrong)).toBe(1);
    }
  });
});

describe('when policy.json sets limits of the gateway', () => {
  const ranges: [string, number, number][] = [
    ['bodyBytes', 1024, 67_108_864],
    ['sessionsPerApp', 1, 4096],
    ['streamsPerSession', 1, 64],
    ['streamsPerApp', 1, 1024],
    ['callsPerApp', 1, 4096],
    ['parkedPerApp', 1, 1024],
    ['parkedSeconds', 10, 3600],
    ['batch', 1, 1000],
    ['depth', 16, 512],
  ];

  it.each(ranges)('takes %s from %i to %i and nothing beside', (name, low, high) => {
    const expected = `a whole number from ${low} to ${high}`;
    for (const good of [low, high]) expect(problems({ ...least, gateway: { [name]: good } })).toEqual([]);
    for (const bad of [low - 1, high + 1, low + 0.5, String(low), null]) {
      const [first, ...more] = problems({ ...least, gateway: { [name]: bad } });
      expect(first, String(bad)).toMatchObject({ path: `/gateway/${name}`, expected });
      expect(more).toEqual([]);
    }
  });

  it('says which limit a misspelt one probably meant', () => {
    expect(problems({ ...least, gateway: { sessionPerApp: 3 } })).toMatchObject([
      { path: '/gateway/sessionPerApp', advice: 'Did you mean "sessionsPerApp"?' },
    ]);
  });
});

describe('when users have unusual names', () => {
  it('keeps them as plain names', () => {
    const parsed = parsePolicyDocument(
      '{"schema":1,"organisation":"A","contact":"c","identity":{"users":{"__proto__":["staff"],"constructor":[]}}}',
    );
    if (!parsed.ok) throw new Error('expected a document');
    expect(Object.keys(parsed.value.identity.users)).toEqual(['__proto__', 'constructor']);
    expect(Object.hasOwn(parsed.value.identity.users, 'toString')).toBe(false);
  });

  it('names people once, however they are spelled', () => {
    expect(problems({ ...least, identity: { users: { Alice: [], bob: [], alice: [], ALICE: ['x'] } } })).toEqual(
      ['alice', 'ALICE'].map((name) => ({
        path: `/identity/users/${name}`,
        expected: 'each account name once; upper and lower case are the same account, and "Alice" is there already',
        found: name === 'alice' ? 'a list of 0' : 'a list of 1',
      })),
    );
  });
});
