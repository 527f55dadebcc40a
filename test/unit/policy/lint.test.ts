import { describe, expect, it } from 'vitest';
import { lintCedar } from '../../../main/policy/cedar.ts';
import { starterCedar } from '../../../main/policy/starter.ts';
import { definition, pins, prompt, server, snapshotOf } from '../../fixtures/policy/organisation.ts';

const all = 'permit (principal, action, resource);';
const advice = (cedar: string) => {
  const snapshot = snapshotOf(all, [server('files', [definition('read')], { groups: ['storage'] })], {
    identity: { users: { alice: ['engineering'] } },
    profiles: [{ name: 'p', title: 'P', tools: ['files.*', 'files.raed', 'gone.*'] }],
  });
  return lintCedar(cedar, snapshot.manifest, snapshot.document).map((p) => `${p.path}: ${p.found} (${p.advice})`);
};
const profiles = [
  'policy.json /profiles/0/tools/1: "files.raed" (Did you mean "files.read"?)',
  'policy.json /profiles/0/tools/2: "gone.*" (The profile gains nothing by it.)',
];

describe('when a valid policy is looked over', () => {
  it('points out names that match nobody and nothing', () => {
    expect(
      advice(`permit (principal in Group::"enginering", action, resource);
forbid (principal, action, resource in ServerGroup::"storages") when { resource.readOnly };`),
    ).toEqual([
      'policy.cedar:1:1: Group::"enginering" (Did you mean Group::"engineering"?)',
      'policy.cedar:2:1: rule "policy1" without one (People are shown this sentence when the rule refuses them or asks.)',
      'policy.cedar:2:1: ServerGroup::"storages" (Did you mean ServerGroup::"storage"?)',
      ...profiles,
    ]);
  });

  it('points out annotations nobody reads', () => {
    expect(advice(`@id("a") @reson("x") ${all}`)).toEqual([
      'policy.cedar:1:1: @reson (Did you mean @reason?)',
      ...profiles,
    ]);
  });

  it('points out people policy.json does not list', () => {
    expect(advice(`permit (principal == User::"alcie", action, resource);`)).toEqual([
      'policy.cedar:1:1: User::"alcie" (Did you mean User::"alice"?)',
      ...profiles,
    ]);
    expect(advice(`permit (principal, action, resource) when { principal == User::"zoe" };`)).toEqual([
      'policy.cedar:1:1: User::"zoe" (List the account there, spelled as the rule spells it, so that it is known to exist.)',
      ...profiles,
    ]);
  });

  it.each([
    'principal in Group::"engineering"',
    'principal == User::"alice"',
    'principal is User in Group::"engineering"',
  ])('points out that a forbid for "%s" lets everybody else through', (scope) => {
    expect(advice(`@reason("No.") forbid (${scope}, action, resource);`)).toEqual([
      expect.stringMatching(
        /^policy.cedar:1:1: rule "policy0", which .* \(Whoever policy.json does not list .*unless { principal in Group::"…" }/,
      ),
      ...profiles,
    ]);
    expect(advice(`permit (${scope}, action, resource);`)).toEqual(profiles);
  });

  it('has nothing to say about the starter policy', () => {
    expect(advice(starterCedar('Acme'))).toEqual(profiles);
  });
});

describe('when a profile names prompts and resources', () => {
  const advice = (...tools: string[]) => {
    const snapshot = snapshotOf(
      all,
      [
        server('files', [definition('read')], { prompts: pins([prompt('review')]) }),
        server('docs', [definition('prompts/x')], { resources: 'as-shown' }),
      ],
      { profiles: [{ name: 'p', title: 'P', tools }] },
    );
    return lintCedar(all, snapshot.manifest, snapshot.document).map((p) => `${p.found} (${p.advice})`);
  };

  it('points out what is not pinned', () => {
    expect(advice('files.prompts/*', 'files.prompts/review', 'docs.resources/*', 'docs.*')).toEqual([]);
    expect(advice('files.prompts/reveiw', 'files.resources/*', 'docs.prompts/*', 'docs.resources/a')).toEqual([
      '"files.prompts/reveiw" (Did you mean "files.prompts/review"?)',
      expect.stringMatching(/^"files.resources\/\*" /),
      expect.stringMatching(/^"docs.prompts\/\*" /),
      '"docs.resources/a" (Did you mean "docs.resources/*"?)',
    ]);
  });

  it('points out that a tool called like prompts is not named by a pattern for them', () => {
    expect(advice('docs.prompts/x')).toEqual([expect.stringMatching(/^"docs.prompts\/x" /)]);
  });
});
