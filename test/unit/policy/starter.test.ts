import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCedar } from '../../../main/policy/cedar.ts';
import { decide, userOf } from '../../../main/policy/decide.ts';
import { parsePolicyDocument } from '../../../main/policy/document.ts';
import { starterCedar, starterDocument } from '../../../main/policy/starter.ts';
import { definition, manifestOf, server, snapshotOf } from '../../fixtures/policy/organisation.ts';

describe('when an organisation starts', () => {
  const snapshot = snapshotOf(starterCedar('Acme'), [
    server('files', [definition('read', {}, { annotations: { readOnlyHint: true } }), definition('write')]),
  ]);
  const ask = (tool: string, question: 'call' | 'discover' = 'call') =>
    decide(snapshot, {
      question,
      user: userOf(snapshot, 'anyone'),
      app: 'Claude',
      alias: 'files',
      tool,
      args: {},
      at: 0,
    });

  it('shows everyone what is pinned', () => {
    expect(ask('read', 'discover').effect).toBe('allow');
    expect(ask('write', 'discover').effect).toBe('allow');
    expect(ask('delete', 'discover')).toMatchObject({ effect: 'deny', code: 'unknown-tool' });
  });

  it('lets a tool that only reads run, and asks before one that may change something', () => {
    expect(ask('read').effect).toBe('allow');
    expect(ask('write')).toEqual({
      effect: 'ask',
      code: 'ask',
      rules: [{ id: 'ask-before-changes', reason: 'Acme asks before a tool changes something.' }],
      reason: 'Acme asks before a tool changes something.',
      contact: 'it@acme.example',
      obligations: [],
    });
  });

  it('is valid before anything is pinned', () => {
    expect(checkCedar(starterCedar('Acme'), manifestOf())).toEqual([]);
  });

  it('is valid whatever the organisation is called', () => {
    const names = fc.oneof(
      fc.string({
        unit: fc.constantFrom(...'aZ"\\(){};@/\'', '\n', '\u0000', '\u200b', '\ud800', '\ud83d\ude00'),
        minLength: 1,
      }),
      fc.constantFrom(
        'A"), permit(principal, action, resource);//',
        'a\\',
        'a\nforbid',
        'O\u2028K',
        '"',
        "O'Neill & Söhne 😀",
      ),
    );
    fc.assert(
      fc.property(names, (name) => {
        expect(checkCedar(starterCedar(name), manifestOf())).toEqual([]);
      }),
      { numRuns: 15 },
    );
    const parsed = parsePolicyDocument(JSON.stringify(starterDocument('A"\\\nB', 'it@acme\t.example')));
    expect(parsed).toMatchObject({ ok: true, value: { organisation: 'A"\\ B', contact: 'it@acme .example' } });
  });
});
