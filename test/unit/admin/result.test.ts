import { describe, expect, it } from 'vitest';
import { ADMIN_CODES, sentenceOf } from '../../../main/admin/result.ts';

describe('when scripts read why a command refused', () => {
  it('finds the same words in every version', () => {
    expect(ADMIN_CODES).toEqual([
      'folder-not-empty',
      'no-organisation',
      'unreadable',
      'unwritable',
      'busy',
      'no-passphrase',
      'weak-passphrase',
      'wrong-passphrase',
      'damaged-key',
      'missing-key',
      'invalid-name',
      'invalid-url',
      'invalid-policy',
      'invalid-manifest',
      'invalid-server',
      'alias-taken',
      'unknown-server',
      'npm',
      'server-failed',
      'repository',
      'record',
    ]);
  });
});

describe('when a problem is told', () => {
  it('says where, what was expected and found, and what to do', () => {
    const problem = {
      path: '/sync/graceSeconds',
      expected: 'a number',
      found: 'text',
      advice: 'Write it without quotes.',
    };
    expect(sentenceOf('policy.json', problem)).toBe(
      'policy.json at /sync/graceSeconds: expected a number, found text. Write it without quotes.',
    );
    expect(sentenceOf('policy.cedar', { path: 'policy.cedar:3:1', expected: 'a rule', found: '"x"' })).toBe(
      'policy.cedar:3:1: expected a rule, found "x".',
    );
  });
});
