import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passedCapabilities } from '../../../main/gateway/passed-capabilities.ts';
import { inputRequestsOf, mayAsk } from '../../../main/gateway/server-questions.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

const all = ['elicitation', 'sampling', 'roots'] as const;
const tasks = { list: {}, requests: { elicitation: { create: {} }, sampling: { createMessage: {} } } };
const declared: JsonObject = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: { listChanged: true },
  tasks,
  extensions: { 'io.modelcontextprotocol/tasks': {} },
  experimental: { x: 1 },
};

describe('when servers are told what a caller can do', () => {
  it('passes what the caller declared: to a 2025 server what it may ask, to a 2026 one everything', () => {
    const { legacy, modern } = passedCapabilities(declared, all);
    expect(legacy).toEqual({
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      roots: { listChanged: true },
      tasks,
    });
    expect(modern).toBe(declared);
  });

  it('leaves out what the policy forbids, tasks of it included', () => {
    const { legacy, modern } = passedCapabilities(declared, ['elicitation']);
    expect(legacy).toEqual({
      elicitation: { form: {}, url: {} },
      tasks: { list: {}, requests: { elicitation: { create: {} } } },
    });
    expect(Object.keys(modern)).toEqual(['elicitation', 'tasks', 'extensions', 'experimental']);
    expect(passedCapabilities(declared, []).legacy).toEqual({});
  });

  it('adds nothing, whatever was declared', () => {
    const anything = fc.dictionary(
      fc.oneof(fc.constantFrom(...all, 'tasks', 'extensions'), fc.string()),
      fc.jsonValue(),
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(anything, fc.subarray([...all]), (given, allowed) => {
        const { legacy, modern } = passedCapabilities(given, allowed);
        for (const passed of [legacy, modern]) {
          for (const key of Object.keys(passed)) {
            expect(given).toHaveProperty([key]);
            if ((all as readonly string[]).includes(key)) expect(allowed).toContain(key);
          }
        }
      }),
    );
  });
});

describe('when a server asks', () => {
  it('may ask what both policy and caller allow', () => {
    expect(mayAsk(all, declared, 'elicitation/create', {})).toBe(true);
    expect(mayAsk(all, declared, 'elicitation/create', { mode: 'url' })).toBe(true);
    expect(mayAsk(all, { elicitation: {} }, 'elicitation/create', { mode: 'url' })).toBe(false);
    expect(mayAsk(['roots'], declared, 'elicitation/create', {})).toBe(false);
    expect(mayAsk(all, {}, 'roots/list', {})).toBe(false);
    expect(mayAsk(all, declared, 'tasks/get', {})).toBe(true);
    expect(mayAsk([], declared, 'tasks/get', {})).toBe(false);
    for (const method of ['tools/call', 'ping', '__proto__', 'constructor', 'tasks/delete', 'toString'])
      expect(mayAsk(all, declared, method, {})).toBe(false);
  });

  it('asks in a form that can be read', () => {
    expect(inputRequestsOf(undefined)).toEqual([]);
    expect(inputRequestsOf({ a: { method: 'roots/list' } })).toEqual([{ key: 'a', method: 'roots/list', params: {} }]);
    for (const wrong of [
      null,
      [],
      'x',
      { a: null },
      { a: {} },
      { a: { method: 1 } },
      { a: { method: 'm', params: [] } },
    ])
      expect(inputRequestsOf(wrong)).toBeUndefined();
  });
});
