import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintCedar } from '../../../main/policy/cedar.ts';
import { type DecisionRequest, decide, userOf } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { definition, pins, prompt, server, snapshotOf } from '../../fixtures/policy/organisation.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/it.md'), 'utf8');
const blocks = [...page.matchAll(/```cedar\n(.*?)```/gs)].map(([, rules = '']) => rules);
const path = { path: { type: 'string' } };
const writeFile = definition(
  'write_file',
  {},
  { inputSchema: { type: 'object', properties: path, required: ['path'] } },
);

describe('when IT copies the rules in the documentation', () => {
  const snapshot = snapshotOf(
    `permit (principal, action, resource);\n${blocks.join('\n')}`,
    [
      server('files', [writeFile], { prompts: pins([prompt('review', ['path'])]), resources: 'as-shown' }),
      server('everything', [definition('get-env')]),
      server('payments', [definition('pay')], { prompts: pins([prompt('remind')]), resources: 'as-shown' }),
    ],
    { identity: { users: { alice: ['finance'], bob: ['staff'] } } },
  );
  const ask = (account: string, more: Pick<DecisionRequest, 'alias' | 'tool'> & Partial<DecisionRequest>) => {
    const user = userOf(snapshot, account);
    const { effect, code, rules } = decide(snapshot, {
      question: 'call',
      user,
      app: 'Claude',
      args: {},
      at: 0,
      ...more,
    });
    return `${effect} ${rules.find((rule) => rule.reason !== undefined)?.id ?? code}`;
  };
  const read = (uri: string) => ask('bob', { alias: 'files', kind: 'resource', tool: '', args: { uri } });
  const review = (args: JsonObject) => ask('bob', { alias: 'files', kind: 'prompt', tool: 'review', args });

  it('finds them all, and nothing wrong with them', () => {
    expect(blocks).toHaveLength(2);
    expect(lintCedar(blocks.join('\n'), snapshot.manifest, snapshot.document)).toEqual([]);
  });

  it('keeps writing to the reports, hides secrets and leaves payments to finance', () => {
    const write = (to: string) => ask('bob', { alias: 'files', tool: 'write_file', args: { path: to } });
    expect([write('/srv/reports/a'), write('/etc/passwd')]).toEqual(['allow allowed', 'deny reports-only']);
    expect(ask('alice', { alias: 'everything', tool: 'get-env' })).toBe('deny unknown-tool');
    for (const thing of [
      { tool: 'pay' },
      { kind: 'prompt', tool: 'remind' },
      { kind: 'resource', tool: '' },
    ] as const) {
      expect(ask('alice', { alias: 'payments', ...thing })).toBe('allow allowed');
      expect(ask('bob', { alias: 'payments', ...thing })).toBe('deny finance-only');
    }
  });

  it('lets the public documents be read, and by no detour any others', () => {
    expect(read('file:///public/readme.md')).toBe('allow allowed');
    expect(read('file:///private/readme.md')).toBe('deny public-documents');
    for (const detour of ['..', '%2E%2E', '%2e%2e', '..%2F..', '.\t.', '..\\..']) {
      expect(read(`file:///public/${detour}/private/readme.md`), detour).toBe('deny policy-denied');
    }
    expect(ask('bob', { alias: 'files', kind: 'resource', tool: '', question: 'discover' })).toBe('allow allowed');
  });

  it('keeps reviews to source code', () => {
    expect(review({ path: '/home/bob/src/main.ts' })).toBe('allow allowed');
    expect(review({ path: '/home/bob/mail' })).toBe('deny review-sources');
    expect(review({})).toBe('deny review-sources');
  });
});
