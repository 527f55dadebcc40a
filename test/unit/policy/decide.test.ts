import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../main/policy/canonical.ts';
import {
  compileSnapshot,
  type DecisionRequest,
  decide,
  type PolicySnapshot,
  userOf,
} from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { starterCedar, starterDocument } from '../../../main/policy/starter.ts';
import { definition, manifestText, server, snapshotOf } from '../../fixtures/policy/organisation.ts';

const text = { type: 'string' };
const files = (more: JsonObject = {}) =>
  server(
    'files',
    [
      definition('read', { path: text, size: { type: 'number' } }),
      definition('write', { path: text }),
      definition('secret'),
    ],
    {
      title: 'Files',
      ...more,
    },
  );
const all = 'permit (principal, action, resource);';

function request(snapshot: PolicySnapshot, more: Partial<DecisionRequest> = {}): DecisionRequest {
  return {
    question: 'call',
    user: userOf(snapshot, 'alice'),
    app: 'Claude',
    alias: 'files',
    tool: 'read',
    args: {},
    at: 0,
    ...more,
  };
}
const ask = (cedar: string, more: Partial<DecisionRequest> = {}, document: JsonObject = {}, servers = [files()]) => {
  const snapshot = snapshotOf(cedar, servers, document);
  return decide(snapshot, request(snapshot, more));
};

describe('when a call is decided', () => {
  it('denies by default, in plain words, and says whom to ask', () => {
    expect(ask('permit (principal, action in Action::"discover", resource);')).toEqual({
      effect: 'deny',
      code: 'policy-denied',
      rules: [],
      reason: 'Acme has not given you permission for this use of "read" of Files.',
      contact: 'it@acme.example',
      obligations: [],
    });
  });

  it('allows only what both call and unattended permit', () => {
    const seen = 'permit (principal, action in [Action::"discover", Action::"call"], resource);';
    expect(ask(all)).toMatchObject({ effect: 'allow', code: 'allowed' });
    expect(ask(seen)).toMatchObject({ effect: 'ask', reason: 'Acme wants you to confirm "read" of Files each time.' });
    expect(ask('permit (principal, action in [Action::"discover", Action::"unattended"], resource);').effect).toBe(
      'deny',
    );
  });

  it('gives the reason and contact of the rule that forbids', () => {
    const cedar = `${all} @id("no-writes") @reason("Files are read-only here.") @contact("storage@acme")
      forbid (principal, action in Action::"call", resource) when { resource.name == "write" };`;
    expect(ask(cedar, { tool: 'write' })).toEqual({
      effect: 'deny',
      code: 'policy-denied',
      rules: [{ id: 'no-writes', reason: 'Files are read-only here.' }],
      reason: 'Files are read-only here.',
      contact: 'storage@acme',
      obligations: [],
    });
    expect(ask(cedar).effect).toBe('allow');
  });

  it('decides by the arguments, both ways, call after call', () => {
    const snapshot = snapshotOf(
      `${all} forbid (principal, action == Action::"call:files.read", resource) when { context.args has path && context.args.path like "/etc/*" };
       forbid (principal, action == Action::"unattended:files.read", resource) when { context.args has path && context.args.path like "/home/*" };`,
      [files()],
    );
    const effect = (path: string) => decide(snapshot, request(snapshot, { args: { path } })).effect;
    for (const round of [1, 2]) {
      expect(effect('/tmp/a'), `round ${round}`).toBe('allow');
      expect(effect('/etc/passwd')).toBe('deny');
      expect(effect('/home/alice')).toBe('ask');
    }
    const unknown = decide(snapshot, {
      ...request(snapshot),
      question: 'call',
      args: undefined,
    } as unknown as DecisionRequest);
    expect(unknown).toMatchObject({ effect: 'deny', code: 'depends-on-arguments' });
  });

  it('refuses when a rule cannot be applied, and does not ask the person instead', () => {
    for (const question of ['call', 'unattended']) {
      const cedar = `${all} @id("big") @reason("Too big.") forbid (principal, action == Action::"${question}:files.read", resource)
        when { context.args has size && context.args.size.greaterThan(decimal("10.0")) };`;
      const decision = ask(cedar, { args: { size: 0.00001 } });
      expect(decision).toMatchObject({ effect: 'deny', code: 'policy-denied' });
      expect(decision.reason).toMatch(
        /^A rule about "read" of Files could not be applied, so the call was refused: argument \/size/,
      );
      expect(ask(cedar, { args: { size: 10.5 } })).toMatchObject({
        effect: question === 'call' ? 'deny' : 'ask',
        reason: 'Too big.',
      });
    }
  });
});

