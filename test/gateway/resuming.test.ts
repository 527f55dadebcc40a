import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { openSession } from './support/bare-app.ts';
import { until } from './support/house.ts';
import { openScripted, type Script, type Scripted } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const text = (value: string): JsonObject => ({ content: [{ type: 'text', text: value }] });

/** A tool that does what a test tells it, step by step. */
function steps() {
  let say: (n: number) => void = () => {};
  let end: (result: string) => void = () => {};
  let started = 0;
  const tool: Script = (conversation) => {
    started++;
    say = (progress) => conversation.notify('notifications/progress', { progressToken: 't', progress });
    return new Promise((resolve) => {
      end = (result) => resolve(text(result));
    });
  };
  return { tool, say: (n: number) => say(n), end: (result = 'done') => end(result), started: () => started };
}

const progress = (messages: readonly JsonObject[]) =>
  messages
    .filter(({ method }) => method === 'notifications/progress')
    .map(({ params }) => (params as JsonObject).progress);

describe('when a server lets go of its stream and names a time to come back', () => {
  const slow =
    (end: Promise<void>): Script =>
    async (conversation) => {
      conversation.pause?.(50);
      await end;
      return text('done');
    };

  it('lets go of the caller, too, which gets the answer when it comes back', async () => {
    let end = () => {};
    const ends = new Promise<void>((resolve) => {
      end = resolve;
    });
    house = await openScripted({ tools: { slow: slow(ends) } });
    const app = await openSession(house);
    const first = await app.call('slow');
    await first.ended();
    expect(first.messages).toEqual([]);
    expect(first.lastId).not.toBe('');
    const again = await app.listen(first.lastId);
    end();
    await again.answer(1);
    await again.ended();
  });

  it('keeps a caller that cannot come back', async () => {
    house = await openScripted({ tools: { slow: slow(Promise.resolve()) } });
    const app = await openSession(house, {}, { version: '2025-06-18' });
    expect((await app.request('tools/call', { name: 'slow' })).json.result).toMatchObject(text('done'));
  });
});

describe('when the connection of a request breaks off', () => {
  it('replays what was missed and goes on live, to the answer', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const first = app.call('slow');
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    const broken = await first;
    const { id } = await broken.next(({ json }) => json.method === 'notifications/progress');
    say(2);
    await broken.next(({ json }) => (json.params as JsonObject | undefined)?.progress === 2);
    broken.drop();
    await until('it is noticed', () => house.conversations.length === 1);
    say(3);
    const again = await app.listen(id);
    expect(again.response.status).toBe(200);
    await again.next(({ json }) => (json.params as JsonObject | undefined)?.progress === 3);
    say(4);
    end();
    await again.answer(1);
    await again.ended();
    expect(progress(again.messages)).toEqual([2, 3, 4]);
    const ids = [...broken.seen, ...again.seen].map((event) => event.id);
    expect(new Set(ids).size).toBe(ids.length - 1);
  });

  it('keeps the answer for a caller that comes back after it, and has no more for one that has it', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const first = app.call('slow');
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    const broken = await first;
    const { id } = await broken.message('notifications/progress');
    broken.drop();
    end('late');
    await until('it ended', () => house.conversations[0]?.signal.aborted === false);
    const again = await app.listen(id);
    expect((await again.answer(1)).json.result).toEqual(text('late'));
    await again.ended();
    const over = await app.listen(again.lastId);
    expect([over.response.status, over.response.headers.get('content-type')]).toEqual([204, 'text/event-stream']);
    const once = await app.listen(id);
    expect((await once.answer(1)).json.result).toEqual(text('late'));
  });

  it('does not take it for a cancel', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const first = app.call('slow');
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    (await first).drop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(house.conversations[0]?.signal.aborted).toBe(false);
    await app.notify('notifications/cancelled', { requestId: 1 });
    expect(house.conversations[0]?.signal.reason).toBe('caller');
    end();
  });

  it('asks what it asked meanwhile once the caller is back', async () => {
    const asks: Script = async (conversation) => {
      conversation.notify('notifications/progress', { progressToken: 't', progress: 1 });
      await until('the connection is gone', () => gone);
      const answer = await conversation.ask('elicitation/create', { message: 'Still there?' }, conversation.signal);
      return text(JSON.stringify(answer));
    };
    let gone = false;
    house = await openScripted({ tools: { asks } });
    const app = await openSession(house, { elicitation: {} });
    const broken = await app.call('asks');
    const { id } = await broken.message('notifications/progress');
    broken.drop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gone = true;
    const again = await app.listen(id);
    const question = (await again.message('elicitation/create')).json;
    await app.respond(question.id, { action: 'accept' });
    expect(JSON.stringify((await again.answer(1)).json.result)).toContain('accept');
  });

  it('lets the newer of two connections have the stream', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const first = app.call('slow');
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    const older = await first;
    const { id } = await older.message('notifications/progress');
    const newer = await app.listen(id);
    await older.ended();
    end();
    await newer.answer(1);
    expect(older.messages).toHaveLength(1);
  });
});

