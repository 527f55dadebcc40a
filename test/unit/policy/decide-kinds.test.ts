import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecisionRequest, decide, type PolicySnapshot, userOf } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { starterCedar } from '../../../main/policy/starter.ts';
import { definition, pins, prompt, server, snapshotOf, template } from '../../fixtures/policy/organisation.ts';

const all = 'permit (principal, action, resource);';
const uri = 'file:///docs/a';
const files = (more: JsonObject = {}) =>
  server('files', [definition('read'), definition('review'), definition('prompts/review'), definition('resources/*')], {
    title: 'Files',
    prompts: pins([prompt('review', ['path']), prompt('plain'), prompt('secret')]),
    resourceTemplates: pins([template('file:///docs/{name}')], 'uriTemplate'),
    resources: 'as-shown',
    ...more,
  });
const bare = server('bare', [definition('read')], { title: 'Bare' });

function request(snapshot: PolicySnapshot, more: Partial<DecisionRequest> = {}): DecisionRequest {
  const { kind = 'prompt' } = more;
  return {
    question: 'call',
    user: userOf(snapshot, 'alice'),
    app: 'Claude',
    alias: 'files',
    kind,
    tool: kind === 'resource' ? '' : 'review',
    args: kind === 'resource' ? { uri } : { path: '/a' },
    at: 0,
    ...more,
  };
}
/** The request before it is known what is asked: while listing, or to say beforehand what would happen. */
function without(snapshot: PolicySnapshot, more: Partial<DecisionRequest>): DecisionRequest {
  const { args: _, ...rest } = request(snapshot, more);
  return rest;
}
const ask = (
  cedar: string,
  more: Partial<DecisionRequest> = {},
  document: JsonObject = {},
  servers: readonly JsonObject[] = [files(), bare],
) => {
  const snapshot = snapshotOf(cedar, servers, document);
  return decide(snapshot, request(snapshot, more));
};
const read = { kind: 'resource' } as const;

describe('when a prompt or a resource is asked for', () => {
  it('is denied by default, in words that fit', () => {
    const seen = 'permit (principal, action in Action::"discover", resource);';
    const base = { effect: 'deny', code: 'policy-denied', rules: [], contact: 'it@acme.example', obligations: [] };
    expect(ask(seen)).toEqual({
      ...base,
      reason: 'Acme has not given you permission for this use of the prompt "review" of Files.',
    });
    expect(ask(seen, read)).toEqual({
      ...base,
      reason: 'Acme has not given you permission for reading "file:///docs/a" of Files.',
    });
  });

  it('is allowed in words that fit', () => {
    const snapshot = snapshotOf(all, [files()]);
    const reason = (more: Partial<DecisionRequest>) => decide(snapshot, request(snapshot, more)).reason;
    expect(reason({ question: 'discover' })).toBe('You may see the prompt "review" of Files.');
    expect(reason({})).toBe('You may use the prompt "review" of Files.');
    expect(reason(read)).toBe('You may read "file:///docs/a" of Files.');
    expect(reason({ kind: 'tool', tool: 'read' })).toBe('You may use "read" of Files.');
    const whole = (question: 'discover' | 'call') => decide(snapshot, without(snapshot, { ...read, question })).reason;
    expect(whole('discover')).toBe('You may see the resources of Files.');
    expect(whole('call')).toBe('You may read the resources of Files.');
  });

  it('asks the person where the policy wants it', () => {
    const seen = 'permit (principal, action in [Action::"discover", Action::"call"], resource);';
    expect(ask(seen)).toMatchObject({
      effect: 'ask',
      code: 'ask',
      reason: 'Acme wants you to confirm the prompt "review" of Files each time.',
    });
    expect(ask(seen, read).reason).toBe('Acme wants you to confirm reading "file:///docs/a" of Files each time.');
    expect(ask(starterCedar('Acme')).effect).toBe('allow');
    expect(ask(starterCedar('Acme'), read).effect).toBe('allow');
    expect(ask(starterCedar('Acme'), { kind: 'tool', tool: 'read' }).effect).toBe('ask');
  });

  it('shows an address without what it hides, and not at any length', () => {
    expect(ask(all, { ...read, args: { uri: `x:\u202ea\n${'y'.repeat(100)}` } }).reason).toBe(
      `You may read "x:\\u{202e}a\\u{a}${'y'.repeat(54)}…" of Files.`,
    );
  });

  it('depends on arguments where a rule reads them', () => {
    const rules = `${all} forbid (principal, action == Action::"call:prompt:files.review", resource) when { context.args.path like "/etc/*" };
      forbid (principal, action == Action::"unattended:resource:files", resource) when { context.args.uri like "file:///docs/secret*" };`;
    const snapshot = snapshotOf(rules, [files()]);
    const undecided = (more: Partial<DecisionRequest>) => decide(snapshot, without(snapshot, more));
    expect(undecided({})).toMatchObject({
      effect: 'deny',
      code: 'depends-on-arguments',
      reason: 'Whether you may use the prompt "review" of Files depends on what is asked of it.',
    });
    expect(undecided(read)).toMatchObject({
      code: 'depends-on-arguments',
      reason: 'Whether you may read the resources of Files depends on which of them it is.',
    });
    expect(undecided({ tool: 'plain' }).effect).toBe('allow');
    expect(undecided({ kind: 'tool', tool: 'review' }).effect).toBe('allow');
    const effect = (more: Partial<DecisionRequest>) => decide(snapshot, request(snapshot, more)).effect;
    for (const round of [1, 2]) {
      expect(effect({ args: { path: '/etc/x' } }), `round ${round}`).toBe('deny');
      expect(effect({ args: { path: '/tmp/x' } })).toBe('allow');
      expect(effect({ ...read, args: { uri: 'file:///docs/secret' } })).toBe('ask');
      expect(effect({ ...read, args: { uri: 'file:///docs/open' } })).toBe('allow');
    }
  });

  it('is refused when a rule cannot be applied, and says so', () => {
    const rules = `${all} @id("etc") forbid (principal, action in Action::"call", resource is Resource) when { context.args.uri like "file:///etc/*" };
      forbid (principal, action == Action::"call:prompt:files.review", resource) when { context.args.path == "x" };`;
    expect(ask(rules, { ...read, args: { uri: 'file:///docs/../etc/passwd' } })).toMatchObject({
      effect: 'deny',
      code: 'policy-denied',
      reason:
        'A rule about reading "file:///docs/../etc/passwd" of Files could not be applied, so the call was refused: argument /uri: expected an address without "." and ".." in its path, found text "file:///docs/../etc/passwd".',
    });
    expect(ask(rules, { ...read, args: {} }).effect).toBe('deny');
    expect(ask(rules, { args: {} }).reason).toMatch(
      /^A rule about the prompt "review" of Files could not be applied, so the call was refused: /,
    );
  });
});

