import { describe, expect, it } from 'vitest';
import {
  type CedarEngine,
  checkCedar,
  compileCedar,
  generateSchema,
  type Question,
} from '../../../main/policy/cedar.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import type { Manifest } from '../../../main/policy/manifest.ts';
import { definition, manifestOf, server } from '../../fixtures/policy/organisation.ts';

const text = { type: 'string' };
const whole = { type: 'integer' };
const decimal = { type: 'number' };

const properties: JsonObject = {
  owner: text,
  count: whole,
  price: decimal,
  tags: { type: 'array', items: text },
  lines: { type: 'array', items: { type: 'object', properties: { sku: text } } },
  target: { type: 'object', properties: { path: text, mode: whole }, required: ['path'] },
  box: { type: 'object', properties: { path: text }, required: ['path'] },
  boxes: { type: 'array', items: { type: 'object', properties: { path: text }, required: ['path'] } },
  body: { type: ['string', 'null'] },
};
const tool = (name: string, props = properties, more: JsonObject = {}): JsonObject => ({
  ...definition(name, {}, more),
  inputSchema: { type: 'object', properties: props, required: props === properties ? ['owner'] : [] },
});
const github = () => manifestOf(server('github', [tool('create'), tool('list', {})], { groups: ['engineering'] }));

function engine(cedar: string, manifest: Manifest = github()): CedarEngine {
  const compiled = compileCedar(cedar, manifest);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems, null, 1));
  return compiled.value;
}
const ask = (
  cedar: string | CedarEngine,
  args: JsonObject,
  more: { question?: Question; groups?: string[]; tool?: string } = {},
) =>
  (typeof cedar === 'string' ? engine(cedar) : cedar).evaluate({
    question: more.question ?? 'call',
    user: { id: 'alice', groups: more.groups ?? [] },
    alias: 'github',
    tool: more.tool ?? 'create',
    context: { app: 'Claude', args },
  });
const problems = (cedar: string, manifest: Manifest = github()) =>
  checkCedar(cedar, manifest).map((p) => `${p.path}: ${p.expected} | ${p.found}`);

const call = 'action == Action::"call:github.create"';
const open = `permit (principal, action in Action::"call", resource);`;
const forbidWhen = (condition: string) =>
  `${open} @id("no") forbid (principal, ${call}, resource) when { ${condition} };`;