describe('when a tool must stay out of sight', () => {
  const hidden = `${all} @id("hush") @reason("Secret project.") @contact("sec@acme") forbid (principal, action in Action::"discover", resource) when { resource.name == "secret" };`;

  it('answers for it exactly as for a tool that never was', () => {
    const snapshot = snapshotOf(hidden, [files(), server('old', [definition('read')], { state: 'revoked' })], {
      profiles: [{ name: 'small', title: 'Small', tools: ['files.read'] }],
    });
    const answer = (alias: string, tool: string, more: Partial<DecisionRequest> = {}) =>
      JSON.stringify(decide(snapshot, request(snapshot, { alias, tool, ...more }))).replace(`${alias}.${tool}`, 'X');
    for (const question of ['discover', 'call'] as const) {
      const unknown = answer('files', 'nothing', { question });
      expect(unknown).toContain('"code":"unknown-tool","rules":[]');
      expect(answer('files', 'secret', { question })).toBe(unknown);
      expect(answer('nobody', 'read', { question })).toBe(unknown);
      expect(answer('old', 'read', { question })).toBe(unknown);
      expect(answer('files', 'write', { question, profile: 'small' })).toBe(unknown);
      expect(answer('files', 'read', { question, profile: 'none' })).toBe(unknown);
      expect(answer('files', '__proto__', { question })).toBe(unknown);
      expect(answer('files', 'constructor', { question })).toBe(unknown);
      expect(answer('files', 'rеad', { question })).toBe(unknown);
    }
  });

  it('shows what the profile holds', () => {
    const profiles = [
      { name: 'small', title: 'Small', tools: ['files.read'] },
      { name: 'whole', title: 'Whole', tools: ['files.*'] },
    ];
    const effect = (profile: string, tool: string) => ask(all, { profile, tool }, { profiles }).effect;
    expect([effect('small', 'read'), effect('small', 'write'), effect('whole', 'write')]).toEqual([
      'allow',
      'deny',
      'allow',
    ]);
  });
});

describe('when an app asks', () => {
  it('is refused for every tool alike unless the policy names it', () => {
    const document = { apps: { allowed: ['Claude', 'Cursor'] } };
    expect(ask(all, {}, document).effect).toBe('allow');
    for (const app of ['claude', 'Evil', '', '*', '__proto__']) {
      const decision = ask(all, { app }, document);
      expect(decision).toMatchObject({ effect: 'deny', code: 'app-not-allowed', rules: [] });
      expect(ask(all, { app, tool: 'nothing' }, document)).toEqual(decision);
    }
  });

  it('can be told apart in rules', () => {
    const cedar = `${all} forbid (principal, action in Action::"call", resource) when { context.app == "Cursor" || (context has profile && context.profile == "p") };`;
    const profiles = [{ name: 'p', title: 'P', tools: ['files.*'] }];
    const snapshot = snapshotOf(cedar, [files()], { profiles });
    const effect = (more: Partial<DecisionRequest>) => decide(snapshot, request(snapshot, more)).effect;
    expect([effect({}), effect({ app: 'Cursor' }), effect({ profile: 'p' }), effect({})]).toEqual([
      'allow',
      'deny',
      'deny',
      'allow',
    ]);
  });
});

describe('when people are told apart', () => {
  const cedar = 'permit (principal in Group::"staff", action, resource);';
  const document = { identity: { users: { alice: ['staff'], bob: [] } } };

  it('takes groups from the policy and from nowhere else', () => {
    const snapshot = snapshotOf(cedar, [files()], document);
    const effect = (account: string) => decide(snapshot, request(snapshot, { user: userOf(snapshot, account) })).effect;
    expect([effect('alice'), effect('bob'), effect('eve')]).toEqual(['allow', 'deny', 'deny']);
    expect(userOf(snapshot, 'constructor')).toEqual({ id: 'constructor', groups: [] });
    expect(userOf(snapshot, '__proto__').groups).toEqual([]);
  });

  it('takes an account for the same person however its name is spelled', () => {
    const named = { identity: { users: { Alice: ['staff'] } } };
    const snapshot = snapshotOf(
      `${all} forbid (principal == User::"Alice", action in Action::"call", resource);
       forbid (principal == User::"eve", action in Action::"call", resource);`,
      [files()],
      JSON.parse(JSON.stringify(named)),
    );
    for (const account of ['Alice', 'alice', 'ALICE', 'ａｌｉｃｅ', 'eve', 'Eve', 'EVE']) {
      const user = userOf(snapshot, account);
      expect(decide(snapshot, request(snapshot, { user })).effect, account).toBe('deny');
    }
    expect(userOf(snapshot, 'ALICE')).toEqual({ id: 'Alice', groups: ['staff'] });
    expect(userOf(snapshot, 'Bob')).toEqual({ id: 'bob', groups: [] });
    expect(decide(snapshot, request(snapshot, { user: userOf(snapshot, 'Bob') })).effect).toBe('allow');
  });

  it.each(['Alice', 'EVE'])('refuses a rule about User::"%s", a spelling no person ever has', (name) => {
    const compiled = compileSnapshot({
      organisation: 'Acme',
      version: 1,
      policyJson: JSON.stringify({ ...starterDocument('Acme', 'it@acme.example'), ...document }),
      policyCedar: `${all} forbid (principal, action, resource) when { principal == User::"${name}" };`,
      manifestJson: manifestText(files()),
    });
    if (compiled.ok) throw new Error('expected a problem');
    expect(compiled.problems).toEqual([
      expect.objectContaining({
        file: 'policy.cedar',
        expected: `User::"${name.toLowerCase()}"`,
        found: `User::"${name}"`,
      }),
    ]);
  });

  it('remembers no answer of one person for another of the same name but other groups', () => {
    const snapshot = snapshotOf(cedar, [files()], document);
    const effect = (groups: string[]) => decide(snapshot, request(snapshot, { user: { id: 'alice', groups } })).effect;
    expect([effect(['staff']), effect([]), effect(['staff', 'x']), effect(['staff,x'])]).toEqual([
      'allow',
      'deny',
      'allow',
      'deny',
    ]);
  });
});

