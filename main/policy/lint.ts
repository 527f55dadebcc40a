import { position, type Rule } from './cedar-problems.ts';
import type { PolicyDocument } from './document.ts';
import { isJsonObject, type Json, type Problem } from './json.ts';
import type { Manifest } from './manifest.ts';
import { patternsFor } from './offer.ts';
import { nearestName, own, pointer, quote } from './problems.ts';
import { entitiesNamed } from './rule-scope.ts';
import { offersResources } from './subjects.ts';

const annotations = ['id', 'reason', 'contact'];

/** What is valid and yet seldom meant: names that match nobody and nothing, refusals without words. */
export function lintRules(
  rules: readonly Rule[],
  text: string,
  manifest: Manifest,
  document: PolicyDocument,
): readonly Problem[] {
  const groups = new Set(Object.values(document.identity.users).flat());
  const users = Object.keys(document.identity.users);
  const serverGroups = new Set(manifest.servers.flatMap((server) => server.groups));
  const advice = rules.flatMap((rule): Problem[] => {
    const path = position(text, rule.offset);
    const found: Problem[] = [];
    if (rule.annotations.effect === 'forbid' && rule.annotations.reason === undefined) {
      found.push({
        path,
        expected: '@reason("…") on a rule that forbids',
        found: `rule ${quote(rule.annotations.id)} without one`,
        advice: 'People are shown this sentence when the rule refuses them or asks.',
      });
    }
    if (rule.annotations.effect === 'forbid' && isForSome(own(rule.json, 'principal'))) {
      found.push({
        path,
        expected: 'a permit for those who may, or a forbid for all but them',
        found: `rule ${quote(rule.annotations.id)}, which forbids only to those it names`,
        advice:
          'Whoever policy.json does not list is in no group and is not stopped. Permit a group instead, or write forbid (principal, …) unless { principal in Group::"…" }.',
      });
    }
    const given = own(rule.json, 'annotations');
    for (const name of isJsonObject(given) ? Object.keys(given) : []) {
      if (annotations.includes(name)) continue;
      const near = nearestName(name, annotations);
      const meant = near === undefined ? {} : { advice: `Did you mean @${near}?` };
      found.push({ path, expected: '@id, @reason or @contact', found: `@${name}`, ...meant });
    }
    for (const { type, id } of entitiesNamed(rule.json)) {
      if (type === 'Group' && !groups.has(id))
        found.push(nobody(path, type, id, [...groups], 'a group some user is in'));
      if (type === 'User' && !users.includes(id)) {
        const near = nearestName(id, users);
        found.push({
          path,
          expected: 'an account in identity.users of policy.json',
          found: `User::${quote(id)}`,
          advice:
            near === undefined
              ? 'List the account there, spelled as the rule spells it, so that it is known to exist.'
              : `Did you mean User::"${near}"?`,
        });
      }
      if (type === 'ServerGroup' && !serverGroups.has(id)) {
        found.push(nobody(path, type, id, [...serverGroups], 'a group some server is in'));
      }
    }
    return found;
  });
  return [...advice, ...lintProfiles(manifest, document)];
}

/** True for a scope that names a person or a group. */
function isForSome(principal: Json | undefined): boolean {
  if (!isJsonObject(principal)) return false;
  const op = own(principal, 'op');
  return op === '==' || op === 'in' || (op === 'is' && own(principal, 'in') !== undefined);
}

function nobody(path: string, type: string, id: string, known: readonly string[], expected: string): Problem {
  const near = nearestName(id, known);
  const meant = near === undefined ? 'The rule applies to nobody and nothing yet.' : `Did you mean ${type}::"${near}"?`;
  return { path, expected, found: `${type}::${quote(id)}`, advice: meant };
}

function lintProfiles(manifest: Manifest, document: PolicyDocument): Problem[] {
  const names = manifest.servers.flatMap((server) => [
    `${server.alias}.*`,
    ...Object.keys(server.tools).flatMap((tool) => patternsFor(server.alias, 'tool', tool)),
    ...Object.keys(server.prompts).flatMap((prompt) => patternsFor(server.alias, 'prompt', prompt)),
    ...(offersResources(server) ? patternsFor(server.alias, 'resource', '') : []),
  ]);
  const known = new Set(names);
  return document.profiles.flatMap((profile, i) =>
    profile.tools.flatMap((pattern, j): Problem[] => {
      if (known.has(pattern)) return [];
      const near = nearestName(pattern, names);
      return [
        {
          path: `policy.json ${pointer(['profiles', i, 'tools', j])}`,
          expected: 'a pinned tool or prompt, approved resources, or "alias.*" of a server in manifest.json',
          found: quote(pattern),
          advice: near === undefined ? 'The profile gains nothing by it.' : `Did you mean "${near}"?`,
        },
      ];
    }),
  );
}