describe('when rules are evaluated', () => {
  it('denies what nothing permits', () => {
    expect(ask('', {})).toEqual({ allowed: false, rules: [], errors: [] });
  });

  it('lets one forbid beat every permit, and names it', () => {
    const cedar = `${open} @id("yes") permit (principal, action, resource);
      @id("no") @reason("Not here.") @contact("sec@acme") forbid (principal, action, resource);`;
    expect(ask(cedar, { owner: 'a' })).toEqual({
      allowed: false,
      rules: [{ id: 'no', effect: 'forbid', reason: 'Not here.', contact: 'sec@acme' }],
      errors: [],
    });
  });

  it('knows groups of users, servers and server groups', () => {
    for (const scope of [
      'principal in Group::"eng", action, resource',
      'principal, action, resource in Server::"github"',
      'principal, action, resource in ServerGroup::"engineering"',
      'principal, action, resource == Tool::"github.create"',
      'principal == User::"alice", action, resource is Tool in ServerGroup::"engineering"',
    ]) {
      expect(ask(`permit (${scope});`, {}, { groups: ['eng'] }).allowed, scope).toBe(true);
    }
    expect(ask('permit (principal in Group::"eng", action, resource);', {}, { groups: ['sales'] }).allowed).toBe(false);
    expect(ask('permit (principal, action, resource in ServerGroup::"finance");', {}).allowed).toBe(false);
  });

  it('knows each tool by its own action, below the three questions', () => {
    const cedar = `permit (principal, ${call}, resource);`;
    expect(ask(cedar, { owner: 'a' }).allowed).toBe(true);
    expect(ask(cedar, {}, { tool: 'list' }).allowed).toBe(false);
    expect(ask(cedar, { owner: 'a' }, { question: 'unattended' }).allowed).toBe(false);
    expect(ask(cedar, {}, { tool: 'nothing' })).toMatchObject({
      allowed: false,
      errors: [expect.stringContaining('not pinned')],
    });
  });

  it('takes hints from the pinned annotations and assumes the worse where they are silent', () => {
    const manifest = manifestOf(
      server('github', [
        tool('create'),
        tool('list', {}, { annotations: { readOnlyHint: true } }),
        tool('add', {}, { annotations: { destructiveHint: false, idempotentHint: true, openWorldHint: false } }),
        tool('lie', {}, { annotations: { readOnlyHint: true, destructiveHint: true } }),
        tool('odd', {}, { annotations: { readOnlyHint: 'true', destructiveHint: 0 } }),
      ]),
    );
    const which = (condition: string) =>
      ['create', 'list', 'add', 'lie', 'odd'].filter(
        (name) =>
          ask(engine(`permit (principal, action, resource) when { ${condition} };`, manifest), {}, { tool: name })
            .allowed,
      );
    expect(which('resource.readOnly')).toEqual(['list', 'lie']);
    expect(which('resource.destructive')).toEqual(['create', 'lie', 'odd']);
    expect(which('resource.idempotent')).toEqual(['add']);
    expect(which('resource.openWorld')).toEqual(['create', 'list', 'lie', 'odd']);
    expect(which('resource.name == "add" && resource.server == "github"')).toEqual(['add']);
  });

  it('knows the labels IT gave', () => {
    const raw = server('github', [tool('create')]);
    const { create } = raw.tools as { create: JsonObject };
    const manifest = manifestOf({ ...raw, tools: { create: { ...create, labels: ['private-data'] } } });
    const cedar = engine(
      'permit (principal, action, resource) when { resource.labels.contains("private-data") };',
      manifest,
    );
    expect(ask(cedar, {}).allowed).toBe(true);
  });
});

