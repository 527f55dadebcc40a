import { describe, expect, it } from 'vitest';
import { compileArguments } from '../../../main/policy/arguments.ts';
import type { Json, JsonObject } from '../../../main/policy/json.ts';

const says = (schema: JsonObject, args: Json) =>
  compileArguments(schema)(args).map((p) => `${p.path}: ${p.expected} | ${p.found}`);
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });

describe('when arguments do not fit the pinned schema', () => {
  it('names each field, what belongs there and what was there', () => {
    const schema = object(
      {
        owner: { type: 'string', maxLength: 3 },
        count: { type: 'integer', minimum: 1, maximum: 5 },
        state: { enum: ['open', 'closed'] },
        tags: { type: 'array', items: { type: 'string' }, uniqueItems: true, minItems: 1 },
        when: { type: 'string', format: 'date' },
        code: { type: 'string', pattern: '^[A-Z]{3}$' },
        deep: object({ 'a/b': { type: ['number', 'null'] } }, { required: ['x'] }),
      },
      { required: ['owner', 'repo'], additionalProperties: false },
    );
    expect(
      says(schema, {
        owner: 7,
        count: 9,
        state: 'gone',
        tags: ['a', 'a', 3],
        when: 'tomorrow',
        code: 'abc',
        deep: { 'a/b': 'x' },
        ownr: 1,
      }).sort(),
    ).toEqual([
      '/code: text that matches ^[A-Z]{3}$ | text "abc"',
      '/count: a number of at most 5 | number 9',
      '/deep/a~1b: a number or null | text "x"',
      '/deep/x: a value | nothing',
      '/owner: text | number 7',
      '/ownr: one of owner, count, state, tags, when, code, deep | the unknown field "ownr"',
      '/repo: a value | nothing',
      '/state: one of "open","closed" | text "gone"',
      '/tags/2: text | number 3',
      '/tags: each entry once | entries 0 and 1 alike',
      '/when: text in the format date | text "tomorrow"',
    ]);
  });

  it('reports a choice once', () => {
    const schema = object({ target: { anyOf: [{ type: 'string' }, object({ id: { type: 'integer' } })] } });
    expect(says(schema, { target: 7 })).toEqual(['/target: one of the shapes the tool describes | number 7']);
  });

  it('changes nothing: no default, no conversion', () => {
    const schema = object({ n: { type: 'integer', default: 1 }, s: { type: 'string' } });
    const args = { s: 'x' };
    expect(says(schema, args)).toEqual([]);
    expect(args).toEqual({ s: 'x' });
    expect(says(schema, { n: '1' })).toEqual(['/n: a whole number | text "1"']);
  });

  it('is not fooled by names of prototypes', () => {
    const schema = object({ owner: { type: 'string' } }, { required: ['constructor'], additionalProperties: false });
    expect(says(schema, {})).toEqual(['/constructor: a value | nothing']);
    expect(says(object({}, { additionalProperties: false }), JSON.parse('{"__proto__":1}'))).toHaveLength(1);
    expect(says(object({ toString: { type: 'string' } }), {})).toEqual([]);
  });
});

describe('when a schema says which dialect it speaks', () => {
  const tuple = { type: 'array', items: [{ type: 'string' }, { type: 'number' }] };

  it('reads draft-07 and 2020-12 as each of them means', () => {
    const old = object({ pair: tuple }, { $schema: 'http://json-schema.org/draft-07/schema#' });
    expect(says(old, { pair: ['a', 'b'] })).toEqual(['/pair/1: a number | text "b"']);
    const modern = object(
      { pair: { type: 'array', prefixItems: tuple.items } },
      { $schema: 'https://json-schema.org/draft/2020-12/schema' },
    );
    expect(says(modern, { pair: ['a', 'b'] })).toEqual(['/pair/1: a number | text "b"']);
    const { $schema: _, ...unsaid } = modern;
    expect(says(unsaid as JsonObject, { pair: ['a', 'b'] })).toHaveLength(1);
  });

  it('refuses every call when it does not know the dialect', () => {
    expect(says(object({}, { $schema: 'https://evil.example/dialect' }), {})[0]).toContain('unknown kind');
  });
});