describe('when a snapshot is compiled', () => {
  const source = (more: JsonObject = {}) => ({
    organisation: 'Acme',
    version: 3,
    policyJson: JSON.stringify(starterDocument('Acme', 'it@acme.example')),
    policyCedar: starterCedar('Acme'),
    manifestJson: manifestText(files()),
    ...more,
  });

  it('is named by exactly what was in force', () => {
    const { policyJson, policyCedar, manifestJson } = source();
    const compiled = compileSnapshot(source());
    const digest = sha256Hex([policyJson, policyCedar, manifestJson].map(sha256Hex).join('\n'));
    expect(compiled).toMatchObject({ ok: true, value: { organisation: 'Acme', version: 3, digest } });
  });

  it('reports every document’s problems together, each with its file', () => {
    const compiled = compileSnapshot(source({ policyJson: '{}', policyCedar: 'permit (' }));
    if (compiled.ok) throw new Error('expected problems');
    expect([...new Set(compiled.problems.map((p) => p.file))]).toEqual(['policy.json', 'policy.cedar']);
    const broken = compileSnapshot(source({ policyJson: '{', manifestJson: '{"schema":1,"servers":[{}]}' }));
    if (broken.ok) throw new Error('expected problems');
    expect([...new Set(broken.problems.map((p) => p.file))]).toEqual(['policy.json', 'manifest.json']);
  });

  it('gives the same decisions as another snapshot of the same text, asked in another order', () => {
    const cedar = `${starterCedar('Acme')} forbid (principal, action, resource) when { resource.name == "secret" };`;
    const [one, two] = [snapshotOf(cedar, [files()]), snapshotOf(cedar, [files()])];
    const requests = ['read', 'write', 'secret', 'nothing'].flatMap((tool) =>
      (['discover', 'call'] as const).map((question) => ({ tool, question })),
    );
    const forwards = requests.map((r) => decide(one, request(one, r)));
    const backwards = [...requests].reverse().map((r) => decide(two, request(two, r)));
    expect(backwards.reverse()).toEqual(forwards);
    expect(requests.map((r) => decide(one, request(one, r)))).toEqual(forwards);
  });

  it('gives the same decision whatever it was asked before, however alike the names are', () => {
    const tools = ['a', 'ab', 'b', '1:a'].map((name) => definition(name, { path: text }));
    const servers = ['x', 'xa'].map((alias) => server(alias, tools, { title: alias }));
    const rules = [
      all,
      'forbid (principal, action in Action::"call", resource) when { context.app == "b" };',
      'forbid (principal, action in Action::"discover", resource) when { context.app == "ab" && resource.name == "b" };',
      'forbid (principal, action == Action::"unattended:x.a", resource) when { context.args has path && context.args.path == "ask" };',
      'forbid (principal, action == Action::"call:xa.ab", resource) when { context has profile && context.profile == "p" };',
    ].join('\n');
    const profiles = {
      profiles: [
        { name: 'p', title: 'P', tools: ['x.*', 'xa.ab'] },
        { name: 'pp', title: 'PP', tools: ['x.a'] },
      ],
    };
    const fresh = () => snapshotOf(rules, servers, profiles);
    const warm = fresh();
    const names = fc.constantFrom('a', 'ab', 'b', '1:a', 'zz');
    fc.assert(
      fc.property(
        fc.record(
          {
            question: fc.constantFrom('discover' as const, 'call' as const),
            app: names,
            alias: fc.constantFrom('x', 'xa', ''),
            tool: names,
            args: fc.constantFrom({}, { path: 'ask' }, { path: 'other' }),
            profile: fc.constantFrom('p', 'pp', ''),
            account: names,
          },
          { requiredKeys: ['question', 'app', 'alias', 'tool', 'account'] },
        ),
        ({ account, ...asked }) => {
          const of = (snapshot: PolicySnapshot) =>
            decide(snapshot, { at: 0, ...asked, user: userOf(snapshot, account) });
          expect(of(warm)).toEqual(of(fresh()));
        },
      ),
      { numRuns: 300 },
    );
  });
});