describe('when a rule reads arguments', () => {
  it('permits and forbids by them', () => {
    const cedar = `permit (principal, ${call}, resource) when { context.args.owner == "acme" };`;
    expect(ask(cedar, { owner: 'acme' }).allowed).toBe(true);
    expect(ask(cedar, { owner: 'evil' }).allowed).toBe(false);
    const guarded = forbidWhen('context.args has count && context.args.count > 10');
    expect(ask(guarded, { owner: 'a', count: 10 }).allowed).toBe(true);
    expect(ask(guarded, { owner: 'a' }).allowed).toBe(true);
    expect(ask(guarded, { owner: 'a', count: 11 })).toMatchObject({ allowed: false, rules: [{ id: 'no' }] });
  });

  it('reads lists and objects', () => {
    expect(
      ask(forbidWhen('context.args has tags && context.args.tags.contains("x")'), { tags: ['y', 'x'] }).allowed,
    ).toBe(false);
    const nested = forbidWhen('context.args has target && context.args.target.path like "/etc/*"');
    expect(ask(nested, { target: { path: '/etc/passwd' } }).allowed).toBe(false);
    expect(ask(nested, { target: { path: '/tmp/x' } }).allowed).toBe(true);
  });

  it('compares decimals exactly, and refuses those Cedar cannot hold', () => {
    const cedar = engine(forbidWhen('context.args has price && context.args.price.greaterThan(decimal("100.0"))'));
    for (const [price, allowed] of [
      [100, true],
      [100.0001, false],
      [-0, true],
      [99.9999, true],
      [0.1, true],
    ] as const) {
      expect(ask(cedar, { price }), String(price)).toMatchObject({ allowed, errors: [] });
    }
    for (const price of [99.99999, 1e-7, 1e21, 922337203685478, Number.MAX_VALUE, 0.1 + 0.2]) {
      const verdict = ask(cedar, { price });
      expect(verdict.allowed, String(price)).toBe(false);
      expect(verdict.errors[0], String(price)).toContain(
        'argument /price: expected a number with at most 4 decimal places',
      );
    }
  });

  it('refuses whole numbers that may not be the ones sent', () => {
    const cedar = engine(forbidWhen('context.args has count && context.args.count == 7'));
    expect(ask(cedar, { count: Number.MAX_SAFE_INTEGER }).allowed).toBe(true);
    expect(ask(cedar, { count: Number.MIN_SAFE_INTEGER }).allowed).toBe(true);
    for (const count of [2 ** 53, -(2 ** 63), 2 ** 64, 1e300, 7.5]) {
      expect(ask(cedar, { count }), String(count)).toMatchObject({
        allowed: false,
        errors: [expect.stringContaining('/count')],
      });
    }
  });

  it('refuses a value of another type instead of passing over the rule', () => {
    const cedar = engine(forbidWhen('context.args.owner == "evil"'));
    for (const owner of [7, null, true, ['evil'], { __entity: { type: 'User', id: 'root' } }, 'a\ud800']) {
      const verdict = ask(cedar, { owner });
      expect(verdict.allowed).toBe(false);
      expect(verdict.errors[0]).toContain('argument /owner');
    }
  });

  it('refuses when evaluation itself fails', () => {
    const overflow = forbidWhen('context.args has count && context.args.count * 1000000 > 5');
    const verdict = ask(overflow, { owner: 'a', count: Number.MAX_SAFE_INTEGER });
    expect(verdict).toMatchObject({ allowed: false, rules: [{ id: 'no' }] });
    expect(verdict.errors[0]).toContain('rule no: integer overflow');
    expect(ask(forbidWhen('context.args.owner == "x"'), {})).toMatchObject({ allowed: false, rules: [{ id: 'no' }] });
  });

  it('does not mind what no rule reads', () => {
    const cedar = engine(forbidWhen('context.args.owner == "evil"'));
    expect(ask(cedar, { owner: 'a', price: 0.123456, count: 2 ** 60, body: null, more: { __extn: 1 } }).allowed).toBe(
      true,
    );
    expect(ask(open, { owner: 7 }).allowed).toBe(true);
  });

  it('refuses an argument that a rule asks for and the schema does not name', () => {
    // "list" declares no argument at all, and a server may well accept one more than it declares.
    const manifest = manifestOf(server('github', [tool('create'), tool('list', { other: text })]));
    const cedar = engine(
      `${open} forbid (principal, action in Action::"call", resource) when { context.args has owner && context.args.owner == "evil" };`,
      manifest,
    );
    expect(ask(cedar, { other: 'x' }, { tool: 'list' }).allowed).toBe(true);
    expect(ask(cedar, { owner: 'evil' }, { tool: 'list' })).toMatchObject({
      allowed: false,
      errors: [expect.stringContaining('/owner')],
    });
  });

  it('refuses a whole object with more in it than the rule could have meant', () => {
    const one = engine(
      `permit (principal, ${call}, resource) when { context.args has box && context.args.box == { path: "/tmp" } };`,
    );
    expect(ask(one, { box: { path: '/tmp' } }).allowed).toBe(true);
    expect(ask(one, { box: { path: '/tmp', evil: 1 } })).toMatchObject({
      allowed: false,
      errors: [expect.stringContaining('/box/evil')],
    });
    const many = engine(
      `permit (principal, ${call}, resource) when { context.args has boxes && context.args.boxes.contains({ path: "/tmp" }) };`,
    );
    expect(ask(many, { boxes: [{ path: '/tmp' }] }).allowed).toBe(true);
    expect(ask(many, { boxes: [{ path: '/tmp', evil: 1 }] }).allowed).toBe(false);
  });

  it('refuses more values than a rule should have to look at', () => {
    const cedar = engine(forbidWhen('context.args has tags && context.args.tags.contains("x")'));
    expect(ask(cedar, { tags: Array.from({ length: 50_000 }, (_, i) => `${i}`) }).errors[0]).toContain(
      'at most 20000 values',
    );
  });

  it('reads arguments called like prototypes', () => {
    const manifest = manifestOf(
      server('github', [tool('create', JSON.parse('{"__proto__":{"type":"string"},"constructor":{"type":"string"}}'))]),
    );
    const cedar = engine(
      `${open} forbid (principal, ${call}, resource) when { context.args has "__proto__" && context.args["__proto__"] == "x" };
       forbid (principal, ${call}, resource) when { context.args has constructor && context.args.constructor == "x" };`,
      manifest,
    );
    expect(ask(cedar, {}).allowed).toBe(true);
    expect(ask(cedar, JSON.parse('{"__proto__":"x"}')).allowed).toBe(false);
    expect(ask(cedar, JSON.parse('{"__proto__":"y"}')).allowed).toBe(true);
    expect(ask(cedar, { constructor: 'x' } as unknown as JsonObject).allowed).toBe(false);
  });
});

