import { describe, expect, it } from 'vitest';
import type { Rooms } from '../../../main/app.ts';
import type { ApprovalQuestion } from '../../../main/approvals/approvals.ts';
import type { AuditEvent, AuditRow, CallFacts, CallStory } from '../../../main/audit/record.ts';
import type { HeldBack } from '../../../main/gateway/gateway.ts';
import { viewCall, viewCallDetail } from '../../../main/ipc/activity-view.ts';
import { readHome } from '../../../main/ipc/home-view.ts';
import { viewQuestion } from '../../../main/ipc/question-view.ts';
import { readToolSets } from '../../../main/ipc/tools-view.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { compileSnapshot } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { nothingPinned } from '../../../main/policy/manifest.ts';

const everything = 'permit (principal, action, resource);';
const template = 'issue://{owner}/{number}';
const pinned = (definition: JsonObject) => ({ sha256: sha256OfJson(definition), definition, labels: [] });
const tool = pinned({ name: 'create_issue', inputSchema: { type: 'object' } });
const toolReview = pinned({ name: 'review', inputSchema: { type: 'object' } });
const prompt = pinned({ name: 'review', title: 'Review a change', description: 'Reads it with care.' });
const address = pinned({ uriTemplate: template, name: 'one_issue' });
const bare = pinned({ uriTemplate: 'log://{day}', name: '' });

function roomsWith({
  held = [],
  questions = [],
  cedar = everything,
  tools = { create_issue: tool },
}: {
  held?: readonly HeldBack[];
  questions?: readonly ApprovalQuestion[];
  cedar?: string;
  tools?: object;
} = {}): Rooms {
  const server = {
    server: { name: 'example.test/github', version: '1.0.0', description: 'Code' },
    alias: 'github',
    title: 'GitHub',
    owner: 'it@acme.example',
    groups: [],
    state: 'active',
    launch: { transport: 'stdio', command: 'node', args: [], env: [] },
    auth: { kind: 'none' },
    ...nothingPinned,
    tools,
    prompts: { review: prompt },
    resourceTemplates: { [template]: address, 'log://{day}': bare },
  };
  const compiled = compileSnapshot({
    organisation: 'Acme',
    version: 1,
    policyJson: JSON.stringify({ schema: 1, organisation: 'Acme', contact: 'it' }),
    policyCedar: cedar,
    manifestJson: JSON.stringify({ schema: 1, servers: [server] }),
  });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const rooms = {
    ports: { account: 'alice', clock: { now: () => 1_000 }, version: '0' },
    policy: () => ({ ok: true, snapshot: compiled.value }),
    offeredPolicy: () => compiled.value,
    backends: { status: () => [] },
    gateway: { heldBack: () => held },
    approvals: { pending: () => questions },
    switches: { isOff: () => false },
    apps: { list: () => [] },
    trust: { state: () => ({ enrolment: undefined, problem: undefined }) },
    pause: { state: () => undefined, until: () => undefined },
    endpoint: () => undefined,
    audit: { reader: { totals: () => ({ allowed: 0, refused: 0 }), hourly: () => [], calls: () => [] } },
  };
  return rooms as unknown as Rooms;
}

const story = (more: Partial<CallFacts>): CallStory => ({
  seq: 1,
  callId: 'c',
  at: 1,
  hash: '',
  status: 'done',
  outcome: 'ok',
  facts: {
    callId: 'c',
    user: 'alice',
    app: 'Claude',
    era: 'modern',
    session: 's',
    alias: 'github',
    tool: 'create_issue',
    argumentsDigest: '',
    effect: 'allow',
    rules: [],
    reason: '',
    policyVersion: 1,
    policyDigest: '',
    ...more,
  },
});

const heldBack = (more: Partial<HeldBack>): HeldBack => ({
  alias: 'github',
  tool: 'review',
  state: 'changed',
  changes: [],
  since: 1,
  ...more,
});

