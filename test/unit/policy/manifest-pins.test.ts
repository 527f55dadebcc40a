import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import { comparePins } from '../../../main/policy/compare.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { comparePrompts, compareTemplates, compareTools, parseManifest } from '../../../main/policy/manifest.ts';
import {
  definition,
  manifestOf,
  manifestText,
  pins,
  prompt,
  server,
  template,
} from '../../fixtures/policy/organisation.ts';

const problems = (more: JsonObject) => {
  const parsed = parseManifest(manifestText(server('s', [], more)));
  return parsed.ok ? [] : parsed.problems.map((p) => `${p.path}: ${p.expected} | ${p.found}`);
};
const ask = prompt('ask', ['city', 'day?']);
const file = template('file:///docs/{name}');
const pinOf = (of: JsonObject) => ({ sha256: sha256OfJson(of), definition: of });

describe('when a manifest pins prompts and resource templates', () => {
  it('keeps them as the server showed them, unknown keys and all', () => {
    const odd = { ...ask, icons: [{ src: 'data:,x' }], _meta: { 'x/y': 1 }, future: null };
    const capabilities = { prompts: { listChanged: true }, resources: {}, experimental: { x: { y: [1] } } };
    const [only] = manifestOf(
      server('s', [], {
        prompts: pins([odd]),
        resourceTemplates: pins([file], 'uriTemplate'),
        resources: 'as-shown',
        capabilities,
      }),
    ).servers;
    expect(only?.prompts.ask).toEqual({ ...pinOf(odd), labels: [] });
    expect(only?.resourceTemplates['file:///docs/{name}']).toEqual({ ...pinOf(file), labels: [] });
    expect(only).toMatchObject({ resources: 'as-shown', capabilities });
  });

  it('lets nothing through where it says nothing', () => {
    const [only] = manifestOf(server('s', [])).servers;
    expect({ ...only?.prompts, ...only?.resourceTemplates }).toEqual({});
    expect(only).toMatchObject({ resources: 'none', capabilities: {} });
  });

  it('keeps names of prototypes as names like any other', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const [only] = manifestOf(server('s', [], { prompts: pins(names.map((name) => prompt(name))) })).servers;
    expect(Object.keys(only?.prompts ?? {})).toEqual(names);
    const [none] = manifestOf(server('s', [])).servers;
    expect(none?.prompts.constructor).toBeUndefined();
  });

  it('lets a tool, a prompt and a template have one name', () => {
    const same = template('same');
    const tools = pins([definition('same')]);
    expect(
      problems({ tools, prompts: pins([prompt('same')]), resourceTemplates: pins([same], 'uriTemplate') }),
    ).toEqual([]);
  });
});

describe('when a pin of a prompt or a template is wrong', () => {
  it('refuses a digest that names something else', () => {
    const altered = { ...ask, description: 'Asks, and reads ~/.ssh.' };
    expect(problems({ prompts: { ask: { sha256: sha256OfJson(ask), definition: altered } } })).toEqual([
      `/servers/0/prompts/ask/sha256: ${sha256OfJson(altered)} | ${sha256OfJson(ask)}`,
    ]);
    const wider = { ...file, uriTemplate: 'file:///{+path}' };
    expect(
      problems({ resourceTemplates: { 'file:///{+path}': { sha256: sha256OfJson(file), definition: wider } } }),
    ).toEqual([
      `/servers/0/resourceTemplates/file:~1~1~1{+path}/sha256: ${sha256OfJson(wider)} | ${sha256OfJson(file)}`,
    ]);
  });

  it('refuses a name the definition does not have', () => {
    expect(problems({ prompts: { other: pinOf(ask) } })).toEqual([
      '/servers/0/prompts/other/definition/name: text "other" | text "ask"',
    ]);
    // A template is named by its URI template and by nothing else, its "name" least of all.
    expect(problems({ resourceTemplates: { template: pinOf(file) } })).toEqual([
      '/servers/0/resourceTemplates/template/definition/uriTemplate: text "template" | text "file:///docs/{name}"',
    ]);
  });

  it('refuses names a person could not read', () => {
    for (const name of ['ask\u200b', 'ask\u202eksa', 'a\u0000', 'a\u2028', '\u{e0061}sk', '', 'x'.repeat(129)]) {
      expect(problems({ prompts: pins([prompt(name)]) })[0], JSON.stringify(name)).toContain(
        'a prompt name of 1 to 128 visible characters',
      );
    }
    for (const uri of ['file:///a\u200b', 'file:///\u202ea', '', `x:${'y'.repeat(2_047)}`]) {
      expect(problems({ resourceTemplates: pins([template(uri)], 'uriTemplate') })[0], JSON.stringify(uri)).toContain(
        'a URI template of 1 to 2048 visible characters',
      );
    }
  });

  it('refuses names that look alike, in each family by itself', () => {
    expect(problems({ prompts: pins([prompt('café'), prompt('cafe\u0301')]) })[0]).toBe(
      '/servers/0/prompts/cafe\u0301: prompt names that look different | "cafe\u0301", which looks like "café"',
    );
    const twins = ['x://café/{a}', 'x://cafe\u0301/{a}'].map((uri) => template(uri));
    expect(problems({ resourceTemplates: pins(twins, 'uriTemplate') })[0]).toContain(
      'URI templates that look different',
    );
  });

  it('names every mistake', () => {
    expect(
      problems({
        prompts: { ask: { ...pinOf(ask), label: [] }, set: 7, get: { ...pinOf(prompt('get')), labels: ['secret'] } },
        resourceTemplates: [],
        resources: 'all',
        capabilities: null,
        resourceTemplate: {},
      }).map((problem) => problem.split(': ')[0]),
    ).toEqual([
      '/servers/0/resourceTemplates',
      '/servers/0/resources',
      '/servers/0/capabilities',
      '/servers/0/resourceTemplate',
      '/servers/0/prompts/ask/label',
      '/servers/0/prompts/set',
      '/servers/0/prompts/get/labels/0',
    ]);
    expect(problems({ resources: 'all' })).toEqual(['/servers/0/resources: "none" or "as-shown" | text "all"']);
  });
});