describe('when a rule covers listing and calling alike', () => {
  it('finds no arguments while listing, and reads them when calling', () => {
    const cedar = engine(
      `permit (principal, action, resource);
      forbid (principal, action, resource == Tool::"github.create")
      when { context has args && context.args has owner && context.args.owner == "evil" };`,
      manifestOf(server('github', [tool('create')])),
    );
    expect(cedar.dependsOnArguments('discover', 'github', 'create')).toBe(false);
    const list = {
      question: 'discover' as const,
      user: { id: 'a', groups: [] },
      alias: 'github',
      tool: 'create',
      context: { app: 'x' },
    };
    expect(cedar.evaluate(list)).toMatchObject({ allowed: true, errors: [] });
    expect(ask(cedar, { owner: 'evil' }).allowed).toBe(false);
  });
});

describe('when it is asked which rules depend on arguments', () => {
  const depends = (rule: string, question: Question, name = 'create') =>
    engine(`${open} ${rule}`).dependsOnArguments(question, 'github', name);

  it('sees every way to reach them', () => {
    for (const condition of [
      'context.args.owner == "a"',
      'context.args has count',
      'context has args.count',
      'context has args && 1 == 2 || context.args.owner like "a*"',
      'context["args"]["owner"] == "a"',
      '(if true then context else context).args.owner == "a"',
      '{ a: context.args }.a.owner == "a"',
      '{ Value: context.args.owner }.Value == "a"',
      '["a"].contains(context.args.owner)',
      '!(context.args.owner == "a")',
      'context.args has price && decimal("1.0").lessThan(context.args.price)',
      '{ a: context }.a.args.owner == "b"',
    ]) {
      expect(depends(`forbid (principal, ${call}, resource) when { ${condition} };`, 'call'), condition).toBe(true);
      expect(depends(`forbid (principal, ${call}, resource) unless { ${condition} };`, 'call'), condition).toBe(true);
    }
  });

  it('is not misled by words that only look like it', () => {
    for (const condition of [
      'context.app == "context.args"',
      'context has profile',
      '{ args: 1 }.args == 1',
      'resource.name == "args"',
    ]) {
      expect(depends(`forbid (principal, action, resource) when { ${condition} };`, 'call'), condition).toBe(false);
    }
  });

  it('looks at the scope', () => {
    const rule = `forbid (principal, ${call}, resource) when { context.args.owner == "a" };`;
    expect(depends(rule, 'call')).toBe(true);
    expect(depends(rule, 'unattended')).toBe(false);
    expect(depends(rule, 'discover')).toBe(false);
    expect(depends(rule, 'call', 'list')).toBe(false);
    expect(
      depends(
        `forbid (principal, action in Action::"unattended", resource) when { context.args has owner };`,
        'unattended',
        'list',
      ),
    ).toBe(true);
  });
});

