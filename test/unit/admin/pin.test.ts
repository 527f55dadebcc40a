import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOrganisation } from '../../../main/admin/check.ts';
import { pathsOf } from '../../../main/admin/organisation.ts';
import { type PinnedServer, pinServers } from '../../../main/admin/pin.ts';
import { pinLines } from '../../../main/admin/pin-lines.ts';
import type { AdminResult } from '../../../main/admin/result.ts';
import { addServer } from '../../../main/admin/servers.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { decide, userOf } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { parseManifest } from '../../../main/policy/manifest.ts';
import { starterCedar, starterDocument } from '../../../main/policy/starter.ts';
import { definition, prompt, snapshotOf, template } from '../../fixtures/policy/organisation.ts';
import { createClock, quiet } from '../trust/publisher.ts';

const LISTING = resolve(import.meta.dirname, 'listing-server.ts');
const EVERYTHING = resolve(
  import.meta.dirname,
  '../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js',
);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gatehouse-pin-'));
  const paths = pathsOf(dir);
  writeFileSync(paths.policyJson, JSON.stringify(starterDocument('Acme', 'it@acme.example')));
  writeFileSync(paths.policyCedar, starterCedar('Acme'));
  writeFileSync(paths.manifestJson, JSON.stringify({ schema: 1, servers: [] }));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function expectDone<T>(result: AdminResult<T>): T {
  if (!result.ok) throw new Error(`${result.code}: ${result.problems.join(' ')}`);
  return result.value;
}
const add = async (alias: string, ...args: string[]) =>
  expectDone(await addServer({ dir, alias, source: { kind: 'command', command: process.execPath, args } }));
const shows = (content: JsonObject) => writeFileSync(join(dir, 'shown.json'), JSON.stringify(content));
const pin = async () =>
  expectDone(await pinServers({ dir, clock: createClock(), log: quiet, version: '1', startTimeoutMs: 20_000 }));
const pinOnly = async (): Promise<PinnedServer> => {
  const { pinned, failed } = await pin();
  expect(failed).toEqual([]);
  const [only] = pinned;
  if (!only) throw new Error('nothing was pinned');
  return only;
};
const manifestText = () => readFileSync(pathsOf(dir).manifestJson, 'utf8');
const server = () => {
  const parsed = parseManifest(manifestText());
  const only = parsed.ok ? parsed.value.servers[0] : undefined;
  if (!only) throw new Error('no server');
  return only;
};
const edit = (change: (text: string) => string) => writeFileSync(pathsOf(dir).manifestJson, change(manifestText()));

const ask = prompt('ask', ['city'], { 'x-unknown': { kept: [1, null] }, icons: [{ src: 'data:,x' }] });
const docs = template('file:///docs/{name}', { _meta: { 'com.example/x': true } });
const everything: JsonObject = {
  capabilities: { tools: {}, prompts: { listChanged: true }, resources: { subscribe: true }, experimental: { x: {} } },
  instructions: 'Be kind.',
  tools: [definition('read')],
  prompts: [ask, prompt('bye')],
  resourceTemplates: [docs],
};

