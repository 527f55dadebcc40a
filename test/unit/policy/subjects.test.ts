import { describe, expect, it } from 'vitest';
import { checkCedar, compileCedar, generateSchema, type Question } from '../../../main/policy/cedar.ts';
import type { SubjectKind } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { Manifest } from '../../../main/policy/manifest.ts';
import { starterCedar } from '../../../main/policy/starter.ts';
import { definition, manifestOf, pins, prompt, server, template } from '../../fixtures/policy/organisation.ts';

const text = { type: 'string' };
const files = (more: JsonObject = {}) =>
  manifestOf(
    server(
      'files',
      [definition('read', { path: text }, { annotations: { readOnlyHint: true } }), definition('write')],
      {
        prompts: pins([prompt('review', ['path', 'style?']), prompt('plain')]),
        resourceTemplates: pins([template('file:///docs/{name}')], 'uriTemplate'),
        resources: 'as-shown',
        groups: ['storage'],
        ...more,
      },
    ),
    server('other', [definition('act')]),
  );
const problems = (cedar: string, manifest: Manifest = files()) =>
  checkCedar(cedar, manifest).map((p) => `${p.path}: ${p.expected} | ${p.found}`);

interface Asked {
  readonly kind?: SubjectKind;
  readonly name?: string;
  readonly alias?: string;
  readonly question?: Question;
  readonly args?: JsonObject;
}
function compiled(cedar: string, manifest: Manifest = files()) {
  const made = compileCedar(cedar, manifest);
  if (!made.ok) throw new Error(JSON.stringify(made.problems, null, 1));
  return made.value;
}
const evaluate = (cedar: string, asked: Asked, manifest: Manifest = files()) =>
  compiled(cedar, manifest).evaluate({
    question: asked.question ?? 'call',
    user: { id: 'alice', groups: ['staff'] },
    alias: asked.alias ?? 'files',
    kind: asked.kind ?? 'tool',
    tool: asked.name ?? '',
    context: { app: 'Claude', args: asked.args ?? {} },
  });
const all: readonly Asked[] = [
  { kind: 'tool', name: 'read' },
  { kind: 'tool', name: 'write' },
  { kind: 'prompt', name: 'review' },
  { kind: 'prompt', name: 'plain' },
  { kind: 'resource' },
];
const allowed = (cedar: string, more: Asked = {}) =>
  all
    .filter((asked) => evaluate(cedar, { ...asked, args: { path: '/a', uri: 'file:///a' }, ...more }).allowed)
    .map(({ kind, name }) => (kind === 'tool' ? name : `${kind} ${name ?? ''}`.trim()));
const everything = ['read', 'write', 'prompt review', 'prompt plain', 'resource'];

describe('when one rule covers tools, prompts and resources', () => {
  const three = 'action in [Action::"discover", Action::"call", Action::"unattended"]';

  it.each([
    `permit (principal, ${three}, resource in Server::"files");`,
    `permit (principal, ${three}, resource in ServerGroup::"storage");`,
    'permit (principal in Group::"staff", action, resource);',
    'permit (principal, action, resource) when { resource.server == "files" };',
  ])('%s permits all of them', (cedar) => {
    for (const question of ['discover', 'call', 'unattended'] as const) {
      expect(allowed(cedar, { question })).toEqual(everything);
    }
  });

  it('can mean one kind, by its type', () => {
    expect(allowed('permit (principal, action, resource is Tool);')).toEqual(['read', 'write']);
    expect(allowed('permit (principal, action, resource is Prompt in Server::"files");')).toEqual([
      'prompt review',
      'prompt plain',
    ]);
    expect(allowed('permit (principal, action, resource is Resource);')).toEqual(['resource']);
    expect(allowed('permit (principal, action, resource) unless { resource is Tool || resource is Prompt };')).toEqual([
      'resource',
    ]);
  });

  it('can mean one of them, by its name', () => {
    expect(allowed('permit (principal, action, resource == Prompt::"files.review");')).toEqual(['prompt review']);
    expect(allowed('permit (principal, action == Action::"call:prompt:files.plain", resource);')).toEqual([
      'prompt plain',
    ]);
    expect(allowed('permit (principal, action, resource == Resource::"files");')).toEqual(['resource']);
    expect(allowed('permit (principal, action == Action::"call:resource:files", resource);')).toEqual(['resource']);
    expect(allowed('permit (principal, action == Action::"call:files.read", resource);')).toEqual(['read']);
  });

  it('takes prompts and reading for what only reads', () => {
    const only = (condition: string) => allowed(`permit (principal, action, resource) when { ${condition} };`);
    const reads = ['read', 'prompt review', 'prompt plain', 'resource'];
    expect(only('resource.readOnly')).toEqual(reads);
    expect(only('!resource.destructive')).toEqual(reads);
    expect(only('resource.idempotent')).toEqual(['prompt review', 'prompt plain', 'resource']);
    expect(only('resource.openWorld')).toEqual(everything);
    expect(only('resource.name == "review"')).toEqual(['prompt review']);
    expect(only('resource.name == "files"')).toEqual([]);
    expect(allowed(starterCedar('Acme'), { question: 'unattended' })).toEqual(reads);
  });

  it('knows the labels IT gave, those of any template for all resources of a server', () => {
    const labelled = (family: JsonObject, label: string) =>
      Object.fromEntries(
        Object.entries(family).map(([name, pin]) => [name, { ...(pin as JsonObject), labels: [label] }]),
      );
    const manifest = files({
      prompts: labelled(pins([prompt('review')]), 'untrusted-input'),
      resourceTemplates: labelled(pins([template('x://{a}'), template('y://{a}')], 'uriTemplate'), 'private-data'),
    });
    const has = (label: string, asked: Asked) =>
      evaluate(`permit (principal, action, resource) when { resource.labels.contains("${label}") };`, asked, manifest)
        .allowed;
    expect(has('untrusted-input', { kind: 'prompt', name: 'review' })).toBe(true);
    expect(has('private-data', { kind: 'prompt', name: 'review' })).toBe(false);
    expect(has('private-data', { kind: 'resource' })).toBe(true);
  });
});

