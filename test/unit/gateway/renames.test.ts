import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  renameMessages,
  renamePromptResult,
  renameReadResult,
  renameResource,
  renameTemplate,
  renameTool,
  renameToolResult,
} from '../../../main/gateway/renames.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

const rename = (uri: string) => `a+${uri}`;
const text = (value: unknown) => JSON.stringify(value);

describe('when what a server says is renamed for a merged endpoint', () => {
  it('renames links and embedded resources of a tool result, and nothing beside', () => {
    const result = {
      'x-first': { uri: 'x:1' },
      content: [
        { type: 'text', text: 'see x:1', uri: 'x:1' },
        { type: 'resource_link', 'x-own': 1, uri: 'x:1', name: 'n' },
        { type: 'resource', resource: { mimeType: 't', uri: 'x:2', text: 'x:2' }, uri: 'x:3' },
        { type: 'x-unknown', uri: 'x:1', resource: { uri: 'x:1' } },
        null,
      ],
      structuredContent: { content: [{ type: 'resource_link', uri: 'x:1' }] },
      _meta: { ui: { resourceUri: 'ui://p', more: 1 }, 'ui/resourceUri': 'ui://p', uri: 'x:1' },
    };
    expect(text(renameToolResult(result, rename))).toBe(
      text({
        'x-first': { uri: 'x:1' },
        content: [
          { type: 'text', text: 'see x:1', uri: 'x:1' },
          { type: 'resource_link', 'x-own': 1, uri: 'a+x:1', name: 'n' },
          { type: 'resource', resource: { mimeType: 't', uri: 'a+x:2', text: 'x:2' }, uri: 'x:3' },
          { type: 'x-unknown', uri: 'x:1', resource: { uri: 'x:1' } },
          null,
        ],
        structuredContent: { content: [{ type: 'resource_link', uri: 'x:1' }] },
        _meta: { ui: { resourceUri: 'a+ui://p', more: 1 }, 'ui/resourceUri': 'a+ui://p', uri: 'x:1' },
      }),
    );
  });

  it('renames what messages of prompts and of sampling link to', () => {
    const messages = [
      { role: 'user', content: { type: 'resource', resource: { uri: 'x:1', blob: '' } } },
      {
        role: 'user',
        content: [{ type: 'tool_result', toolUseId: '1', content: [{ type: 'resource_link', uri: 'x:2' }] }],
      },
      { role: 'user', content: 'not a block' },
    ];
    const expected = text({
      description: 'd',
      messages: [
        { role: 'user', content: { type: 'resource', resource: { uri: 'a+x:1', blob: '' } } },
        {
          role: 'user',
          content: [{ type: 'tool_result', toolUseId: '1', content: [{ type: 'resource_link', uri: 'a+x:2' }] }],
        },
        { role: 'user', content: 'not a block' },
      ],
    });
    expect(text(renamePromptResult({ description: 'd', messages }, rename))).toBe(expected);
    expect(text(renameMessages({ description: 'd', messages }, rename))).toBe(expected);
  });

  it('renames what contents, resources and templates say they are', () => {
    expect(renameReadResult({ contents: [{ uri: 'x:1', text: '' }, { text: '' }] }, rename)).toEqual({
      contents: [{ uri: 'a+x:1', text: '' }, { text: '' }],
    });
    expect(renameResource({ uri: 'x:1', name: 'n' }, rename)).toEqual({ uri: 'a+x:1', name: 'n' });
    expect(renameTemplate({ uriTemplate: 'x:{a}', uri: 'x:1' }, rename)).toEqual({
      uriTemplate: 'a+x:{a}',
      uri: 'x:1',
    });
  });

  it('renames a tool and the page that shows it', () => {
    const tool = { name: 't', _meta: { ui: { resourceUri: 'ui://p' } }, inputSchema: { type: 'object' } };
    expect(text(renameTool(tool, 'a__t', rename))).toBe(
      text({ name: 'a__t', _meta: { ui: { resourceUri: 'a+ui://p' } }, inputSchema: { type: 'object' } }),
    );
    expect(renameTool(tool, 't', undefined)).toBe(tool);
  });

  it('hands back the very object where nothing is to be renamed', () => {
    const result = { content: [{ type: 'text', text: 'x' }], _meta: { ui: {}, a: 1 }, structuredContent: {} };
    expect(renameToolResult(result, rename)).toBe(result);
    const prompt = { messages: [{ role: 'user', content: { type: 'text', text: 'x' } }] };
    expect(renamePromptResult(prompt, rename)).toBe(prompt);
    expect(renameReadResult({ contents: 'none' }, rename)).toEqual({ contents: 'none' });
  });

  it('changes nothing but URIs of anything, and leaves it in order', () => {
    const anything = fc.dictionary(fc.string(), fc.jsonValue());
    const block = fc.oneof(
      anything,
      fc.record({
        type: fc.constantFrom('resource_link', 'resource', 'tool_result', 'text'),
        uri: fc.string(),
        resource: anything,
      }),
    );
    const holder = fc.record({
      content: fc.array(block),
      contents: fc.array(block),
      messages: fc.array(fc.record({ content: block })),
      _meta: anything,
    });
    const same = (uri: string) => uri;
    fc.assert(
      fc.property(holder, (value) => {
        const given = value as unknown as JsonObject;
        for (const each of [renameToolResult, renamePromptResult, renameReadResult, renameResource]) {
          expect(text(each(given, same))).toBe(text(given));
        }
      }),
    );
  });
});