describe('when a policy text is checked', () => {
  it('says where a mistake is, counted in characters and not in bytes', () => {
    expect(problems('// äöü 😀\npermit (principal, action in Action::"cal", resource);')).toEqual([
      'policy.cedar:2:30: a rule that fits what is pinned | "Action::"cal"": unrecognized action `Action::"cal"`',
    ]);
    expect(problems('permit (principal, action, resource)\nwhen { context.args.ownr == "a" };')[0]).toContain(
      'policy.cedar:2:8',
    );
    expect(problems('permit (principal')[0]).toMatch(/^policy\.cedar:1:18: /);
  });

  it('reports a mistake once and not for every tool', () => {
    const many = manifestOf(
      server(
        'github',
        Array.from({ length: 10 }, (_, i) => tool(`t${i}`)),
      ),
    );
    expect(problems('forbid (principal, action, resource) when { resource.nope };', many)).toHaveLength(1);
  });

  it('type-checks arguments against the pinned schema', () => {
    expect(problems(forbidWhen('context.args.owner == 7'))[0]).toContain('not compatible');
    expect(problems(forbidWhen('context.args.count > 7'))[0]).toContain('optional attribute');
    expect(problems(forbidWhen('context.args.price.greaterThan(decimal("1.23456"))'))[0]).toContain('decimal');
  });

  it('refuses rules that could never apply', () => {
    expect(problems('forbid (principal, action == Action::"call", resource);')[0]).toContain('applicable action');
    expect(checkCedar('forbid (principal, action == Action::"call", resource);', github())[0]?.advice).toContain(
      'action in Action::"call"',
    );
    expect(problems('forbid (principal, action, resource == Tool::"github.creat");')).toEqual([
      'policy.cedar:1:1: a pinned tool | Tool::"github.creat"',
    ]);
    expect(problems('forbid (principal, action, resource) when { resource in Server::"gitlab" };')[0]).toContain(
      'Server::"gitlab"',
    );
    expect(problems('forbid (principal == User::"a", action, resource) when { false };')[0]).toContain('impossible');
    expect(problems('permit (principal, action, resource == ?resource);')[0]).toContain('?resource');
  });

  it('refuses to ask of entities that no request carries where they belong', () => {
    for (const condition of [
      'Server::"github" in ServerGroup::"engineering"',
      '(if resource.readOnly then User::"bob" else principal) in Group::"eng"',
      'User::"bob" is User in Group::"eng"',
    ]) {
      expect(problems(forbidWhen(condition))[0], condition).toContain('`in` after principal, action or resource');
    }
    for (const condition of [
      'principal in Group::"eng"',
      'resource is Tool in Server::"github"',
      'principal in [Group::"a", Group::"b"]',
    ]) {
      expect(problems(forbidWhen(condition)), condition).toEqual([]);
    }
  });

  it('refuses to ask whether an argument without a type is there', () => {
    expect(problems(forbidWhen('context.args has body || context.args.owner == "a"'))).toEqual([
      expect.stringContaining('context.args.body of github.create, which has none'),
    ]);
  });

  it('refuses two rules of one name', () => {
    expect(problems(`@id("a") ${open}\n@id("a") permit (principal, action, resource);`)).toEqual([
      'policy.cedar:2:1: an @id no other rule has | @id("a") again',
    ]);
    expect(problems(`@id("policy1") ${open} permit (principal, action, resource);`)).toHaveLength(1);
    expect(problems(`@id("") ${open}`)).toHaveLength(1);
  });

  it('gives each of more than ten rules its own name and reason', () => {
    const rules = Array.from(
      { length: 13 },
      (_, i) => `@id("r${i}") @reason("because ${i}") permit (principal == User::"u${i}", action, resource);`,
    );
    const compiled = engine(rules.join('\n'));
    expect(compiled.rules.map((r) => r.id)).toEqual(rules.map((_, i) => `r${i}`));
    const verdict = compiled.evaluate({
      question: 'call',
      user: { id: 'u11', groups: [] },
      alias: 'github',
      tool: 'create',
      context: { app: 'a', args: {} },
    });
    expect(verdict.rules).toEqual([{ id: 'r11', effect: 'permit', reason: 'because 11' }]);
  });

  it('keeps rules about a revoked server valid', () => {
    const revoked = manifestOf(server('github', [tool('create')], { state: 'revoked' }));
    expect(problems(`permit (principal, ${call}, resource in Server::"github");`, revoked)).toEqual([]);
  });

  it('survives garbage', () => {
    for (const garbage of [
      '\u0000',
      '💥',
      '}{',
      'permit',
      '"',
      `permit(principal,action,resource) when {${'('.repeat(3000)}`,
      '@',
      '\ud800',
    ]) {
      expect(problems(garbage).length, JSON.stringify(garbage.slice(0, 20))).toBeGreaterThan(0);
    }
    expect(problems(open)).toEqual([]);
    expect(problems(`// ${'x'.repeat(1_100_000)}`)[0]).toContain('at most');
  });
});