describe('when something must stay out of sight', () => {
  const hidden = `${all} @reason("Hush.") forbid (principal, action in Action::"discover", resource) when { resource.name == "secret" };
    forbid (principal, action in Action::"discover", resource == Resource::"hush");`;
  const servers = [
    files(),
    bare,
    files({ alias: 'old', state: 'revoked' }),
    files({ alias: 'hush' }),
    files({ alias: 'open', resources: 'none', resourceTemplates: {} }),
    files({ alias: 'some', resources: 'none' }),
  ];
  const profiles = [{ name: 'small', title: 'Small', tools: ['files.read'] }];

  it('is answered for exactly as what never was', () => {
    const snapshot = snapshotOf(hidden, servers, { profiles });
    const answer = (more: Partial<DecisionRequest>) => {
      const asked = request(snapshot, more);
      const name = asked.kind === 'resource' ? `"${asked.alias}"` : `"${asked.alias}.${asked.tool}"`;
      return JSON.stringify(decide(snapshot, asked)).replace(JSON.stringify(name).slice(1, -1), 'X');
    };
    for (const question of ['discover', 'call'] as const) {
      const noPrompt = answer({ question, tool: 'nothing' });
      expect(noPrompt).toContain('"code":"unknown-tool","rules":[],"reason":"There is no prompt X for you here."');
      for (const more of [
        { tool: 'secret' },
        { alias: 'nobody' },
        { alias: 'bare' },
        { alias: 'bare', tool: 'read' },
        { alias: 'old' },
        { tool: 'read' },
        { tool: '__proto__' },
        { tool: 'constructor' },
        { tool: '' },
        { profile: 'small' },
        { profile: 'none' },
      ]) {
        expect(answer({ question, ...more }), JSON.stringify(more)).toBe(noPrompt);
      }
      const noResource = answer({ ...read, question, alias: 'nobody' });
      expect(noResource).toContain(
        '"code":"unknown-tool","rules":[],"reason":"There is no resource \\"file:///docs/a\\" of X for you here."',
      );
      for (const more of [
        { alias: 'bare' },
        { alias: 'old' },
        { alias: 'hush' },
        { alias: 'open' },
        { profile: 'small' },
        { profile: 'none' },
        { alias: '__proto__' },
      ]) {
        expect(answer({ ...read, question, ...more }), JSON.stringify(more)).toBe(noResource);
      }
    }
    const listing = without(snapshot, { ...read, question: 'discover', alias: 'bare' });
    expect(decide(snapshot, listing).reason).toBe('There are no resources of "bare" for you here.');
  });

  it('lets read what a pinned template describes, and nothing else, where no list is approved', () => {
    const snapshot = snapshotOf(hidden, servers);
    const reads = (args: JsonObject) => decide(snapshot, request(snapshot, { ...read, alias: 'some', args })).code;
    expect(reads({ uri: 'file:///docs/a' })).toBe('allowed');
    for (const other of [
      'file:///etc/passwd',
      'file:///docs/../etc',
      'file:///docs/..',
      'file:///docs/%2E%2E',
      'file:///docs/..%2Fetc',
      'FILE:///docs/a',
      'file:///docs/a/b',
      'file:///docs/.\t./etc',
      '',
    ]) {
      expect(reads({ uri: other }), other).toBe('unknown-tool');
    }
    for (const args of [{}, { uri: 7 }, { uri: [uri] }]) expect(reads(args)).toBe('unknown-tool');
    const listing = without(snapshot, { ...read, question: 'discover', alias: 'some' });
    expect(decide(snapshot, listing).effect).toBe('allow');
  });

  it.each([
    ['http://example.com{?x}', 'http://example.com?x=1'],
    ['Repo://{owner}/{name}', 'Repo://a/b'],
    ['file:///{name}', 'file:///a%2fb'],
    ['docs://über', 'docs://über'],
  ])('asks no plain form of an address of %s unless a rule reads it', (uriTemplate, address) => {
    const resourceTemplates = pins([template(uriTemplate)], 'uriTemplate');
    const some = [files({ resources: 'none', resourceTemplates })];
    const decided = (rules: string) => {
      const snapshot = snapshotOf(rules, some);
      return decide(snapshot, request(snapshot, { ...read, args: { uri: address } }));
    };
    expect(decided(all).code).toBe('allowed');
    const reading = `${all} forbid (principal, action in Action::"call", resource == Resource::"files") when { context.args.uri == "x://y" };`;
    expect(decided(reading)).toMatchObject({ effect: 'deny', reason: expect.stringContaining('could not be applied') });
  });

  it('is refused for an app that is not approved, whatever the kind', () => {
    const document = { apps: { allowed: ['Cursor'] } };
    expect(ask(all, {}, document)).toMatchObject({ effect: 'deny', code: 'app-not-allowed' });
    expect(ask(all, read, document)).toEqual(ask(all, { tool: 'nothing' }, document));
  });
});

