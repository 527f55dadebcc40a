import { describe, expect, it } from 'vitest';
import type { ApprovalQuestion } from '../../../main/approvals/approvals.ts';
import { viewQuestion } from '../../../main/ipc/question-view.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

function question(definition: JsonObject, args: JsonObject): ApprovalQuestion {
  return {
    id: 'q',
    callId: 'c',
    app: 'Cursor',
    user: 'alice',
    session: 's',
    alias: 'files',
    serverTitle: 'Files',
    tool: 'write_file',
    definition,
    definitionSha256: '',
    args,
    labels: [],
    reason: '',
    rules: [],
    policyDigest: '',
    message: '',
    remember: ['call'],
    digest: 'd',
    askedAt: 0,
    expiresAt: 1,
  };
}

const shown = (definition: JsonObject, args: JsonObject) =>
  viewQuestion(question(definition, args)).fields.map(({ path, label, value }) => [path, label, value]);

describe('when a question is shown', () => {
  it('lists arguments in the order and words of the schema, and every other after them', () => {
    const properties = { path: { title: 'Where to' }, text: { description: 'What' }, mode: {} };
    const args = { extra: 1, mode: 'w', text: 'hello', path: '/x' };
    expect(shown({ inputSchema: { properties } }, args)).toEqual([
      ['path', 'Where to', '/x'],
      ['text', 'Text', 'hello'],
      ['mode', 'Mode', 'w'],
      ['extra', 'Extra', 1],
    ]);
  });

  it('leaves out no argument named like a part of every object', () => {
    const args = JSON.parse(
      '{"__proto__":"hidden?","constructor":"x","toString":{"a":1},"hasOwnProperty":null}',
    ) as JsonObject;
    const names = shown({ inputSchema: { properties: { path: {} } } }, args).map(([name, , value]) => [name, value]);
    expect(names).toEqual([
      ['__proto__', 'hidden?'],
      ['constructor', 'x'],
      ['toString', { a: 1 }],
      ['hasOwnProperty', null],
    ]);
    expect(JSON.parse(viewQuestion(question({}, args)).raw)).toEqual(args);
  });

  it.each([
    [{}],
    [{ inputSchema: null }],
    [{ inputSchema: { properties: [] } }],
    [{ inputSchema: { properties: { path: 7 } } }],
  ] as [JsonObject][])('shows every argument whatever the definition %j says', (definition) => {
    expect(shown(definition, { path: '/x' })).toEqual([['path', 'Path', '/x']]);
  });

  it('calls a tool destructive unless it says otherwise, and in words', () => {
    const risk = (annotations: JsonObject) => viewQuestion(question({ annotations }, {})).risk;
    expect([
      risk({}),
      risk({ destructiveHint: false }),
      risk({ readOnlyHint: true }),
      risk({ readOnlyHint: 'true' }),
    ]).toEqual(['destroys', 'changes', 'reads', 'destroys']);
    expect(viewQuestion(question({ title: '  ' }, {})).toolTitle).toBe('Write file');
  });
});
