import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createToolSearch } from '../../../main/gateway/tool-search.ts';
import type { SearchableTool } from '../../../main/gateway/tool-search-port.ts';
import type { Json, JsonObject } from '../../../main/policy/json.ts';

const tool = (name: string, definition: JsonObject = {}): SearchableTool => ({
  name,
  definition: { name, inputSchema: { type: 'object' }, ...definition },
});

interface Answer {
  readonly tools: readonly { readonly name: string; readonly [key: string]: Json }[];
  readonly note?: string;
}

const search = createToolSearch();

async function ask(tools: readonly SearchableTool[], args: JsonObject): Promise<Answer> {
  const reply = await search.search(tools, args);
  if (!reply.ok) throw new Error(reply.message);
  const [{ text }] = reply.result.content as unknown as [{ text: string }];
  return JSON.parse(text) as Answer;
}

const names = async (tools: readonly SearchableTool[], query: string, limit?: number) =>
  (await ask(tools, { query, ...(limit !== undefined && { limit }) })).tools.map(({ name }) => name);

const some = [
  tool('github__create_issue', {
    title: 'Create issue',
    description: 'Opens a new issue in a repository.',
    inputSchema: {
      type: 'object',
      properties: { repository: { type: 'string' }, labels: { type: 'array', items: { properties: { colour: {} } } } },
      required: ['repository'],
      'x-kept': [1],
    },
    annotations: { destructiveHint: false },
    icons: [{ src: 'data:,' }],
    outputSchema: { type: 'object' },
  }),
  tool('github__searchIssues', { description: 'Finds issues by words.' }),
  tool('mail__send', { description: 'Sends a message to somebody.', annotations: { title: 'Send mail' } }),
  tool('files__read_text_file', { description: 'Reads a file.' }),
];