describe('when a recorded call is shown', () => {
  it.each([
    [undefined, 'create_issue', 'use', 'Create issue'],
    ['resources/read', 'file:///some_notes.txt', 'read', 'file:///some_notes.txt'],
    ['resources/subscribe', 'file:///some_notes.txt', 'watch', 'file:///some_notes.txt'],
    ['prompts/get', 'review', 'prompt', 'Review a change'],
    ['prompts/get', 'gone_now', 'prompt', 'Gone now'],
    ['completion/complete', 'review', 'suggest', 'Review a change'],
    ['completion/complete', template, 'suggest', 'One issue'],
    ['completion/complete', 'file:///some_notes.txt', 'suggest', 'file:///some_notes.txt'],
    ['tasks/get', 'create_issue', 'check', 'Create issue'],
    ['tasks/result', 'create_issue', 'collect', 'Create issue'],
    ['tasks/update', 'create_issue', 'answer', 'Create issue'],
    ['tasks/cancel', 'create_issue', 'stop', 'Create issue'],
  ] as const)('says of %s %s what was done, in its own words', (method, name, act, title) => {
    const call = viewCall(roomsWith(), story({ tool: name, ...(method && { method }) }));
    expect([call.act, call.tool, call.toolTitle]).toEqual([act, name, title]);
  });

  it('takes a method it does not know for the use of a tool, and shows the rest', () => {
    const odd = { method: 'toString' } as unknown as Partial<CallFacts>;
    expect(viewCall(roomsWith(), story(odd)).act).toBe('use');
  });

  it('tells what the tool set asked in between, in order, with what came of it', () => {
    const input = (seq: number, method: string, answer: string): AuditRow => {
      const event: AuditEvent = { kind: 'call.input', callId: 'c', method, answer, digest: '' };
      return { seq, at: seq * 10, kind: 'call.input', callId: 'c', body: JSON.stringify(event), prev: '', hash: '' };
    };
    const rows = [
      input(2, 'elicitation/create', 'decline'),
      input(3, 'sampling/createMessage', 'ok'),
      input(4, 'roots/list', 'not-allowed'),
      input(5, 'constructor', 'error'),
      { ...input(6, 'roots/list', 'ok'), body: 'changed on the disk' },
    ];
    const { asked, chain } = viewCallDetail(roomsWith(), { story: story({}), rows });
    expect(asked).toEqual([
      { seq: 2, at: 20, what: 'person', answer: 'decline' },
      { seq: 3, at: 30, what: 'model', answer: 'ok' },
      { seq: 4, at: 40, what: 'folders', answer: 'not-allowed' },
      { seq: 5, at: 50, what: 'other', answer: 'error' },
      { seq: 6, at: 60, what: 'other', answer: '' },
    ]);
    expect(chain).toHaveLength(5);
  });
});

describe('when a tool set is shown', () => {
  it('lists its tools, its prompts and what can be read apart', () => {
    const [set] = readToolSets(roomsWith());
    expect(set?.actions.map(({ title, risk }) => [title, risk])).toEqual([['Create issue', 'destroys']]);
    expect(set?.prompts).toMatchObject([{ name: 'review', title: 'Review a change', effect: 'allow' }]);
    expect(set?.templates.map(({ name, title }) => [name, title])).toEqual([
      [template, 'One issue'],
      ['log://{day}', 'log://{day}'],
    ]);
  });

  it('holds back what changed where it belongs, though a tool has the same name', () => {
    const changes = [{ path: '/description', before: 'a', after: 'b' }];
    const held = [
      heldBack({ kind: 'prompt', changes }),
      heldBack({ kind: 'resource-template', tool: template }),
      heldBack({ kind: 'prompt', tool: 'brand_new', state: 'unpinned' }),
    ];
    const [set] = readToolSets(roomsWith({ held, tools: { create_issue: tool, review: toolReview } }));
    expect(set?.actions.map(({ state }) => state)).toEqual(['approved', 'approved']);
    expect(set?.prompts.map(({ title, state }) => [title, state])).toEqual([
      ['Review a change', 'changed'],
      ['Brand new', 'unpinned'],
    ]);
    expect(set?.prompts[0]?.changes).toEqual(changes);
    expect(set?.prompts[1]).toMatchObject({
      effect: 'hidden',
      reason: 'Your organisation has not approved this prompt.',
    });
    expect(set?.templates.map(({ state }) => state)).toEqual(['changed', 'approved']);
  });

  it('leaves out what does not exist for this person', () => {
    const cedar = `permit (principal, action, resource) when { resource is Tool };`;
    const [set] = readToolSets(roomsWith({ cedar }));
    expect([set?.actions.length, set?.prompts, set?.templates]).toEqual([1, [], []]);
  });
});