describe('when a server with prompts and resources is pinned', () => {
  it('records all of it, raw, and says what it recorded', async () => {
    shows(everything);
    await add('s', LISTING, join(dir, 'shown.json'));
    const report = await pinOnly();
    expect(pinLines({ pinned: [report], failed: [] })).toEqual([
      's: 1 tool, 2 prompts, 1 resource template pinned',
      '  + read',
      '  + prompt ask',
      '  + prompt bye',
      '  + resource template file:///docs/{name}',
      '  + its resources, as it shows them',
      '  ~ its instructions to the AI',
    ]);
    expect(server().prompts.ask).toEqual({ sha256: sha256OfJson(ask), definition: ask, labels: [] });
    expect(server().resourceTemplates['file:///docs/{name}']).toEqual({
      sha256: sha256OfJson(docs),
      definition: docs,
      labels: [],
    });
    expect(server()).toMatchObject({
      resources: 'as-shown',
      capabilities: everything.capabilities,
      instructions: { text: 'Be kind.' },
    });
    expect(expectDone(await checkOrganisation(dir))).toEqual({
      servers: 1,
      tools: 1,
      prompts: 2,
      resourceTemplates: 1,
      notes: [],
    });
  });

  it('says what changed of each, and keeps the labels IT gave', async () => {
    shows(everything);
    await add('s', LISTING, join(dir, 'shown.json'));
    await pin();
    const { prompts, resourceTemplates } = JSON.parse(manifestText()).servers[0];
    prompts.ask.labels = ['untrusted-input'];
    resourceTemplates['file:///docs/{name}'].labels = ['private-data'];
    edit((text) => {
      const manifest = JSON.parse(text);
      Object.assign(manifest.servers[0], { prompts, resourceTemplates });
      return JSON.stringify(manifest);
    });

    shows({
      ...everything,
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, experimental: { x: {} } },
      prompts: [{ ...ask, description: 'Asks, then tells everybody.' }, prompt('new')],
      resourceTemplates: [{ ...docs, title: 'Documents' }, template('x://{y}')],
    });
    const report = await pinOnly();
    expect(report).toMatchObject({
      added: [],
      prompts: {
        count: 2,
        added: ['new'],
        removed: ['bye'],
        changed: [{ name: 'ask', changes: expect.stringContaining('tells everybody') }],
      },
      resourceTemplates: { count: 2, added: ['x://{y}'], removed: [] },
      resources: { now: 'as-shown', before: 'as-shown' },
      instructionsChanged: false,
    });
    expect(pinLines({ pinned: [report], failed: [] })).toEqual([
      's: 1 tool, 2 prompts, 2 resource templates pinned',
      '  + prompt new',
      '  - prompt bye',
      '  ~ prompt ask',
      '      /description: "Asks for ask." → "Asks, then tells everybody."',
      '  + resource template x://{y}',
      '  ~ resource template file:///docs/{name}',
      '      /title: added "Documents"',
      '  ~ what it declares it can do',
      '      /prompts/listChanged: removed, was true',
    ]);
    expect(server().prompts.ask?.labels).toEqual(['untrusted-input']);
    expect(server().resourceTemplates['file:///docs/{name}']?.labels).toEqual(['private-data']);
    expect(pinLines({ pinned: [await pinOnly()], failed: [] })).toEqual([
      's: 1 tool, 2 prompts, 2 resource templates pinned, nothing changed',
    ]);
  });

  it('shows resources only of a server that declares them, and asks nothing it does not offer', async () => {
    shows({ capabilities: { tools: {} }, tools: [definition('read')] });
    await add('s', LISTING, join(dir, 'shown.json'));
    expect(pinLines({ pinned: [await pinOnly()], failed: [] })).toEqual(['s: 1 tool pinned', '  + read']);
    expect(server()).toMatchObject({
      prompts: {},
      resourceTemplates: {},
      resources: 'none',
      capabilities: { tools: {} },
    });
  });

  it('takes resources without templates, of a server that does not know the method', async () => {
    shows({ capabilities: { resources: {} }, tools: [] });
    await add('s', LISTING, join(dir, 'shown.json'));
    expect(await pinOnly()).toMatchObject({ tools: 0, resources: { now: 'as-shown', before: 'none' } });
    expect(expectDone(await checkOrganisation(dir)).notes).toEqual([]);
  });

  it('keeps what IT decided about resources, until the server has none', async () => {
    shows(everything);
    await add('s', LISTING, join(dir, 'shown.json'));
    await pin();
    edit((text) => text.replace('"as-shown"', '"none"'));
    expect(await pinOnly()).toMatchObject({ resources: { now: 'none', before: 'none' } });
    edit((text) => text.replace('"resources": "none"', '"resources": "as-shown"'));
    shows({ ...everything, capabilities: { tools: {} } });
    const report = await pinOnly();
    expect(report.resources).toEqual({ now: 'none', before: 'as-shown' });
    expect(pinLines({ pinned: [report], failed: [] })).toContain('  - its resources: it declares none');
    expect(server()).toMatchObject({ prompts: {}, resourceTemplates: {} });
  });

  it.each([
    ['a prompt without a name', { prompts: [{ description: 'x' }] }, 'it shows a prompt without a name'],
    ['a prompt twice', { prompts: [ask, ask] }, 'it shows the prompt "ask" twice'],
    [
      'a template twice',
      { resourceTemplates: [docs, { ...docs, name: 'other' }] },
      'it shows the resource template "file:///docs/{name}" twice',
    ],
    [
      'a template without an address',
      { resourceTemplates: [{ name: 'x' }] },
      'it shows a resource template without a name',
    ],
  ])('does not pin a server that shows %s', async (_, more, message) => {
    shows({ ...everything, ...more });
    await add('s', LISTING, join(dir, 'shown.json'));
    expect(await pin()).toEqual({ pinned: [], failed: [{ alias: 's', message }] });
    expect(server().tools).toEqual({});
  });

  it('offers what an app could offer, and answers nothing in its place', async () => {
    shows({ ...everything, asked: true });
    await add('s', LISTING, join(dir, 'shown.json'));
    await pinOnly();
    const { capabilities } = JSON.parse(readFileSync(join(dir, 'shown.json.client'), 'utf8'));
    expect(Object.keys(capabilities).sort()).toEqual(['elicitation', 'roots', 'sampling', 'tasks']);
    expect(existsSync(join(dir, 'shown.json.answer'))).toBe(true);
    expect(JSON.parse(readFileSync(join(dir, 'shown.json.answer'), 'utf8'))).toMatchObject({ code: -32603 });
  });
});

describe('when the reference server is pinned', () => {
  it('has its prompts and resources decided about by the starter policy', async () => {
    await add('everything', EVERYTHING);
    const report = await pinOnly();
    expect(report.prompts.added).toEqual(
      expect.arrayContaining(['simple-prompt', 'args-prompt', 'completable-prompt', 'resource-prompt']),
    );
    expect(report.resourceTemplates.added).toEqual(
      expect.arrayContaining([
        'demo://resource/dynamic/text/{resourceId}',
        'demo://resource/dynamic/blob/{resourceId}',
      ]),
    );
    // Shown only to apps that offer what these need.
    expect(report.added).toEqual(expect.arrayContaining(['get-roots-list', 'trigger-sampling-request', 'echo']));
    const { notes, ...counts } = expectDone(await checkOrganisation(dir));
    expect(counts).toMatchObject({ servers: 1, tools: report.tools, prompts: report.prompts.count });
    expect(notes.filter((note) => note.includes('/prompts/'))).toEqual([]);

    const snapshot = snapshotOf(starterCedar('Acme'), JSON.parse(manifestText()).servers);
    const base = {
      question: 'call',
      user: userOf(snapshot, 'alice'),
      app: 'Claude',
      alias: 'everything',
      at: 0,
    } as const;
    expect(decide(snapshot, { ...base, kind: 'prompt', tool: 'args-prompt', args: { city: 'Paris' } }).effect).toBe(
      'allow',
    );
    const args = { uri: 'demo://resource/static/document/architecture.md' };
    expect(decide(snapshot, { ...base, kind: 'resource', tool: '', args }).effect).toBe('allow');
    expect(decide(snapshot, { ...base, tool: 'trigger-sampling-request', args: {} }).effect).toBe('ask');
    expect(await pinOnly()).toMatchObject({ added: [], removed: [], changed: [], capabilitiesChanged: '' });
  });
});
