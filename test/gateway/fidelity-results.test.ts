import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { Raw, Refuse } from '../fixtures/servers/puppet.ts';
import { type Answered, answersTo, anyObject, anything, failures } from './support/exotic-json.ts';
import { openWays, type Way, type Ways, withoutHop } from './support/four-ways.ts';

/**
 * Bytes at one end against bytes at the other: apps and servers of both eras, raw JSON, random members at every level. What may differ is worked
 * out here anew from the list in docs/protocol.md.
 */

const seed = Number(process.env.FIDELITY_SEED ?? 20_260_728);
const check = { seed, numRuns: Number(process.env.FIDELITY_RUNS ?? 8) };

const tool = (name: string): JsonObject => ({ name, inputSchema: { type: 'object' } });
let ways: Ways;
beforeAll(async () => {
  ways = await openWays({
    capabilities: { tools: {}, prompts: {}, resources: {}, completions: {} },
    tools: [tool('say')],
    prompts: [{ name: 'greet' }],
    resourceTemplates: [{ uriTemplate: 'note://{n}', name: 'notes' }],
  });
});
afterEach(() => {
  for (const { complaints } of ways.puppets) expect(complaints).toEqual([]);
});
afterAll(() => ways.close());

const methods = Object.keys(answersTo) as readonly Answered[];

/** The smallest request of each kind. */
function requestOf(method: Answered, { wire, wireUri }: Way): JsonObject {
  switch (method) {
    case 'tools/call':
      return { name: wire('say'), arguments: {} };
    case 'prompts/get':
      return { name: wire('greet') };
    case 'resources/read':
      return { uri: wireUri('note://4') };
    case 'completion/complete':
      return { ref: { type: 'ref/prompt', name: wire('greet') }, argument: { name: 'a', value: 'b' } };
    default:
      return method satisfies never;
  }
}

// ── what may differ ────────────────────────────────────────────────────────────────────────────────────────────────

const list = (value: unknown) => value as readonly JsonObject[];

function renamedBlock(way: Way, item: JsonObject): JsonObject {
  if (item.type === 'resource_link') return { ...item, uri: way.wireUri(String(item.uri)) };
  const inner = item.resource as JsonObject;
  if (item.type === 'resource') return { ...item, resource: { ...inner, uri: way.wireUri(String(inner.uri)) } };
  if (item.type !== 'tool_result') return item;
  return { ...item, content: list(item.content).map((each) => renamedBlock(way, each)) };
}

/** Links of servers, where servers are merged. */
function renamed(way: Way, method: Answered, result: JsonObject): JsonObject {
  switch (method) {
    case 'tools/call':
      return { ...result, content: list(result.content).map((each) => renamedBlock(way, each)) };
    case 'prompts/get': {
      const messages = list(result.messages).map((message) => {
        return { ...message, content: renamedBlock(way, message.content as JsonObject) };
      });
      return { ...result, messages };
    }
    case 'resources/read':
      return {
        ...result,
        contents: list(result.contents).map((each) => ({ ...each, uri: way.wireUri(String(each.uri)) })),
      };
    case 'completion/complete':
      return result;
    default:
      return method satisfies never;
  }
}

/** What an app reads where a server answered this. */
function arriving(way: Way, method: Answered, result: JsonObject): string {
  const named = way.merged ? renamed(way, method, result) : result;
  if (way.app.era === 'legacy') return JSON.stringify(named);
  const cached = method === 'resources/read' ? { ...named, ttlMs: 0, cacheScope: 'private' } : named;
  const text = JSON.stringify(cached);
  return named.resultType === undefined ? `{"resultType":"complete",${text.slice(1)}` : text;
}

// ── what holds ─────────────────────────────────────────────────────────────────────────────────────────────────────