describe('when a schema is broken or a trap', () => {
  it.each<[string, JsonObject, string]>([
    ['has a type nobody knows', { type: 'strng' }, 'invalid schema'],
    ['points outside', object({ a: { $ref: 'https://evil.example/schema.json' } }), "can't resolve reference"],
    ['points nowhere', object({ a: { $ref: '#/$defs/gone' } }), "can't resolve reference"],
    ['has a pattern that is none', object({ a: { type: 'string', pattern: '(' } }), 'cannot be compiled'],
    ['has a pattern without end', object({ a: { pattern: '^(a+)+\\1$' } }), 'may take for ever'],
    ['is enormous', object({ a: { enum: Array.from({ length: 60_000 }, (_, i) => `v${i}`) } }), 'characters'],
    ['is bottomless', JSON.parse(`${'{"not":'.repeat(100)}{}${'}'.repeat(100)}`), 'levels'],
  ])('refuses every call of one that %s', (_, schema, reason) => {
    expect(says(schema, {}).join()).toContain(reason);
    expect(says(schema, { a: 'x' }).join()).toContain(reason);
  });

  it('refuses references that multiply', () => {
    const $defs: Record<string, Json> = { d0: { type: 'string' } };
    for (let i = 1; i <= 40; i++) {
      const ref = { $ref: `#/$defs/d${i - 1}` };
      $defs[`d${i}`] = { anyOf: [ref, ref] };
    }
    expect(says(object({ a: { $ref: '#/$defs/d40' } }, { $defs }), { a: 1 })[0]).toContain('multiply');
  });

  it('bounds how deep arguments of a schema that contains itself may be', () => {
    const branch = (name: string): JsonObject => object({ [name]: { $ref: '#' } });
    const schema: JsonObject = { anyOf: [branch('a'), { ...branch('a'), required: ['b'] }] };
    const nest = (levels: number): Json => (levels === 0 ? 7 : { a: nest(levels - 1) });
    expect(says(schema, nest(40))[0]).toContain('levels');
    expect(says(schema, nest(5)).length).toBeGreaterThan(0);
    expect(says({ $ref: '#' }, {})[0]).toMatch(/refused|failed/);
  });

  it('bounds text, lists and numbers of values instead of hanging', () => {
    expect(says(object({ a: { pattern: '^(a+)+$' } }), { a: `${'a'.repeat(5000)}!` })).toHaveLength(1);
    const unique = object({ a: { type: 'array', uniqueItems: true } });
    expect(says(unique, { a: Array.from({ length: 3000 }, (_, i) => ({ i })) })[0]).toContain('at most 2000 entries');
    expect(says(object({}), { a: Array.from({ length: 300_000 }, () => 0) })[0]).toContain('values');
  });

  it('says so when many texts together take too long to match', () => {
    const list = object({ list: { type: 'array', items: { type: 'string', pattern: '(?:a?){20}a{20}b' } } });
    const text = 'a'.repeat(20_000);
    expect(says(list, { list: [`${text}b`] })).toEqual([]);
    expect(says(list, { list: Array.from({ length: 20 }, () => text) })).toEqual([
      ': fewer or shorter texts in one call | more text than this tool’s patterns can be matched with in good time',
    ]);
    expect(says(list, { list: [`${text}b`] })).toEqual([]);
  });

  it('keeps one tool’s schema out of another’s', () => {
    const shared = { $id: 'https://acme.example/shared', type: 'string' };
    expect(says(object({ a: shared }), { a: 'x' })).toEqual([]);
    expect(says(object({ a: { ...shared, type: 'number' } }), { a: 1 })).toEqual([]);
    expect(says(object({ a: { $ref: 'https://acme.example/shared' } }), { a: 1 })[0]).toContain("can't resolve");
  });
});

describe('when the same schema is compiled again', () => {
  it('gives the same validator', () => {
    const schema = object({});
    expect(compileArguments(schema)).toBe(compileArguments(schema));
  });
});
