import { describe, expect, it } from 'vitest';
import type { Rooms } from '../../../main/app.ts';
import { nameTable } from '../../../main/gateway/names.ts';
import { createToolSearch } from '../../../main/gateway/tool-search.ts';
import { createTokensView } from '../../../main/ipc/tokens-view.ts';
import { runOffThread } from '../../../main/off-thread.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { compileSnapshot, type PolicySnapshot } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { nothingPinned } from '../../../main/policy/manifest.ts';

const description = 'Does one thing, and does it well. '.repeat(4);

function snapshotOf(count: number, profiles: readonly object[], cedar = ''): PolicySnapshot {
  const tools: Record<string, unknown> = {};
  for (let at = 0; at < count; at++) {
    const definition: JsonObject = {
      name: `tool_${at}`,
      description,
      inputSchema: { type: 'object', properties: { path: { type: 'string', description: 'Where' } } },
      // What no model is handed counts for nothing.
      icons: [{ src: `data:image/png;base64,${'A'.repeat(2_000)}` }],
    };
    tools[`tool_${at}`] = { sha256: sha256OfJson(definition), definition, labels: [] };
  }
  const server = {
    server: { name: 'example.test/a', version: '1.0.0', description: 'A' },
    alias: 'a',
    title: 'A',
    owner: 'it@acme.example',
    groups: [],
    state: 'active',
    launch: { transport: 'stdio', command: 'node', args: [], env: [] },
    auth: { kind: 'none' },
    ...nothingPinned,
    tools,
  };
  const compiled = compileSnapshot({
    organisation: 'Acme',
    version: 1,
    policyJson: JSON.stringify({ schema: 1, organisation: 'Acme', contact: 'it', profiles }),
    policyCedar: `permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource);\n${cedar}`,
    manifestJson: JSON.stringify({ schema: 1, servers: [server] }),
  });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.value;
}

const search = createToolSearch();

function viewOf(offered: () => PolicySnapshot | undefined, names: readonly string[]) {
  const counted: number[] = [];
  const rooms = {
    apps: { list: () => names.map((name) => ({ id: `id-${name}`, name, hint: '', issuedAt: 0 })) },
    ports: { account: 'alice', clock: { now: () => Date.now() } },
    offeredPolicy: offered,
    profileTools: (snapshot: PolicySnapshot, profile: string) =>
      nameTable(snapshot, { kind: 'profile', profile }, 'tool').values(),
    searchTools: () => search.tools(),
    countTokens: (texts: readonly string[]) => {
      counted.push(texts.length);
      return runOffThread({ kind: 'count-tokens', texts });
    },
  };
  return { view: createTokensView(rooms as unknown as Rooms), counted };
}

const all = { name: 'all', title: 'Everything', tools: ['a.*'], search: true };
const few = { name: 'few', title: 'A few', tools: ['a.tool_1'], search: true };
const plain = { name: 'plain', title: 'Plain', tools: ['a.*'], search: false };

describe('when the person looks at what search saves', () => {
  it('counts, per app and profile with search, what a model would be handed', async () => {
    const snapshot = snapshotOf(
      100,
      [all, few, plain],
      `@id("not-for-b") forbid (principal, action in Action::"discover", resource == Tool::"a.tool_7") when { context.app == "B" };`,
    );
    const { view } = viewOf(() => snapshot, ['A', 'B']);
    const saved = await view();
    expect(saved.map(({ app, profile, title, tools }) => [app, profile, title, tools])).toEqual([
      ['id-A', 'all', 'Everything', 100],
      ['id-A', 'few', 'A few', 1],
      ['id-B', 'all', 'Everything', 99],
      ['id-B', 'few', 'A few', 1],
    ]);
    const [everything, one, withoutOne] = saved;
    // Some sixty tokens a tool: the icons, thousands each, are not in it.
    expect(everything?.listTokens).toBeGreaterThan(5_000);
    expect(everything?.listTokens).toBeLessThan(9_000);
    expect(withoutOne?.listTokens).toBeLessThan(everything?.listTokens ?? 0);
    expect(one?.listTokens).toBeLessThan(one?.searchTokens ?? 0);
    expect(new Set(saved.map(({ searchTokens }) => searchTokens)).size).toBe(1);
    expect(one?.searchTokens).toBeGreaterThan(150);
    expect(one?.searchTokens).toBeLessThan(500);
  });

  it('starts no thread where nobody has search, and only one for as long as nothing changed', async () => {
    let snapshot: PolicySnapshot | undefined;
    const { view, counted } = viewOf(() => snapshot, ['A', 'B', 'C']);
    expect(await view()).toEqual([]);
    snapshot = snapshotOf(5, [plain]);
    expect(await view()).toEqual([]);
    expect(counted).toEqual([]);
    snapshot = snapshotOf(5, [all]);
    const [one, other] = await Promise.all([view(), view()]);
    expect(other).toEqual(one);
    // The two that stand for all, and the one list that all three see.
    expect(counted).toEqual([2]);
    snapshot = snapshotOf(6, [all]);
    await view();
    expect(counted).toEqual([2, 1]);
  });
});
