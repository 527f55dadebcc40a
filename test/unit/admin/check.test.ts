import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOrganisation } from '../../../main/admin/check.ts';
import { pathsOf } from '../../../main/admin/organisation.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { starterDocument } from '../../../main/policy/starter.ts';
import { definition, manifestText, pins, prompt, server } from '../../fixtures/policy/organisation.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gatehouse-check-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const odd: JsonObject = { name: 'odd', arguments: [{ name: '__entity' }, { title: 'Nameless' }] };
const files = server('files', [definition('read')], { prompts: pins([prompt('review', ['path']), odd]) });
const idle = 'The server "idle" has nothing pinned, so staff see nothing of it. Run "gatehouse-admin pin".';
const untyped = [
  'No rule can read /servers/0/prompts/odd/definition/arguments/0: the name __entity. Rules cannot read this argument. Ask before it is used, if it matters.',
  'No rule can read /servers/0/prompts/odd/definition/arguments/1: an argument without a name. Rules cannot read this argument. Ask before it is used, if it matters.',
];

function check(cedar: string, tools = ['files.*', 'files.raed']) {
  const paths = pathsOf(dir);
  const document = {
    ...starterDocument('Acme', 'it@acme.example'),
    identity: { users: { alice: ['staff'] } },
    profiles: [{ name: 'p', title: 'P', tools }],
  };
  writeFileSync(paths.policyJson, JSON.stringify(document));
  writeFileSync(paths.policyCedar, cedar);
  writeFileSync(paths.manifestJson, manifestText(files, server('idle', [])));
  return checkOrganisation(dir);
}

describe('when IT checks a valid organisation', () => {
  it('notes what is seldom meant, from the rules as they are parsed and not from their text', async () => {
    const checked = await check(`// Group::"nobody" is only talked about here
permit (principal in Group::"stafff", action, resource);
permit (principal, action, resource) when { context.app == "Group::\\"words\\"" };`);
    expect(checked.ok ? checked.value.notes : checked.problems).toEqual([
      ...untyped,
      idle,
      'policy.cedar:2:1: expected a group some user is in, found Group::"stafff". Did you mean Group::"staff"?',
      'policy.json /profiles/0/tools/1: expected a pinned tool or prompt, approved resources, or "alias.*" of a server in manifest.json, found "files.raed". Did you mean "files.read"?',
    ]);
  });

  it('refuses a rule about a person in a spelling nobody has', async () => {
    const checked = await check('permit (principal == User::"Alice", action, resource);');
    expect(checked).toMatchObject({ ok: false, code: 'invalid-policy' });
    expect(checked.ok ? [] : checked.problems).toEqual([
      'policy.cedar:1:1: expected User::"alice", found User::"Alice". Spell the account as identity.users in policy.json does.',
    ]);
  });

  it('notes profiles that name prompts nobody pinned', async () => {
    const checked = await check('permit (principal, action, resource);', ['files.prompts/reveiw', 'files.prompts/*']);
    expect(checked.ok ? checked.value.notes : checked.problems).toEqual([
      ...untyped,
      idle,
      'policy.json /profiles/0/tools/0: expected a pinned tool or prompt, approved resources, or "alias.*" of a server in manifest.json, found "files.prompts/reveiw". Did you mean "files.prompts/review"?',
    ]);
    expect(checked).toMatchObject({ value: { servers: 2, tools: 1, prompts: 2, resourceTemplates: 0 } });
  });

  it('refuses rules about prompts and resources nobody pinned', async () => {
    const checked = await check(`forbid (principal, action, resource == Prompt::"files.reveiw");
forbid (principal, action, resource == Resource::"files");
forbid (principal, action == Action::"call:prompt:files.nope", resource);`);
    expect(checked.ok ? [] : checked.problems).toEqual([
      expect.stringContaining('unrecognized action'),
      expect.stringContaining('unable to find an applicable action'),
      'policy.cedar:1:1: expected a pinned prompt, found Prompt::"files.reveiw". Did you mean Prompt::"files.review"?',
      'policy.cedar:2:1: expected a server whose resources are approved in manifest.json, found Resource::"files". A rule about nothing never applies.',
    ]);
  });
});