describe('when a server answers', () => {
  it.each(methods)('%s arrives byte for byte, but for what the gateway is there to change', async (method) => {
    await ways.each(async (way) => {
      const answers = fc.asyncProperty(answersTo[method], async (answer) => {
        const result = way.server === 'modern' ? { resultType: 'complete', ...answer } : answer;
        way.puppet.acts[method] = () => result;
        const got = await way.app.request(method, requestOf(method, way));
        expect(got.result).toBe(arriving(way, method, result));
      });
      await fc.assert(answers, check);
    });
  });

  it('an error arrives byte for byte, whatever is in it', async () => {
    await ways.each(async (way) => {
      const refusals = fc.asyncProperty(failures, fc.constantFrom(...methods), async (error, method) => {
        way.puppet.acts[method] = () => {
          throw new Refuse(error);
        };
        const got = await way.app.request(method, requestOf(method, way));
        expect([got.status, got.error]).toEqual([200, JSON.stringify(error)]);
      });
      await fc.assert(refusals, check);
    });
  });

  it('an error that is none to a client that looks gets a code and words, and keeps the rest', async () => {
    const bad = ['{"x":1,"code":1.5,"message":"no","data":[]}', '{"x":1,"code":1e999,"message":"no","data":[]}'];
    await ways.each(async (way) => {
      for (const text of bad) {
        way.puppet.acts['tools/call'] = () => {
          throw new Refuse(new Raw(text));
        };
        const got = await way.app.request('tools/call', requestOf('tools/call', way));
        expect(got.error).toBe('{"x":1,"code":-32603,"message":"no","data":[]}');
      }
      way.puppet.acts['tools/call'] = () => {
        throw new Refuse(new Raw('{"code":5,"x":1}'));
      };
      const got = await way.app.request('tools/call', requestOf('tools/call', way));
      expect(got.error).toBe('{"code":5,"x":1,"message":"The server gave no message."}');
    });
  });

  it('other spellings of the same JSON arrive as JavaScript writes them', async () => {
    const spelt =
      '{ "content":[],"b":1,"a":{"2":0,"1":0,"x":0}, "n":[1.0,1E3,-0,9007199254740993,1e999], "u":"\\u0041\\/\\u2028", "twice":1, "twice":2 }';
    const written = JSON.stringify(JSON.parse(spelt));
    expect(written).toBe(
      '{"content":[],"b":1,"a":{"1":0,"2":0,"x":0},"n":[1,1000,0,9007199254740992,null],"u":"A/\u2028","twice":2}',
    );
    await ways.each(async (way) => {
      way.puppet.acts['tools/call'] = () => new Raw(spelt);
      const got = await way.app.request('tools/call', requestOf('tools/call', way));
      const expected = way.app.era === 'modern' ? `{"resultType":"complete",${written.slice(1)}` : written;
      expect(got.result).toBe(expected);
    });
  });

  it('what a 2025 server calls its resultType is neither a question nor a task to a 2026 app', async () => {
    const ask = {
      method: 'elicitation/create',
      params: { mode: 'url', url: 'https://example.test/', message: 'Open' },
    };
    const result = {
      'x-a': 1,
      resultType: 'input_required',
      inputRequests: { k: ask },
      requestState: 's',
      contents: [],
    };
    await ways.each(async (way) => {
      if (way.server === 'modern' || way.app.era === 'legacy') return;
      for (const method of ['tools/call', 'prompts/get', 'resources/read'] as const) {
        for (const resultType of ['input_required', 'task', 'anything', null, 5]) {
          way.puppet.acts[method] = () => ({ ...result, resultType });
          const got = await way.app.request(method, requestOf(method, way));
          expect(JSON.parse(got.result ?? '')).toMatchObject({ ...result, resultType: 'complete' });
        }
      }
    });
  });

  it('ten million bytes arrive', async () => {
    const result = { content: [{ type: 'text', text: 'ü\u2028"x'.repeat(1_200_000) }], resultType: 'complete' };
    const written = JSON.stringify(result);
    expect(Buffer.byteLength(written)).toBeGreaterThan(9_500_000);
    await ways.each(async (way) => {
      // Half of the ways see both eras, both transports and both endpoints.
      if (way.merged !== (way.app.era === 'modern')) return;
      way.puppet.acts['tools/call'] = () => new Raw(written);
      const got = await way.app.request('tools/call', requestOf('tools/call', way));
      // Not toBe: a difference in ten million characters is no use to anybody.
      expect(got.result === written).toBe(true);
    });
  }, 60_000);
});

describe('when an app asks', () => {
  const sentBy = (way: Way, method: Answered, extra: JsonObject, args: JsonObject): JsonObject => {
    const own = requestOf(method, way);
    const more = Object.entries(extra).filter(([name]) => !Object.hasOwn(own, name) && !governed.has(name));
    const filled = method === 'tools/call' ? { ...own, arguments: args } : own;
    return Object.fromEntries([...more.slice(0, 1), ...Object.entries(filled), ...more.slice(1)]);
  };
  /** Members that mean something to the gateway beside the request's own. */
  const governed: ReadonlySet<string> = new Set(['_meta', 'task', 'requestState', 'inputResponses', 'context']);

  it.each(methods)(
    '%s reaches the server byte for byte, but for the name and what each hop says for itself',
    async (method) => {
      await ways.each(async (way) => {
        const asks = fc.asyncProperty(anyObject, anyObject, anyObject, anything, async (extra, args, meta, last) => {
          const sent = { ...sentBy(way, method, extra, args), _meta: meta, 'x-last': last };
          let received: JsonObject = {};
          way.puppet.acts[method] = ({ params }) => {
            received = params;
            return { resultType: 'complete', contents: [], content: [], messages: [], completion: { values: [] } };
          };
          const got = await way.app.request(method, sent);
          expect(got.result).toBeDefined();
          const own = { ...sent, ...requestOf(method, { ...way, wire: (name) => name, wireUri: (uri) => uri }) };
          const expected = method === 'tools/call' ? { ...own, arguments: args } : own;
          expect(JSON.stringify(withoutHop(received))).toBe(JSON.stringify(withoutHop(expected)));
        });
        await fc.assert(asks, check);
      });
    },
  );

  it('two million bytes of arguments reach the server', async () => {
    const args = { text: 'ü\u2028"x'.repeat(300_000) };
    await ways.each(async (way) => {
      if (way.merged !== (way.app.era === 'modern')) return;
      let received: unknown;
      way.puppet.acts['tools/call'] = ({ params }) => {
        received = params.arguments;
        return { resultType: 'complete', content: [] };
      };
      await way.app.request('tools/call', { name: way.wire('say'), arguments: args });
      expect(JSON.stringify(received) === JSON.stringify(args)).toBe(true);
    });
  }, 60_000);
});