describe('when a model looks for a tool', () => {
  it('finds it by its name, its words, its title, or the name of a parameter', async () => {
    expect((await names(some, 'open an issue'))[0]).toBe('github__create_issue');
    expect((await names(some, 'search issues'))[0]).toBe('github__searchIssues');
    expect((await names(some, 'email'))[0]).toBe('mail__send');
    expect(await names(some, 'colour')).toEqual(['github__create_issue']);
    expect((await names(some, 'reading files'))[0]).toBe('files__read_text_file');
    expect((await names(some, 'READ_TEXT'))[0]).toBe('files__read_text_file');
  });

  it('forgives a slip of the pen, and puts a tool named exactly first', async () => {
    expect((await names(some, 'reposiotry'))[0]).toBe('github__create_issue');
    expect((await names(some, ' github__searchIssues '))[0]).toBe('github__searchIssues');
  });

  it('answers what is needed to call it, as the organisation approved it, and nothing else', async () => {
    const [found] = (await ask(some, { query: 'create issue', limit: 1 })).tools;
    const { name, title, description, inputSchema, annotations } = some[0]?.definition ?? {};
    expect(found).toEqual({ name, title, description, inputSchema, annotations });
  });

  it('says so where nothing fits, and where more would', async () => {
    expect(await ask(some, { query: 'zebra' })).toEqual({
      tools: [],
      note: 'None of the 4 tools here fits "zebra". Try other words, or fewer.',
    });
    expect((await ask([], { query: 'zebra' })).note).toContain('None of the 0 tools');
    expect(await names(some, 'the of a')).toEqual([]);
    const large = Array.from({ length: 20 }, (_, at) => tool(`large_${at}`, { description: 'large '.repeat(1_000) }));
    const answer = await ask(large, { query: 'large', limit: 20 });
    expect(answer.tools.length).toBeGreaterThan(5);
    expect(answer.note).toBe(
      `${20 - answer.tools.length} more fit less well and are left out for their size. Ask for them with more exact words.`,
    );
  });

  it('shortens a definition that alone is too large', async () => {
    const properties = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`field${at}`, { type: 'string' }]));
    const huge = tool('huge', {
      description: 'x'.repeat(50_000),
      inputSchema: { type: 'object', properties, required: ['field1'] },
    });
    const [found] = (await ask([huge], { query: 'huge' })).tools;
    expect(JSON.stringify(found).length).toBeLessThan(2_000);
    expect(found).toMatchObject({
      name: 'huge',
      required: ['field1'],
      note: expect.stringContaining('left out for its size'),
    });
  });

  it.each([
    [{}, '"query" must say in a few words what the tool should do.'],
    [{ query: '  ' }, '"query" must say in a few words what the tool should do.'],
    [{ query: 7 }, '"query" must say in a few words what the tool should do.'],
    [{ query: 'x'.repeat(501) }, '"query" has 501 characters, and 500 are the most.'],
    [{ query: 'x', limit: 0 }, '"limit" must be a whole number from 1 to 20.'],
    [{ query: 'x', limit: 1.5 }, '"limit" must be a whole number from 1 to 20.'],
    [{ query: 'x', limit: '5' }, '"limit" must be a whole number from 1 to 20.'],
  ] as [JsonObject, string][])('says what is wrong with %j', async (args, message) => {
    expect(await search.search(some, args)).toEqual({ ok: false, message });
  });

  it('answers whatever definitions and words there are, from the tools it was given and within its bounds', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    const definition = fc.record(
      {
        title: fc.oneof(text, fc.jsonValue()),
        description: fc.oneof(text, fc.jsonValue()),
        inputSchema: fc.jsonValue(),
        annotations: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const list = fc.uniqueArray(fc.tuple(text, definition), { selector: ([name]) => name, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(list, text, fc.integer({ min: 1, max: 20 }), async (given, query, limit) => {
        const tools = given.map(([name, rest]) => tool(name, rest as JsonObject));
        const reply = await search.search(tools, { query, limit });
        if (!reply.ok) return query.trim() === '';
        const [{ text: answered }] = reply.result.content as unknown as [{ text: string }];
        const { tools: found } = JSON.parse(answered) as Answer;
        const known = new Set(tools.map(({ name }) => JSON.stringify(name)));
        return (
          found.length <= limit &&
          found.every(({ name }) => known.has(JSON.stringify(name))) &&
          new Set(found.map(({ name }) => name)).size === found.length
        );
      }),
      { numRuns: 300 },
    );
  });

  it('knows nothing of tools it was not given: neither they nor their words change an answer', async () => {
    const hidden = tool('secret__create_issue', { description: 'Opens a new issue in a repository of the board.' });
    const before = await search.search(some, { query: 'create issue' });
    await search.search([...some, hidden], { query: 'create issue' });
    expect(await search.search([...some], { query: 'create issue' })).toEqual(before);
  });

  it('indexes ten thousand tools without holding up the rest', async () => {
    const many = Array.from({ length: 10_000 }, (_, at) =>
      tool(`server${at % 10}__tool_${at}`, { description: `Does thing number ${at} with files, issues and pages.` }),
    );
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    expect(await names(many, 'tool_7777', 1)).toEqual(['server7__tool_7777']);
    clearInterval(watch);
    expect(longest).toBeLessThan(150);
  });
});

describe('when a list is asked for', () => {
  it('shows two tools, pinned here word for word in what a caller relies on', () => {
    const [first, second, ...more] = search.tools().map((text) => JSON.parse(text) as JsonObject);
    expect(more).toEqual([]);
    expect(first).toMatchObject({
      name: 'search_tools',
      inputSchema: {
        type: 'object',
        required: ['query'],
        properties: { query: { type: 'string' }, limit: { type: 'integer' } },
      },
      annotations: { readOnlyHint: true },
    });
    expect(second).toMatchObject({
      name: 'call_tool',
      inputSchema: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, arguments: { type: 'object' } },
      },
    });
  });
});
