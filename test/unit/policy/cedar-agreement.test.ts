import { type EntityJson, isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCedar, generateSchema } from '../../../main/policy/cedar.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { definition, manifestOf, server } from '../../fixtures/policy/organisation.ts';

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
  }),
);
const schema = generateSchema(manifest).text;

const scopes = fc.tuple(
  fc.constantFrom('principal', 'principal in Group::"x"', 'principal == User::"u"'),
  fc.constantFrom(
    'action',
    'action in Action::"call"',
    'action == Action::"call:s.a"',
    'action in [Action::"call:s.b", Action::"unattended"]',
  ),
  fc.constantFrom(
    'resource',
    'resource == Tool::"s.a"',
    'resource in Server::"s"',
    'resource is Tool in ServerGroup::"g1"',
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
  const tool = (name: string, readOnly: boolean): EntityJson => ({
    uid: { type: 'Tool', id: `s.${name}` },
    attrs: { name, server: 's', readOnly, destructive: !readOnly, idempotent: false, openWorld: true, labels: [] },
    parents: [{ type: 'Server', id: 's' }],
  });
  return [
    { uid: { type: 'User', id: 'u' }, attrs: {}, parents: groups.map((id) => ({ type: 'Group', id })) },
    { uid: { type: 'Server', id: 's' }, attrs: {}, parents: [{ type: 'ServerGroup', id: 'g1' }] },
    tool('a', true),
    tool('b', false),
  ];
}

describe('when only what rules read is given to Cedar', () => {
  it('decides as Cedar does when it is given everything, checked against the schema', () => {
    const cases = fc.record({
      rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
      question: fc.constantFrom('call' as const, 'unattended' as const),
      tool: fc.constantFrom('a', 'b'),
      groups: fc.constantFrom([], ['x']),
      args,
    });
    let compared = 0;
    fc.assert(
      fc.property(cases, (c) => {
        const policy = c.rules.join('\n');
        const compiled = compileCedar(policy, manifest);
        // Some combinations can never apply and are refused when compiled; there is nothing to compare then.
        if (!compiled.ok) return;
        compared++;
        const given = c.args as JsonObject;
        const ours = compiled.value.evaluate({
          question: c.question,
          user: { id: 'u', groups: c.groups },
          alias: 's',
          tool: c.tool,
          context: { app: 'A', args: given },
        });
        const theirs = isAuthorized({
          principal: { type: 'User', id: 'u' },
          action: { type: 'Action', id: `${c.question}:s.${c.tool}` },
          resource: { type: 'Tool', id: `s.${c.tool}` },
          context: { app: 'A', args: JSON.parse(JSON.stringify(c.args)) },
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
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(12);
  });
});
