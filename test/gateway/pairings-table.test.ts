import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { everything } from '../fixtures/servers/puppet-tools.ts';
import type { Events } from './support/events.ts';
import { openWays, type Way, type Ways } from './support/four-ways.ts';
import { until } from './support/house.ts';
import type { App, Outcome } from './support/raw-apps.ts';

/** Every feature in every pairing: apps of either era, servers of either era, over stdio and HTTP, on both kinds of endpoint. */

let ways: Ways;
beforeAll(async () => {
  ways = await openWays(everything);
});
afterAll(async () => {
  for (const { complaints } of ways.puppets) expect(complaints).toEqual([]);
  expect(ways.house.audit.reader.verify().ok).toBe(true);
  expect(ways.house.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  await ways.close();
});

const json = (value: string | undefined) => JSON.parse(value ?? 'null') as JsonObject;
const textOf = ({ result, error }: Outcome) => {
  const [block] = (json(result)?.content ?? []) as readonly JsonObject[];
  return block === undefined ? `no text: ${result ?? error}` : String(block.text);
};
const methodsOf = ({ said }: Outcome) => said.map((each) => json(each).method);
const call = (way: Way, name: string, args: JsonObject = {}, options: Parameters<Way['app']['request']>[2] = {}) =>
  way.app.request('tools/call', { name: way.wire(name), arguments: args }, options);

describe('whichever era app and server are of', () => {
  it('progress comes before the result, under the app’s token', async () => {
    await ways.each(async (way) => {
      const got = await call(way, 'work', {}, { meta: { progressToken: 'mine' } });
      expect(got.said.map((each) => json(each).params)).toEqual(
        [1, 2, 3].map((progress) => ({ progressToken: 'mine', progress, total: 3 })),
      );
      expect(textOf(got)).toBe('worked');
    });
  });

  it('a request without a token gets none', async () => {
    await ways.each(async (way) => expect((await call(way, 'work')).said).toEqual([]));
  });

  it('log messages come as the app wants them, and the server is told', async () => {
    await ways.each(async (way) => {
      if (way.app.era === 'legacy') await way.app.request('logging/setLevel', { level: 'warning' });
      const got = await call(way, 'log', {}, { logLevel: 'warning' });
      expect(methodsOf(got)).toContain('notifications/message');
      // What is less severe a 2026 app is not sent; of a 2025 one the level is the server's to keep.
      const levels = got.said.map((each) => (json(each).params as JsonObject).level);
      expect(levels).toEqual(way.app.era === 'legacy' ? ['debug', 'warning', 'error'] : ['warning', 'error']);
      expect(textOf(got)).toBe('warning');
    });
  });

  it('a 2026 app that names no level hears no log messages', async () => {
    await ways.each(async (way) => {
      if (way.app.era === 'modern') expect((await call(way, 'log')).said).toEqual([]);
    });
  });

  it('cancelling ends the work, is recorded, and is not answered', async () => {
    await ways.each(async (way) => {
      const ends = ways.house.rows('call.end').length;
      const count = () => way.puppet.sessions.reduce((all, { state }) => all + Number(state.get('cancelled') ?? 0), 0);
      const before = count();
      for (const { state } of way.puppet.sessions) state.delete('waiting');
      const stop = new AbortController();
      const calling = call(way, 'wait', {}, { id: 'to cancel', signal: stop.signal }).catch(() => undefined);
      await until('it works', () => way.puppet.sessions.some(({ state }) => state.get('waiting') === true));
      await way.app.cancel('to cancel', stop);
      const got = await calling;
      expect(got?.result ?? got?.error).toBeUndefined();
      await until('the server knows', () => count() === before + 1);
      const end = await until('it is recorded', () => ways.house.rows('call.end')[ends]);
      expect(end.outcome).toBe('cancelled');
    });
  });

  const questions: readonly (readonly [string, JsonObject])[] = [
    ['elicitation/create', { message: 'Name?', requestedSchema: { type: 'object', properties: {} } }],
    [
      'elicitation/create',
      { mode: 'url', url: 'https://example.test/', message: 'Open', elicitationId: 'as the server says' },
    ],
    ['sampling/createMessage', { messages: [], maxTokens: 5 }],
    ['roots/list', {}],
  ];
  const replies = (method: string): readonly JsonObject[] => {
    if (method === 'roots/list') return [{ roots: [{ uri: 'file:///a' }] }];
    if (method === 'sampling/createMessage') {
      return [{ role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' }];
    }
    return [{ action: 'accept', content: { name: 'Ada' } }, { action: 'decline' }, { action: 'cancel' }];
  };

  it.each(questions)('%s is asked and answered', async (method, params) => {
    await ways.each(async (way) => {
      for (const reply of replies(method)) {
        const before = ways.house.rows('call.input').length;
        const got = await call(way, 'ask', { questions: [{ method, params }] }, { answer: () => reply });
        expect(got.asked).toEqual([{ method, params: JSON.stringify(params) }]);
        expect(JSON.parse(textOf(got))).toEqual([reply]);
        // A round trip between two of 2026 is relayed, and its record is that of the two calls.
        const relayed = way.server === 'modern' && way.app.era === 'modern';
        expect(ways.house.rows('call.input').length - before).toBe(relayed ? 0 : 1);
      }
    });
  });

  it('a prompt is fetched, a resource read, an argument completed', async () => {
    await ways.each(async (way) => {
      const prompt = await way.app.request('prompts/get', { name: way.wire('greet'), arguments: { who: 'Ada' } });
      expect(prompt.result).toContain('Greet Ada');
      const read = await way.app.request('resources/read', { uri: way.wireUri('note://7') });
      expect(json(read.result).contents).toEqual([{ uri: way.wireUri('note://7'), text: 'a note' }]);
      for (const [ref, own] of [
        [
          { type: 'ref/prompt', name: way.wire('greet') },
          { type: 'ref/prompt', name: 'greet' },
        ],
        [
          { type: 'ref/resource', uri: way.wireUri('note://{n}') },
          { type: 'ref/resource', uri: 'note://{n}' },
        ],
      ] as const) {
        const params = { ref, argument: { name: 'n', value: 'v' } };
        const { result } = await way.app.request('completion/complete', params);
        expect((json(result).completion as JsonObject).values).toEqual(['v', JSON.stringify(own)]);
      }
    });
  });

  it('a change of each list is told to whoever listens', async () => {
    const kinds = ['tools', 'prompts', 'resources'];
    const streams = new Map<App, Events>();
    await ways.each(async (way) => {
      if (streams.has(way.app)) return;
      const stream = await way.app.listen(Object.fromEntries(kinds.map((kind) => [`${kind}ListChanged`, true])));
      if (way.app.era === 'modern') await stream.message('notifications/subscriptions/acknowledged');
      streams.set(way.app, stream);
    });
    for (const kind of kinds) {
      for (const puppet of ways.puppets) puppet.announce(`notifications/${kind}/list_changed`);
    }
    for (const stream of streams.values()) {
      for (const kind of kinds) await stream.message(`notifications/${kind}/list_changed`);
      stream.drop();
    }
  });

  it('a resource that was subscribed to is told of, until it is not any more', async () => {
    await ways.each(async (way) => {
      const uri = way.wireUri('note://1');
      const stream = await way.app.listen({ resourceSubscriptions: [uri] });
      if (way.app.era === 'legacy') {
        expect((await way.app.request('resources/subscribe', { uri })).result).toBe('{}');
      } else {
        const { json: acknowledged } = await stream.message('notifications/subscriptions/acknowledged');
        expect(acknowledged.params).toMatchObject({ notifications: { resourceSubscriptions: [uri] } });
      }
      way.puppet.announce('notifications/resources/updated', { uri: 'note://1', 'x-more': [1] });
      const { json: updated } = await stream.message('notifications/resources/updated');
      expect(updated.params).toMatchObject({ uri, 'x-more': [1] });
      if (way.app.era === 'legacy') await way.app.request('resources/unsubscribe', { uri });
      else stream.drop();
      const own = (session: (typeof way.puppet.sessions)[number]) =>
        session.subscribed.size + [...session.listening.values()].filter((each) => each.resourceSubscriptions).length;
      await until('the server is told', () => way.puppet.sessions.every((session) => own(session) === 0));
      stream.drop();
    });
  });

  it('a call made into a task is followed to its end where both know the same tasks, and done at once where not', async () => {
    await ways.each(async (way) => {
      const { app, server } = way;
      const about = (method: string, taskId: string) => app.request(method, { taskId });
      if (app.era !== server) {
        expect(textOf(await call(way, 'later'))).toBe('done at once');
        if (app.era === 'legacy') return;
        const refused = await app.request('tools/call', { name: way.wire('later'), task: {} });
        expect(json(refused.error)).toMatchObject({ code: -32602 });
        return;
      }
      if (app.era === 'legacy') {
        const made = await app.request('tools/call', { name: way.wire('later'), task: { ttl: 60_000 } });
        const { taskId } = json(made.result).task as { taskId: string };
        expect(json((await about('tasks/get', taskId)).result)).toMatchObject({ status: 'completed' });
        expect(textOf(await about('tasks/result', taskId))).toBe('the task is done');
        const { tasks } = json((await app.request('tasks/list')).result);
        expect((tasks as readonly JsonObject[]).map((each) => each.taskId)).toContain(taskId);
        expect(json((await about('tasks/cancel', taskId)).result)).toMatchObject({ status: 'cancelled' });
      } else {
        const { taskId } = json((await call(way, 'later')).result) as { taskId: string };
        const done = json((await about('tasks/get', taskId)).result);
        expect(done).toMatchObject({ status: 'completed', result: { content: [{ text: 'the task is done' }] } });
        expect(json((await about('tasks/cancel', taskId)).result)).toMatchObject({ status: 'cancelled' });
      }
    });
  });
});
