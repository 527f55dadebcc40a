import { type EntityJson, isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCedar, generateSchema } from '../../../main/policy/cedar.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { definition, manifestOf, pins, prompt, server } from '../../fixtures/policy/organisation.ts';

const text = { type: 'string' };
const properties: JsonObject = {
  owner: text,
  count: { type: 'integer' },
  tags: { type: 'array', items: text },
  box: { type: 'object', properties: { path: text } },
};
const manifest = manifestOf(
  server('s', [definition('a', properties, { annotations: { readOnlyHint: true } }), definition('b', properties)], {
    groups: ['g1'],
    prompts: pins([prompt('a', ['owner?']), prompt('b')]),
    resources: 'as-shown',
  }),
);
const schema = generateSchema(manifest).text;

const scopes = fc.tuple(
  fc.constantFrom(
    'principal',
    'principal in Group::"x"',
    'principal in Group::"y"',
    'principal in User::"u"',
    'principal == User::"u"',
    'principal == User::"v"',
    'principal is User',
    'principal is User in Group::"x"',
    'principal is User in Group::"y"',
  ),
  fc.constantFrom(
    'action',
    'action in Action::"call"',
    'action == Action::"call:s.a"',
    'action == Action::"call:prompt:s.a"',
    'action == Action::"unattended:resource:s"',
    'action in [Action::"call:s.b", Action::"unattended"]',
  ),
  fc.constantFrom(
    'resource',
    'resource == Tool::"s.a"',
    'resource in Server::"s"',
    'resource is Tool in ServerGroup::"g1"',
    'resource is Prompt',
    'resource is Resource in Server::"s"',
    'resource == Prompt::"s.b"',
    'resource in ServerGroup::"g2"',
  ),
);
const conditions = fc.constantFrom(
  '',
  'when { resource.readOnly }',
  'unless { resource.destructive && context.app == "A" }',
  'when { context has args && context.args has owner && context.args.owner like "a*" }',
  'when { context has args && context.args has count && context.args.count > 1 }',
  'unless { context has args && context.args has tags && context.args.tags.contains("a") }',
  'when { context has args && context.args has box && context.args.box has path && context.args.box.path != "/" }',
  'when { resource is Resource || resource.openWorld && resource.name == "a" }',
  'unless { context has args && context.args has uri && context.args.uri like "x:a*" }',
  'when { resource.name == "b" || (context has profile && context.profile == "p") }',
);
const rule = fc
  .tuple(fc.constantFrom('permit', 'permit', 'forbid'), scopes, conditions)
  .map(([effect, scope, when]) => `${effect} (${scope.join(', ')}) ${when};`);
const word = fc.constantFrom('a', 'ab', 'b', '/');
const args = fc.record(
  {
    owner: word,
    count: fc.integer({ min: 0, max: 3 }),
    tags: fc.array(word, { maxLength: 2 }),
    box: fc.record({ path: word }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

/** Everything Cedar could want to know, whether a rule asks for it or not. */
function entities(groups: readonly string[]): EntityJson[] {
  const thing = (type: string, id: string, name: string, readOnly: boolean): EntityJson => ({
    uid: { type, id },
    attrs: {
      name,
      server: 's',
      readOnly,
      destructive: !readOnly,
      idempotent: type !== 'Tool',
      openWorld: true,
      labels: [],
    },
    parents: [{ type: 'Server', id: 's' }],
  });
  return [
    { uid: { type: 'User', id: 'u' }, attrs: {}, parents: groups.map((id) => ({ type: 'Group', id })) },
    { uid: { type: 'Server', id: 's' }, attrs: {}, parents: [{ type: 'ServerGroup', id: 'g1' }] },
    thing('Tool', 's.a', 'a', true),
    thing('Tool', 's.b', 'b', false),
    thing('Prompt', 's.a', 'a', true),
    thing('Prompt', 's.b', 'b', true),
    thing('Resource', 's', '', true),
  ];
}

describe('when only what rules read is given to Cedar', () => {
  it('decides as Cedar does when it is given everything, checked against the schema', () => {
    const cases = fc.record({
      rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
      // So many that those of one subject are picked out.
      others: fc.constantFrom(0, 0, 60),
      question: fc.constantFrom('call' as const, 'unattended' as const),
      subject: fc.oneof(
        {
          weight: 2,
          arbitrary: fc.record({ kind: fc.constant('tool' as const), name: fc.constantFrom('a', 'b'), args }),
        },
        fc.record({
          kind: fc.constant('prompt' as const),
          name: fc.constant('a'),
          args: fc.record({ owner: word }, { requiredKeys: [] }),
        }),
        fc.record({ kind: fc.constant('prompt' as const), name: fc.constant('b'), args: fc.constant({}) }),
        fc.record({
          kind: fc.constant('resource' as const),
          name: fc.constant(''),
          args: fc.record({ uri: word.map((w) => `x:${w}`) }),
        }),
      ),
      groups: fc.constantFrom([], ['x'], ['x', 'z']),
    });
    let compared = 0;
    fc.assert(
      fc.property(cases, (c) => {
        const other = 'forbid (principal, action == Action::"call:s.b", resource) when { context.app == "B" };';
        const policy = [...c.rules, ...Array<string>(c.others).fill(other)].join('\n');
        const compiled = compileCedar(policy, manifest);
        // Some combinations can never apply and are refused when compiled; there is nothing to compare then.
        if (!compiled.ok) return;
        compared++;
        const { kind, name, args: given } = c.subject;
        const id = kind === 'resource' ? 's' : `s.${name}`;
        const ours = compiled.value.evaluate({
          question: c.question,
          user: { id: 'u', groups: c.groups },
          alias: 's',
          kind,
          tool: name,
          context: { app: 'A', args: given as JsonObject },
        });
        const theirs = isAuthorized({
          principal: { type: 'User', id: 'u' },
          action: { type: 'Action', id: `${c.question}:${kind === 'tool' ? '' : `${kind}:`}${id}` },
          resource: { type: { tool: 'Tool', prompt: 'Prompt', resource: 'Resource' }[kind], id },
          context: { app: 'A', args: JSON.parse(JSON.stringify(given)) },
          schema,
          validateRequest: true,
          policies: { staticPolicies: policy },
          entities: entities(c.groups),
        });
        if (theirs.type === 'failure') throw new Error(JSON.stringify(theirs.errors));
        expect(ours.errors).toEqual([]);
        expect(ours.allowed).toBe(theirs.response.decision === 'allow');
        expect(ours.rules.map((r) => r.id).sort()).toEqual([...theirs.response.diagnostics.reason].sort());
      }),
      { numRuns: 100 },
    );
    expect(compared).toBeGreaterThan(20);
  });
});
