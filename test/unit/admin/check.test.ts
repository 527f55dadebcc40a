import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOrganisation } from '../../../main/admin/check.ts';
import { pathsOf } from '../../../main/admin/organisation.ts';
import { starterDocument } from '../../../main/policy/starter.ts';
import { definition, manifestText, server } from '../../fixtures/policy/organisation.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gatehouse-check-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function check(cedar: string) {
  const paths = pathsOf(dir);
  const document = {
    ...starterDocument('Acme', 'it@acme.example'),
    identity: { users: { alice: ['staff'] } },
    profiles: [{ name: 'p', title: 'P', tools: ['files.*', 'files.raed'] }],
  };
  writeFileSync(paths.policyJson, JSON.stringify(document));
  writeFileSync(paths.policyCedar, cedar);
  writeFileSync(paths.manifestJson, manifestText(server('files', [definition('read')]), server('idle', [])));
  return checkOrganisation(dir);
}

describe('when IT checks a valid organisation', () => {
  it('notes what is seldom meant, from the rules as they are parsed and not from their text', async () => {
    const checked = await check(`// Group::"nobody" is only talked about here
permit (principal in Group::"stafff", action, resource);
permit (principal, action, resource) when { context.app == "Group::\\"words\\"" };`);
    expect(checked.ok ? checked.value.notes : checked.problems).toEqual([
      'The server "idle" has nothing pinned, so staff see nothing of it. Run "gatehouse-admin pin".',
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
});
