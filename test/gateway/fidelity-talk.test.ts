import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { anyObject, anything, around, withMeta } from './support/exotic-json.ts';
import { openWays, type Way, type Ways } from './support/four-ways.ts';

/** What servers list, say and ask, and what apps answer: bytes at one end against bytes at the other, as in fidelity-results.test.ts. */

const seed = Number(process.env.FIDELITY_SEED ?? 20_260_728);
const check = { seed, numRuns: Number(process.env.FIDELITY_RUNS ?? 8) };

const definitions = (own: (n: number) => JsonObject) =>
  fc.sample(anything, { seed, numRuns: 24 }).map((drawn, n) => {
    const [definition = {}] = fc.sample(withMeta({ ...own(n), 'x-drawn': drawn }), { seed: seed + n, numRuns: 1 });
    return definition;
  });
const icons = [{ src: 'data:,', sizes: ['any'], 'x-icon': null }];
const tools = definitions((n) => ({
  name: `tool-${n}`,
  title: 'A \u2028 tool',
  inputSchema: { type: 'object', 'x-vendor': { a: [] }, properties: { b: { type: 'string' }, a: {} } },
  outputSchema: { type: 'object' },
  annotations: { readOnlyHint: true, 'x-ann': n },
  execution: { taskSupport: 'forbidden', 'x-more': 1 },
  icons,
}));
const prompts = definitions((n) => ({ name: `prompt-${n}`, arguments: [{ name: 'a', 'x-a': [n] }], icons }));
const resources = definitions((n) => ({ uri: `note://${n}?q=\u00fc#f`, name: `note ${n}`, size: n, icons }));
const resourceTemplates = definitions((n) => ({ uriTemplate: `note://${n}/{a}{?b}`, name: `notes ${n}`, icons }));

let ways: Ways;
beforeAll(async () => {
  ways = await openWays({
    capabilities: { tools: {}, prompts: {}, resources: {}, logging: {} },
    tools,
    prompts,
    resources,
    resourceTemplates,
  });
});
afterAll(() => ways.close());

const call = ({ wire }: Way): JsonObject => ({ name: wire('tool-0'), arguments: {} });
const done = { resultType: 'complete', content: [] };

describe('when a server lists', () => {
  const lists = [
    ['tools/list', 'tools', tools, 'name'],
    ['prompts/list', 'prompts', prompts, 'name'],
    ['resources/list', 'resources', resources, 'uri'],
    ['resources/templates/list', 'resourceTemplates', resourceTemplates, 'uriTemplate'],
  ] as const;

  it.each(lists)('%s arrives byte for byte, but for names and addresses', async (method, member, listed, key) => {
    await ways.each(async (way) => {
      const { result = '' } = await way.app.request(method);
      const entries = listed.map((entry) => {
        const wire = key === 'name' ? way.wire : way.wireUri;
        return JSON.stringify({ ...entry, [key]: wire(String((entry as JsonObject)[key])) });
      });
      const array = `[${entries.join(',')}]`;
      // Where all are merged, those of the other three are beside it.
      if (way.merged) expect(result).toContain(array.slice(1, -1));
      else if (way.app.era === 'legacy') expect(result).toBe(`{"${member}":${array}}`);
      else expect(result).toBe(`{"resultType":"complete","${member}":${array},"ttlMs":0,"cacheScope":"private"}`);
    });
  });
});

describe('when a server says something while it works', () => {
  it('its progress arrives under the app’s own token, in its order, and otherwise as it was', async () => {
    await ways.each(async (way) => {
      const tokens = fc.oneof(fc.integer(), fc.string({ unit: 'binary', maxLength: 8 }));
      const reports = fc.array(withMeta({ progressToken: 0, progress: 1, total: 9.5, message: 'on \u2028 it' }), {
        maxLength: 4,
      });
      const progress = fc.asyncProperty(tokens, reports, async (progressToken, drawn) => {
        way.puppet.acts['tools/call'] = ({ params, notify }) => {
          const own = (params._meta as JsonObject).progressToken ?? null;
          for (const each of drawn) notify('notifications/progress', { ...each, progressToken: own });
          return done;
        };
        const { said } = await way.app.request('tools/call', call(way), { meta: { progressToken } });
        expect(said).toEqual(drawn.map((each) => messageText('notifications/progress', { ...each, progressToken })));
      });
      await fc.assert(progress, check);
    });
  });

  it('its log messages, and notifications nobody knows, arrive as they were', async () => {
    await ways.each(async (way) => {
      const messages = anything.chain((data) => withMeta({ level: 'warning', logger: 'a.b', data }));
      const spoken = fc.asyncProperty(messages, anyObject, async (message, unknown) => {
        way.puppet.acts['tools/call'] = ({ notify }) => {
          notify('notifications/message', message);
          notify('notifications/x-vendor/anything', unknown);
          return done;
        };
        const { said } = await way.app.request('tools/call', call(way), { logLevel: 'debug' });
        expect(said).toEqual([
          messageText('notifications/message', message),
          messageText('notifications/x-vendor/anything', unknown),
        ]);
      });
      await fc.assert(spoken, check);
    });
  });
});