describe('when the schema is generated', () => {
  it('types what has a type', () => {
    expect(generateSchema(github()).text).toContain(
      '"args": { "owner": String, "count"?: Long, "price"?: decimal, "tags"?: Set<String>, "lines"?: Set<{ "sku"?: String }>, "target"?: { "path": String, "mode"?: Long }, "box"?: { "path": String }, "boxes"?: Set<{ "path": String }> }',
    );
  });

  it('follows references inside the definition, and says what it left out', () => {
    const $defs = {
      id: text,
      node: { type: 'object', properties: { next: { $ref: '#/$defs/node' }, id: { $ref: '#/$defs/id' } } },
    };
    const props: JsonObject = {
      id: { $ref: '#/$defs/id' },
      node: { $ref: '#/$defs/node' },
      choice: { anyOf: [text, whole] },
      free: { type: 'object', additionalProperties: text },
      tuple: { type: 'array', prefixItems: [text] },
      list: { type: 'array' },
      any: true,
      far: { $ref: 'https://evil.example/x' },
      __entity: text,
      colour: { enum: ['red', 'green'] },
      mixed: { enum: ['red', 1] },
    };
    const odd = { ...definition('odd'), inputSchema: { type: 'object', properties: props, $defs } };
    const { text: schema, untyped } = generateSchema(manifestOf(server('s', [odd])));
    expect(schema).toContain('"args": { "id"?: String, "node"?: { "id"?: String }, "colour"?: String }');
    expect(
      untyped.map((p) => `${p.path.replace('/servers/0/tools/odd/definition/inputSchema/properties', '')} ${p.found}`),
    ).toEqual([
      '/node/properties/next a type that contains itself',
      '/choice a choice of types (anyOf)',
      '/free an object with free names',
      '/tuple a list whose places have types of their own',
      '/list a list of anything',
      '/any anything at all',
      '/far $ref text "https://evil.example/x"',
      '/__entity the name __entity',
      '/mixed no type',
    ]);
  });

  it('stays valid whatever tools and arguments are called', () => {
    const names = ['a"b', 'a\\', '日本', '😀', '__proto__', '}; permit', 'a b', '*', 'pаy', 'is', 'if'];
    const props: JsonObject = Object.fromEntries(names.map((name) => [name, text]));
    const manifest = manifestOf(
      server(
        's',
        names.map((name) => tool(name, { ...props, 'new\nline\u202e': text })),
      ),
    );
    expect(problems('permit (principal, action, resource);', manifest)).toEqual([]);
    const cedar = engine(
      'permit (principal, action == Action::"call:s.pay", resource);',
      manifestOf(server('s', [tool('pay'), tool('pаy')])),
    );
    const evaluate = (name: string) =>
      cedar.evaluate({
        question: 'call',
        user: { id: 'a', groups: [] },
        alias: 's',
        tool: name,
        context: { app: 'a', args: {} },
      });
    expect(evaluate('pay').allowed).toBe(true);
    expect(evaluate('pаy').allowed).toBe(false);
  });
});

describe('when many policy versions are in use', () => {
  it('keeps each of them to its own rules', () => {
    const engines = Array.from({ length: 20 }, (_, i) => engine(`@id("v${i}") permit (principal, action, resource);`));
    for (const round of [0, 1, 2]) {
      engines.forEach((one, i) => {
        const verdict = ask(one, {});
        expect(
          verdict.rules.map((r) => r.id),
          `round ${round}`,
        ).toEqual([`v${i}`]);
      });
    }
  });
});