describe('when a rule reads what is asked of a prompt or which resource it is', () => {
  it('types the arguments a prompt declares as text', () => {
    const { text: schema } = generateSchema(files());
    expect(schema).toContain(
      'action "call:prompt:files.review" in [Action::"call"] appliesTo {\n  principal: [User], resource: [Prompt], context: { "app": String, "profile"?: String, "args": { "path": String, "style"?: String } }',
    );
    expect(schema).toContain(
      'action "discover:prompt:files.plain" in [Action::"discover"] appliesTo {\n  principal: [User], resource: [Prompt], context: { "app": String, "profile"?: String }',
    );
    expect(schema).toContain(
      'action "unattended:resource:files" in [Action::"unattended"] appliesTo {\n  principal: [User], resource: [Resource], context: { "app": String, "profile"?: String, "args": { "uri": String } }',
    );
    expect(schema).not.toContain('resource:other');
  });

  it('decides by a prompt’s arguments', () => {
    const cedar = `permit (principal, action, resource);
      forbid (principal, action == Action::"call:prompt:files.review", resource) when { context.args.path like "/etc/*" };`;
    const ask = (args: JsonObject) => evaluate(cedar, { kind: 'prompt', name: 'review', args });
    expect(ask({ path: '/tmp/a' }).allowed).toBe(true);
    expect(ask({ path: '/etc/passwd' }).allowed).toBe(false);
    for (const args of [{}, { path: 7 }, { path: null }, { path: '\ud800' }]) {
      expect(ask(args), JSON.stringify(args)).toMatchObject({ allowed: false, errors: [expect.any(String)] });
    }
  });

  it('decides by the address of a resource', () => {
    const cedar = `permit (principal, action, resource) when { resource is Resource && context.args.uri like "file:///public/*" };`;
    expect(problems(cedar)[0]).toContain('args');
    const right = `permit (principal, action in [Action::"call", Action::"unattended"], resource is Resource) when { context.args.uri like "file:///public/*" };`;
    const ask = (uri: string) => evaluate(right, { kind: 'resource', args: { uri } });
    expect(ask('file:///public/a').allowed).toBe(true);
    expect(ask('file:///private/a')).toEqual({ allowed: false, rules: [], errors: [] });
    for (const uri of [
      'file:///public/../etc/passwd',
      'file:///public/%2E%2E/etc/passwd',
      'file:///public/..%2f..%2fetc',
    ]) {
      expect(ask(uri), uri).toMatchObject({ allowed: false, errors: [expect.stringContaining('argument /uri')] });
    }
  });

  it('does not mind the form of an address that no rule reads', () => {
    const cedar = 'permit (principal, action, resource);';
    expect(evaluate(cedar, { kind: 'resource', args: { uri: 'FILE:///a/../b c' } }).allowed).toBe(true);
    expect(evaluate(cedar, { kind: 'resource', args: {} }).allowed).toBe(true);
  });

  it('names what of a prompt no rule can read', () => {
    const odd: JsonObject = {
      name: 'odd',
      arguments: [
        { name: 'ok' },
        { name: '__extn' },
        { title: 'nameless' },
        7,
        { name: 'twice', required: true },
        { name: 'twice' },
      ],
    };
    const manifest = files({ prompts: pins([odd, { name: 'list', arguments: { a: 1 } }, { name: 'none' }]) });
    const { text: schema, untyped } = generateSchema(manifest);
    expect(untyped.map((p) => `${p.path} ${p.found}`)).toEqual([
      '/servers/0/prompts/odd/definition/arguments/1 the name __extn',
      '/servers/0/prompts/odd/definition/arguments/2 an argument without a name',
      '/servers/0/prompts/odd/definition/arguments/3 an argument without a name',
      '/servers/0/prompts/list/definition/arguments an object with "a"',
    ]);
    expect(schema).toContain('"args": { "ok"?: String, "twice"?: String } }');
    const asks = `forbid (principal, action in Action::"call", resource == Prompt::"files.odd") when { context.args has __extn || context.args has ok };`;
    expect(problems(asks, manifest)[0]).toContain('context.args.__extn of prompt:files.odd, which has none');
  });

  it('looks at arguments only where a rule for that kind does', () => {
    const engine = compiled(`permit (principal, action, resource);
      forbid (principal, action in Action::"call", resource is Resource) when { context.args.uri == "x:y" };`);
    const depends = (kind: SubjectKind, name: string) => engine.dependsOnArguments('call', 'files', name, kind);
    expect([depends('resource', ''), depends('prompt', 'review'), depends('tool', 'read')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(engine.dependsOnArguments('unattended', 'files', '', 'resource')).toBe(false);
    expect(engine.dependsOnArguments('discover', 'files', '', 'resource')).toBe(false);
    expect(engine.dependsOnArguments('call', 'other', '', 'resource')).toBe(false);
    expect(engine.dependsOnArguments('call', 'files', 'read')).toBe(false);
  });
});

describe('when names could be mistaken for each other', () => {
  it('keeps a tool apart from the prompt and the resources whose actions it imitates', () => {
    const tricky = ['prompt:files.review', 'resource:files', 'files.review', ':', 'review'];
    const manifest = manifestOf(
      server(
        'files',
        tricky.map((name) => definition(name)),
        {
          prompts: pins([prompt('review'), ...tricky.slice(0, 4).map((name) => prompt(name))]),
          resources: 'as-shown',
        },
      ),
      server('prompt', [definition('files.review')], { prompts: pins([prompt('x')]), resources: 'as-shown' }),
      server('resource', [definition('files')], { resources: 'as-shown' }),
    );
    const cases: readonly Asked[] = [
      ...tricky.map((name): Asked => ({ kind: 'tool', name })),
      ...tricky.map((name): Asked => ({ kind: 'prompt', name })),
      { kind: 'resource' },
      { kind: 'tool', alias: 'prompt', name: 'files.review' },
      { kind: 'prompt', alias: 'prompt', name: 'x' },
      { kind: 'resource', alias: 'prompt' },
      { kind: 'tool', alias: 'resource', name: 'files' },
      { kind: 'resource', alias: 'resource' },
    ];
    const { text: schema } = generateSchema(manifest);
    const actions = [...schema.matchAll(/^action "(\w+:[^"]*)"/gm)].map(([, name]) => name);
    expect(new Set(actions).size).toBe(actions.length);
    expect(actions).toHaveLength(cases.length * 3);

    for (const name of actions.filter((action) => action?.startsWith('call:'))) {
      const engine = compiled(`permit (principal, action == Action::"${name}", resource);`, manifest);
      const permitted = cases.filter(
        ({ kind = 'tool', alias = 'files', name: tool = '' }) =>
          engine.evaluate({ question: 'call', user: { id: 'a', groups: [] }, alias, kind, tool, context: { app: 'a' } })
            .allowed,
      );
      expect(permitted, name).toHaveLength(1);
    }
  });

  it('knows no prompt by a tool’s name and no tool by a prompt’s', () => {
    const open = 'permit (principal, action, resource);';
    expect(evaluate(open, { kind: 'prompt', name: 'read' })).toMatchObject({
      allowed: false,
      errors: ['the prompt files.read is not pinned'],
    });
    expect(evaluate(open, { kind: 'tool', name: 'review' }).errors).toEqual(['the tool files.review is not pinned']);
    expect(evaluate(open, { kind: 'resource', alias: 'other' }).errors).toEqual(['no resources of other are approved']);
    expect(evaluate(open, { kind: 'prompt', name: '__proto__' }).allowed).toBe(false);
  });
});

describe('when a policy about prompts and resources is checked', () => {
  it('names what is not pinned, and what was probably meant', () => {
    expect(checkCedar('permit (principal, action, resource == Prompt::"files.reveiw");', files())).toMatchObject([
      { expected: 'a pinned prompt', found: 'Prompt::"files.reveiw"', advice: 'Did you mean Prompt::"files.review"?' },
    ]);
    expect(problems('permit (principal, action, resource) when { resource == Resource::"other" };')).toEqual([
      'policy.cedar:1:1: a server whose resources are approved in manifest.json | Resource::"other"',
    ]);
    expect(problems('permit (principal, action == Action::"call:prompt:files.reveiw", resource);')[0]).toContain(
      'unrecognized action',
    );
    expect(problems('permit (principal, action == Action::"call:resource:other", resource);')[0]).toContain(
      'unrecognized action',
    );
  });

  it('says how a rule about tools’ arguments keeps to tools', () => {
    const cedar = (scope: string) =>
      `forbid (principal, action in Action::"call", ${scope}) when { context.args.path == "x" };`;
    const manifest = manifestOf(
      server(
        'files',
        [
          definition(
            'read',
            { path: text },
            { inputSchema: { type: 'object', properties: { path: text }, required: ['path'] } },
          ),
        ],
        {
          prompts: pins([prompt('ask', ['city'])]),
        },
      ),
    );
    const [first, ...more] = checkCedar(cedar('resource'), manifest);
    expect(first?.advice).toMatch(/^The rule covers prompts, too; write resource is Tool if it means tools only\./);
    expect(more).toEqual([]);
    expect(problems(cedar('resource is Tool'), manifest)).toEqual([]);
    expect(problems(cedar('resource is Tool in Server::"files"'), manifest)).toEqual([]);
  });

  it('lets a rule about a kind stand before any of the kind is pinned', () => {
    const bare = manifestOf(server('files', [definition('read', { path: text })], { groups: ['storage'] }));
    for (const cedar of [
      'forbid (principal, action, resource is Prompt);',
      'forbid (principal, action in Action::"unattended", resource is Resource in ServerGroup::"storage");',
      'forbid (principal, action in Action::"call", resource is Resource) unless { context.args.uri like "file:///public/*" };',
      'forbid (principal, action, resource) when { resource is Prompt };',
    ]) {
      expect(problems(cedar, bare), cedar).toEqual([]);
      expect(problems(`permit (principal, action, resource); ${cedar}`, manifestOf()), cedar).toEqual([]);
    }
    for (const cedar of [
      'forbid (principal, action == Action::"call:files.read", resource is Prompt);',
      'forbid (principal, action in Action::"call", resource is Resource) when { context.args has url };',
      'forbid (principal, action in Action::"call", resource) when { context.args has uri };',
      'forbid (principal, action, resource is Prompt) when { false };',
      'forbid (principal, action, resource is Tool) when { resource is Prompt };',
    ]) {
      expect(problems(cedar, bare)[0], cedar).toMatch(/impossible|applicable action/);
    }
  });

  it('keeps rules over everything valid when prompts and resources are pinned later', () => {
    const rules = `permit (principal, action in Action::"call", resource) when { resource.readOnly || resource.labels.contains("private-data") };
      forbid (principal, action in Action::"call", resource) when { context.args has path && context.args.path like "/etc/*" };
      forbid (principal, action, resource) when { context has args && context.args has path && context.args.path == "" };
      permit (principal, action, resource == Tool::"files.read");`;
    expect(problems(rules, files({ prompts: {}, resourceTemplates: {}, resources: 'none' }))).toEqual([]);
    expect(problems(rules)).toEqual([]);
  });

  it('keeps rules about a revoked server valid', () => {
    const revoked = files({ state: 'revoked' });
    expect(problems('permit (principal, action == Action::"call:prompt:files.review", resource);', revoked)).toEqual(
      [],
    );
    expect(problems('permit (principal, action, resource == Resource::"files");', revoked)).toEqual([]);
  });

  it('stays valid whatever prompts and their arguments are called', () => {
    const names = ['a"b', 'a\\', '日本', '😀', '__proto__', '}; permit', 'a b', '*', 'is', 'if', 'new line'];
    const manifest = files({ prompts: pins(names.map((name) => prompt(name, names))) });
    expect(problems('permit (principal, action, resource);', manifest)).toEqual([]);
  });
});