describe('when a profile holds a slice', () => {
  const asked: readonly (Partial<DecisionRequest> & { readonly as: string })[] = [
    { as: 'tool read', kind: 'tool', tool: 'read' },
    { as: 'tool review', kind: 'tool', tool: 'review' },
    { as: 'tool prompts/review', kind: 'tool', tool: 'prompts/review' },
    { as: 'tool resources/*', kind: 'tool', tool: 'resources/*' },
    { as: 'prompt review', kind: 'prompt', tool: 'review' },
    { as: 'prompt plain', kind: 'prompt', tool: 'plain' },
    { as: 'resource', kind: 'resource', tool: '' },
  ];
  const held = (...tools: string[]) => {
    const snapshot = snapshotOf(all, [files(), bare], { profiles: [{ name: 'p', title: 'P', tools }] });
    return asked
      .filter(({ as: _, ...more }) => decide(snapshot, request(snapshot, { ...more, profile: 'p' })).effect === 'allow')
      .map(({ as }) => as);
  };

  it('holds everything of a server, or what it names', () => {
    expect(held('files.*')).toEqual(asked.map(({ as }) => as));
    expect(held('files.read')).toEqual(['tool read']);
    expect(held('files.prompts/*')).toEqual(['prompt review', 'prompt plain']);
    expect(held('files.prompts/review')).toEqual(['prompt review']);
    expect(held('files.resources/*')).toEqual(['resource']);
    expect(held('files.resources/x', 'files.prompts/', 'bare.*', 'files.prompts')).toEqual([]);
    expect(held('files.review', 'files.resources/*')).toEqual(['tool review', 'resource']);
  });

  it('never lets a tool in by a pattern for prompts or resources', () => {
    const pattern = fc.constantFrom(
      'files.prompts/*',
      'files.prompts/review',
      'files.resources/*',
      'files.prompts/plain',
    );
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { minLength: 1 }), (patterns) => {
        expect(held(...patterns).filter((as) => as.startsWith('tool'))).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });
});

describe('when verdicts are remembered', () => {
  it('keeps those of a tool, a prompt and a server’s resources apart, in whatever order they are asked', () => {
    const cedar = `permit (principal, action, resource is Prompt);
      permit (principal, action in [Action::"discover", Action::"call"], resource is Tool);
      permit (principal, action in Action::"discover", resource is Resource);`;
    const expected = { tool: 'ask', prompt: 'allow', resource: 'deny' };
    const kinds = fc.array(fc.constantFrom('tool' as const, 'prompt' as const, 'resource' as const), { maxLength: 8 });
    fc.assert(
      fc.property(kinds, (order) => {
        const snapshot = snapshotOf(cedar, [files()]);
        for (const kind of order) {
          // The same name for all three: only the kind tells them apart.
          expect(decide(snapshot, request(snapshot, { kind, tool: 'review' })).effect).toBe(expected[kind]);
        }
      }),
      { numRuns: 20 },
    );
  });
});