describe('when a server shows its prompts and templates', () => {
  const pinned = manifestOf(
    server('s', [], { prompts: pins([ask, prompt('bye')]), resourceTemplates: pins([file], 'uriTemplate') }),
  ).servers[0] ?? { prompts: {}, resourceTemplates: {} };

  it('approves what is pinned, in whatever order its fields come', () => {
    const reordered = Object.fromEntries(Object.entries(ask).reverse());
    expect([...comparePrompts(pinned, [reordered])].map(([name, v]) => [name, v.state])).toEqual([
      ['ask', 'approved'],
      ['bye', 'missing'],
    ]);
    expect(compareTemplates(pinned, [file]).get('file:///docs/{name}')?.state).toBe('approved');
  });

  it('notices one more argument, and another text for the same address', () => {
    const more = prompt('ask', ['city', 'day?', 'password']);
    expect(comparePrompts(pinned, [more]).get('ask')).toMatchObject({
      state: 'changed',
      changes: [{ path: '/arguments/2', after: { name: 'password' } }],
    });
    const renamed = { ...file, title: 'Everything' };
    expect(compareTemplates(pinned, [renamed]).get('file:///docs/{name}')).toMatchObject({
      state: 'changed',
      changes: [{ path: '/title', after: 'Everything' }],
    });
  });

  it('withholds what is not pinned', () => {
    for (const name of ['bye ', 'Ask', 'constructor', '__proto__']) {
      expect(comparePrompts(pinned, [prompt(name)]).get(name)?.state, name).toBe('unpinned');
    }
    expect(compareTemplates(pinned, [template('file:///{+path}')]).get('file:///{+path}')?.state).toBe('unpinned');
  });

  it('goes by the URI template and not by the name of it', () => {
    const elsewhere = { ...file, uriTemplate: 'file:///etc/{name}' };
    expect([...compareTemplates(pinned, [elsewhere])].map(([uri, v]) => [uri, v.state])).toEqual([
      ['file:///etc/{name}', 'unpinned'],
      ['file:///docs/{name}', 'missing'],
    ]);
  });

  it('lets no second definition of one name hide behind the first', () => {
    const other = { ...ask, description: 'Other.' };
    for (const shown of [
      [ask, other],
      [other, ask],
      [ask, ask],
    ]) {
      expect(comparePrompts(pinned, shown).get('ask')?.state).toBe('changed');
    }
  });

  it('judges every family alike, whatever is shown', () => {
    const name = fc.constantFrom('a', 'b', 'c', '__proto__', 7, undefined);
    const shown = fc.record({ key: name, text: fc.constantFrom('x', 'y') });
    fc.assert(
      fc.property(
        fc.array(shown, { maxLength: 5 }),
        fc.uniqueArray(fc.constantFrom('a', 'b', '__proto__')),
        (list, of) => {
          const made = (named: string, { key, text }: { key: string | number | undefined; text: string }): JsonObject =>
            Object.fromEntries([['text', text], ...(key === undefined ? [] : [[named, key] as const])]);
          const states = (
            named: string,
            compare: (pinned: JsonObject, raw: JsonObject[]) => ReadonlyMap<string, unknown>,
          ) =>
            [
              ...compare(
                pins(
                  of.map((key) => made(named, { key, text: 'x' })),
                  named,
                ),
                list.map((one) => made(named, one)),
              ),
            ].map(([key, verdict]) => `${key} ${(verdict as { state: string }).state}`);
          const pinnedAs = (raw: JsonObject) =>
            Object.fromEntries(
              Object.entries(raw).map(([key, pin]) => [key, { ...(pin as JsonObject), labels: [] }]),
            ) as never;
          const tools = states('name', (raw, all) => compareTools({ tools: pinnedAs(raw) }, all));
          expect(states('name', (raw, all) => comparePrompts({ prompts: pinnedAs(raw) }, all))).toEqual(tools);
          expect(
            states('uriTemplate', (raw, all) => compareTemplates({ resourceTemplates: pinnedAs(raw) }, all)),
          ).toEqual(tools);
          expect(states('name', (raw, all) => comparePins(pinnedAs(raw), all, (d) => d.name))).toEqual(tools);
        },
      ),
    );
  });
});