describe('when Home says what needs someone', () => {
  const needs = (held: readonly HeldBack[], tools?: object) =>
    readHome(roomsWith({ held, ...(tools && { tools }) })).needs.map(({ title, detail }) => [title, detail]);

  it('names a tool, a prompt and an address each for what it is', () => {
    const held = [
      heldBack({ tool: 'create_issue' }),
      heldBack({ kind: 'prompt' }),
      heldBack({ kind: 'resource-template', tool: template, state: 'missing' }),
    ];
    const rest = ' Everything else in GitHub still works.';
    expect(needs(held)).toEqual([
      ['GitHub changed since Acme approved it', `“Create issue” is held back until Acme approves the change.${rest}`],
      [
        'GitHub changed since Acme approved it',
        `The prompt “Review a change” is held back until Acme approves the change.${rest}`,
      ],
      [
        'GitHub no longer offers something approved to read',
        `“One issue” cannot be read until Acme approves the change.${rest}`,
      ],
    ]);
  });

  it('claims that the rest works only where there is a rest', () => {
    const held = [
      heldBack({ tool: 'create_issue' }),
      heldBack({ kind: 'prompt' }),
      heldBack({ kind: 'resource-template', tool: template }),
      heldBack({ kind: 'resource-template', tool: 'log://{day}' }),
    ];
    for (const [, detail] of needs(held)) expect(detail).not.toContain('still works');
  });

  it('says of a question what the app wants', () => {
    const wanted = (more: Partial<ApprovalQuestion>) =>
      readHome(roomsWith({ questions: [question(more)] })).needs[0]?.detail;
    expect([
      wanted({}),
      wanted({ kind: 'prompt', tool: 'review', definition: prompt.definition }),
      wanted({ kind: 'resource', tool: 'file:///a_b' }),
    ]).toEqual([
      'It wants to use Create issue in GitHub.',
      'It wants to use the prompt Review a change of GitHub.',
      'It wants to read from GitHub: file:///a_b',
    ]);
  });
});

describe('when a question is not about a tool', () => {
  it('labels the arguments of a prompt in its own order and words', () => {
    const definition = {
      name: 'review',
      arguments: [{ name: 'depth', title: 'How deep' }, { name: 'change', description: 'Which one' }, 7],
    };
    const view = viewQuestion(question({ kind: 'prompt', definition, args: { other: 1, change: '5', depth: 'all' } }));
    expect(view.kind).toBe('prompt');
    expect(view.fields).toEqual([
      { path: 'depth', label: 'How deep', value: 'all' },
      { path: 'change', label: 'Change', value: '5', description: 'Which one' },
      { path: 'other', label: 'Other', value: 1 },
    ]);
  });

  it('shows the address that would be read', () => {
    const view = viewQuestion(question({ kind: 'resource', tool: 'file:///a_b', args: { uri: 'file:///a_b' } }));
    expect([view.kind, view.toolTitle, view.fields]).toEqual([
      'resource',
      'file:///a_b',
      [{ path: 'uri', label: 'Address', value: 'file:///a_b' }],
    ]);
  });

  it('calls a tool a tool', () => {
    expect(viewQuestion(question({})).kind).toBe('tool');
  });
});

function question(more: Partial<ApprovalQuestion>): ApprovalQuestion {
  return {
    id: 'q',
    callId: 'c',
    app: 'Cursor',
    user: 'alice',
    session: 's',
    alias: 'github',
    serverTitle: 'GitHub',
    tool: 'create_issue',
    definition: tool.definition,
    definitionSha256: '',
    args: {},
    labels: [],
    reason: '',
    rules: [],
    policyDigest: '',
    message: '',
    remember: ['call'],
    digest: 'd',
    askedAt: 0,
    expiresAt: 1,
    ...more,
  };
}