function messageText(method: string, params: JsonObject): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`;
}

describe('when a server asks', () => {
  const link = { type: 'resource_link', uri: 'note://9', name: 'a link', 'x-link': 1 };
  const questions = {
    'elicitation/create': withMeta({
      message: 'Your \u2028 name?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string', 'x-p': 1 } } },
    }),
    'sampling/createMessage': withMeta({
      messages: [
        { role: 'user', content: { type: 'text', text: 'Hi' }, 'x-m': 1 },
        { role: 'user', content: [{ type: 'tool_result', toolUseId: '1', content: [link] }] },
      ],
      maxTokens: 1,
    }),
    'roots/list': withMeta({}),
  } as const;
  const answers = {
    'elicitation/create': anyObject.chain((content) => around({ action: 'accept', content })),
    'sampling/createMessage': around({ role: 'assistant', content: { type: 'text', text: 'Hello' }, model: 'm' }),
    'roots/list': around({ roots: [{ uri: 'file:///a', 'x-root': [] }] }),
  } as const;
  const kinds = Object.keys(questions) as readonly (keyof typeof questions)[];

  const asRead = (way: Way, method: string, params: JsonObject): JsonObject => {
    if (!way.merged || method !== 'sampling/createMessage') return params;
    return JSON.parse(JSON.stringify(params).replace('"uri":"note://9"', `"uri":"${way.wireUri('note://9')}"`));
  };

  it.each(kinds)('%s arrives as it was asked, and its answer as it was given', async (method) => {
    await ways.each(async (way) => {
      const talk = fc.asyncProperty(questions[method], answers[method], async (question, reply) => {
        let heard: string | undefined;
        way.puppet.acts['tools/call'] = async ({ params, ask }) => {
          if (way.server === 'legacy') {
            // Towards stdio U+2028 is written as an escape, because some servers take it for the end of a line.
            heard = JSON.stringify((await ask(method, question)).result);
            return done;
          }
          const responses = params.inputResponses as JsonObject | undefined;
          if (responses === undefined) {
            return { resultType: 'input_required', inputRequests: { 'a \u2028 b': { method, params: question } } };
          }
          heard = JSON.stringify(responses['a \u2028 b']);
          return done;
        };
        const { asked, result } = await way.app.request('tools/call', call(way), { answer: () => reply });
        expect(result).toContain('"content":[]');
        expect(asked).toEqual([{ method, params: JSON.stringify(asRead(way, method, question)) }]);
        expect(heard).toBe(JSON.stringify(reply));
      });
      await fc.assert(talk, check);
    });
  });

  it('a 2026 server’s whole question reaches a 2026 app, and comes back, as they were', async () => {
    await ways.each(async (way) => {
      if (way.server !== 'modern' || way.app.era !== 'modern') return;
      const request = questions['elicitation/create'].chain((params) =>
        around({ method: 'elicitation/create', params }),
      );
      const states = fc.string({ unit: 'binary', maxLength: 20 });
      const whole = fc.asyncProperty(request, states, anyObject, async (each, requestState, meta) => {
        const given = {
          'x-before': 1,
          resultType: 'input_required',
          inputRequests: { k: each },
          requestState,
          _meta: meta,
        };
        const heard: JsonObject[] = [];
        way.puppet.acts['tools/call'] = ({ params }) => {
          heard.push(params);
          return heard.length === 1 ? given : done;
        };
        const first = await way.app.request('tools/call', call(way), { whole: true });
        expect(first.result).toBe(JSON.stringify(given));
        const inputResponses = { k: { action: 'decline', 'x-more': meta } };
        await way.app.request('tools/call', { ...call(way), inputResponses, requestState });
        expect(JSON.stringify(heard[1]?.inputResponses)).toBe(JSON.stringify(inputResponses));
        expect(heard[1]?.requestState).toBe(requestState);
      });
      await fc.assert(whole, check);
    });
  });
});
