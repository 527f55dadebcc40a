import fc from 'fast-check';
import type { Json, JsonObject } from '../../../main/policy/json.ts';

/** JSON that is valid and that nobody expects: every member name, every text, and members in every order. */

const exotic = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  'x-vendor/key',
  'com.example/a.b',
  '0',
  '-1',
  '\u2028\u2029',
  '\u0000\u001f\u007f',
  '\ufeff\u200b\u202e',
  '\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67',
  'e\u0301 \u00e9 \u212b',
  '</script>"\\/',
  'data: \r\n\r\nevent: message',
];
const numbers = [0, 1.5, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53 - 1, -(2 ** 53 - 1), 0.1 + 0.2, 1e300];

const words = fc.oneof(fc.constantFrom(...exotic), fc.string({ unit: 'binary', maxLength: 12 }));
const leaf: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.constantFrom(...numbers),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  words,
);

/** An object of members in the order they were drawn in, `__proto__` among them. */
function objectOf(value: fc.Arbitrary<Json>, most: number): fc.Arbitrary<JsonObject> {
  const pairs = fc.uniqueArray(fc.tuple(words, value), { maxLength: most, selector: ([name]) => name });
  return pairs.map((each) => Object.fromEntries(each));
}

export const anything = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    { arbitrary: leaf, weight: 3 },
    { arbitrary: fc.array(tie('value'), { maxLength: 3 }), weight: 1 },
    { arbitrary: objectOf(tie('value'), 3), weight: 2 },
  ),
})).value;

export const anyObject = objectOf(anything, 4);

/** What the protocol gives a meaning wherever it stands; a test puts it where it belongs. */
const reserved: ReadonlySet<string> = new Set(['type', '_meta']);

/** The members given, in their order, with any others before and after. */
export function around(own: JsonObject): fc.Arbitrary<JsonObject> {
  const free = ([name]: readonly [string, Json]) => !Object.hasOwn(own, name) && !reserved.has(name);
  return fc.tuple(anyObject, anyObject).map(([before, after]) => {
    const pairs = [Object.entries(before).filter(free), Object.entries(own), Object.entries(after).filter(free)];
    return Object.fromEntries(pairs.flat());
  });
}

/** The same, with any `_meta` besides. */
export function withMeta(own: JsonObject): fc.Arbitrary<JsonObject> {
  return anyObject.chain((meta) => around({ ...own, _meta: meta }));
}

const block = fc.oneof(
  around({ type: 'text', text: 'plain' }),
  withMeta({ type: 'image', data: 'AA==', mimeType: 'image/png', annotations: { audience: ['nobody-yet'], 'x-a': 1 } }),
  withMeta({ type: 'resource_link', uri: 'note://1?a=b#c', name: 'a link', icons: [{ src: 'data:,', 'x-icon': 1 }] }),
  withMeta({ type: 'resource', resource: { uri: 'note://2', text: 'embedded', 'x-more': [null] } }),
  around({ type: 'hologram', frames: [[]] }),
  around({ type: 'tool_result', toolUseId: '1', content: [{ type: 'resource_link', uri: 'note://3', name: 'l' }] }),
);

const toolResult = fc
  .tuple(fc.array(block, { maxLength: 4 }), anyObject)
  .chain(([content, structuredContent]) => withMeta({ content, structuredContent, isError: false }));
const promptResult = fc.array(block, { maxLength: 3 }).chain((contents) => {
  const messages = contents.map((content) => ({ role: 'user', content, 'x-message': true }));
  return withMeta({ description: 'What it says', messages });
});
const readResult = fc
  .array(withMeta({ uri: 'note://4', text: 'what it holds', mimeType: 'x/y' }), { maxLength: 3 })
  .chain((contents) => withMeta({ contents }));

/** What servers answer, by the method asked. */
export const answersTo = {
  'tools/call': toolResult,
  'prompts/get': promptResult,
  'resources/read': readResult,
  'completion/complete': withMeta({ completion: { values: ['a', 'b'], total: 2, hasMore: false, 'x-more': {} } }),
} as const;

export type Answered = keyof typeof answersTo;

export const failures = around({ code: -31_999, message: 'No\u2028n', data: { deep: [{ x: null }] } });