describe('when an answer takes long', () => {
  it('begins its stream with an id and no data, and says when to come back, for 2025-11-25', async () => {
    const { tool, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const stream = await app.call('slow');
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
    const [priming] = [await stream.next(() => true)];
    expect(priming).toMatchObject({ data: '', id: expect.stringMatching(/^[\w-]{12}\.0$/), retry: '500' });
    stream.drop();
    const again = await app.listen(priming?.id);
    end();
    expect((await again.answer(1)).json.result).toEqual(text('done'));
  });

  it('sends callers of earlier revisions no event without data', async () => {
    for (const version of ['2024-11-05', '2025-03-26', '2025-06-18']) {
      const { tool, say, end, started } = steps();
      house = await openScripted({ tools: { slow: tool } });
      const app = await openSession(house, {}, { version });
      const calling = app.call('slow');
      await until('it runs', () => started() === 1);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      say(1);
      const stream = await calling;
      end();
      await stream.answer(1);
      expect(stream.seen.map(({ data }) => data)).not.toContain('');
      expect(stream.seen.every(({ id }) => id !== undefined)).toBe(true);
      const standing = await app.listen();
      house.announce();
      await standing.message('notifications/tools/list_changed');
      expect(standing.seen.map(({ data }) => data)).not.toContain('');
      standing.drop();
      if (version !== '2025-06-18') await house.close();
    }
  });
});

describe('when the session ends while an answer is under way', () => {
  it('answers on the stream that is open, and lets nobody resume it', async () => {
    const stops: Script = async (conversation) => {
      conversation.notify('notifications/progress', { progress: 1 });
      await until('it is stopped', () => conversation.signal.aborted);
      return text('never');
    };
    const says: Script = async (conversation) => {
      conversation.notify('notifications/progress', { progress: 1 });
      await until('it is stopped', () => conversation.signal.aborted);
      throw new Error('stopped');
    };
    house = await openScripted({ tools: { stops, says } });
    const app = await openSession(house);
    const [first, second] = [await app.call('stops', 1), await app.call('says', 2)];
    await second.message('notifications/progress');
    house.gateway.appEnded(house.appId);
    await Promise.all([first.ended(), second.ended()]);
    expect(house.heard).toContain('forget session');
    expect((await app.listen(second.lastId)).response.status).toBe(404);
  });
});

describe('when the standing stream breaks off', () => {
  it('keeps what came meanwhile, and goes on live', async () => {
    house = await openScripted({ tools: { hello: () => text('hi') } });
    const app = await openSession(house);
    await app.request('tools/call', { name: 'hello', arguments: {} });
    const standing = house.conversations[0]?.standing;
    const first = await app.listen();
    const { id } = await first.next(() => true);
    first.drop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    standing?.notify('notifications/resources/updated', { uri: 'a' });
    const again = await app.listen(id);
    await again.message('notifications/resources/updated');
    standing?.notify('notifications/resources/updated', { uri: 'b' });
    await again.next(({ data }) => data.includes('"b"'));
    expect(again.messages.map(({ params }) => (params as JsonObject).uri)).toEqual(['a', 'b']);
    again.drop();
  });

  it('sends each message on one stream only', async () => {
    house = await openScripted({ tools: {} });
    const app = await openSession(house);
    const streams = [await app.listen(), await app.listen(), await app.listen()];
    house.announce();
    await until('it arrived', () => streams.some(({ messages }) => messages.length === 3));
    expect(streams.map(({ messages }) => messages.length).toSorted()).toEqual([0, 0, 3]);
    for (const stream of streams) stream.drop();
  });
});

describe('when a Last-Event-ID is not one of this session', () => {
  it('is refused in words, and a new stream is still to be had', async () => {
    house = await openScripted({ tools: {} });
    const app = await openSession(house);
    const stream = await app.listen();
    const { id = '' } = await stream.next(() => true);
    const [name = ''] = id.split('.');
    for (const wrong of ['', 'nonsense', `${name}.1`, `${name}.99999999999`, 'AAAAAAAAAAAA.0', `${id} `.repeat(9)]) {
      const answer = await app.listen(wrong);
      expect([wrong, answer.response.status]).toEqual([wrong, 400]);
    }
    expect((await app.listen()).response.status).toBe(200);
  });

  it('is too old once its time is over', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const app = await openSession(house);
    const calling = app.call('slow');
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    const stream = await calling;
    const { id } = await stream.message('notifications/progress');
    stream.drop();
    end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await app.listen(id)).response.status).toBe(200);
    house.clock.advance(301_000);
    expect((await app.listen(id)).response.status).toBe(400);
  });
});

describe('when a client of the SDK loses its connection', () => {
  it('gets its result all the same', async () => {
    const { tool, say, end } = steps();
    house = await openScripted({ tools: { slow: tool } });
    const client = new LegacyClient({ name: 'a', version: '1' });
    const requestInit = { headers: { authorization: `Bearer ${house.token}` } };
    const cut = new AbortController();
    let cuts = 0;
    const flaky: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const stream = response.headers.get('content-type') === 'text/event-stream' && init?.method === 'POST';
      if (!stream || response.body === null) return response;
      cuts++;
      return new Response(response.body.pipeThrough(new TransformStream(), { signal: cut.signal }), response);
    };
    const transport = new LegacyTransport(new URL(house.endpoint), { requestInit, fetch: flaky });
    await client.connect(transport as Parameters<LegacyClient['connect']>[0]);
    const seen: number[] = [];
    const calling = client.request(
      { method: 'tools/call', params: { name: 'slow', arguments: {}, _meta: { progressToken: 't' } } },
      CallToolResultSchema,
    );
    await until('it runs', () => house.conversations.length === 1);
    say(1);
    await until('its stream is there', () => cuts === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    cut.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
    end('whole');
    expect(await calling).toEqual(text('whole'));
    expect(seen).toEqual([]);
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void seen.push(1));
    house.announce();
    await until('its standing stream still works', () => seen.length === 1);
    await client.close();
  });
});
