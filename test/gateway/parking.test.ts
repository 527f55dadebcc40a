import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { type Answered, type ModernOptions, modern, modernStream } from './support/bare-app.ts';
import { until } from './support/house.ts';
import { openScripted, type Script, type Scripted, type ScriptedOptions } from './support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const never = new AbortController().signal;
const form: JsonObject = { message: 'Your name?', requestedSchema: { type: 'object', properties: {} } };
const accept = (name: string): JsonObject => ({ action: 'accept', content: { name } });
const text = (value: unknown): JsonObject => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const capabilities: JsonObject = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

/** A server that asks for one thing after the other. */
const asksTwice: Script = async (conversation) => {
  const first = await conversation.ask('elicitation/create', form, never);
  const second = await conversation.ask('elicitation/create', { ...form, message: 'And yours?' }, never);
  return text([first, second]);
};
const asksTwo: Script = async (conversation) =>
  text(
    await Promise.all([
      conversation.ask('elicitation/create', form, never),
      conversation.ask('roots/list', { _meta: { a: 1 } }, never),
    ]),
  );
const asksOnce: Script = async (conversation, params) => {
  const answer = await conversation.ask('elicitation/create', form, never);
  house.heard.push(`answered ${JSON.stringify(params.arguments ?? params.uri ?? null)}`);
  return text(answer);
};

async function open(tools: ScriptedOptions['tools'], limits: JsonObject = {}): Promise<void> {
  house = await openScripted({ tools, limits });
}

const call = (name: string, more: JsonObject = {}, options: ModernOptions = {}) =>
  modern(house, 'tools/call', { name, arguments: { a: 1 }, ...more }, { capabilities, ...options });

interface InputRequired {
  readonly inputRequests: Readonly<Record<string, JsonObject>>;
  readonly requestState: string;
  readonly keys: readonly string[];
}

function inputOf({ status, json }: Answered): InputRequired {
  const result = json.result as JsonObject | undefined;
  expect([status, result?.resultType]).toEqual([200, 'input_required']);
  const inputRequests = result?.inputRequests as InputRequired['inputRequests'];
  return { inputRequests, requestState: String(result?.requestState), keys: Object.keys(inputRequests) };
}

/** Answers to all that was asked, as an app would send them. */
function answers({ keys, requestState }: InputRequired, ...values: readonly JsonObject[]): JsonObject {
  const inputResponses = Object.fromEntries(keys.map((key, i) => [key, values[i] ?? accept('Ada')]));
  return { requestState, inputResponses };
}

const refused = ({ json }: Answered) => expect(json.error).toMatchObject({ code: -32602 });

describe('when a request of a modern app needs input', () => {
  it('is answered with what is asked, raw, and goes on with the answers', async () => {
    await open({ two: asksTwo });
    const first = await call('two');
    expect(first.headers.get('content-type')).toBe('application/json');
    const input = inputOf(first);
    expect(Object.values(input.inputRequests)).toEqual([
      { method: 'elicitation/create', params: form },
      { method: 'roots/list', params: { _meta: { a: 1 } } },
    ]);
    expect(input.requestState).toMatch(/^gatehouse\.[\w-]{11}\.[\w-]+$/);
    const done = await call('two', answers(input, accept('Ada'), { roots: [], 'x-more': [1] }), { id: 2 });
    expect(done.json).toEqual({
      jsonrpc: '2.0',
      id: 2,
      result: {
        resultType: 'complete',
        ...text([
          { ok: true, result: accept('Ada') },
          { ok: true, result: { roots: [], 'x-more': [1] } },
        ]),
      },
    });
    expect(house.conversations).toHaveLength(1);
  });

  it('goes round as often as it takes, each time under another handle', async () => {
    await open({ twice: asksTwice });
    const one = inputOf(await call('twice'));
    const two = inputOf(await call('twice', answers(one, accept('Ada'))));
    expect(two.requestState).not.toBe(one.requestState);
    expect(Object.values(two.inputRequests)[0]?.params).toMatchObject({ message: 'And yours?' });
    refused(await call('twice', answers(one)));
    const done = await call('twice', answers(two, accept('Bob')));
    const both = [accept('Ada'), accept('Bob')].map((result) => ({ ok: true, result }));
    expect(done.json.result).toMatchObject(text(both));
  });

  it('asks again for what was not answered, and ignores what was not asked', async () => {
    await open({ two: asksTwo });
    const one = inputOf(await call('two'));
    const [first = '', second = ''] = one.keys;
    const none = inputOf(await call('two', { requestState: one.requestState }));
    expect(none.inputRequests).toEqual(one.inputRequests);
    const some = inputOf(
      await call('two', { requestState: none.requestState, inputResponses: { [second]: { roots: [] }, else: {} } }),
    );
    expect(some.keys).toEqual([first]);
    const done = await call('two', answers(some));
    expect(done.json.result).toMatchObject({ resultType: 'complete' });
  });

  it('refuses answers that are none, and leaves the request waiting', async () => {
    await open({ once: asksOnce });
    const input = inputOf(await call('once'));
    const [key = ''] = input.keys;
    for (const inputResponses of [null, 'all', [], { [key]: 12345 }, { [key]: null }, { [key]: [1] }]) {
      refused(await call('once', { requestState: input.requestState, inputResponses }));
    }
    expect((await call('once', answers(input))).json.result).toMatchObject({ resultType: 'complete' });
  });

  it('works for prompts/get and resources/read, and for no other method', async () => {
    await open({ 'prompts/get': asksOnce, 'resources/read': asksOnce, 'completion/complete': asksOnce });
    for (const [method, params] of [
      ['prompts/get', { name: 'p' }],
      ['resources/read', { uri: 'file:///x' }],
    ] as const) {
      const input = inputOf(await modern(house, method, params, { capabilities }));
      const done = await modern(house, method, { ...params, ...answers(input) }, { capabilities });
      expect(done.json.result).toMatchObject({ resultType: 'complete' });
    }
    const other = await modern(house, 'completion/complete', {}, { capabilities });
    expect(JSON.stringify(other.json.error)).toContain('cannot be asked');
  });

  it('asks for nothing that the app did not offer with this request', async () => {
    await open({ once: asksOnce, two: asksTwo });
    const answer = await call('once', {}, { capabilities: { sampling: {} } });
    expect(JSON.stringify(answer.json.error)).toContain('did not offer');
    const input = inputOf(await call('once', {}, { capabilities: { elicitation: {} } }));
    expect(input.keys).toHaveLength(1);
  });

  it('sends progress and messages on whichever response is open', async () => {
    let say: (n: number) => void = () => {};
    const talks: Script = async (conversation) => {
      say = (n) => {
        conversation.notify('notifications/progress', { progressToken: 't', progress: n });
        conversation.notify('notifications/message', { level: 'debug', data: n });
        conversation.notify('notifications/message', { level: 'error', data: n });
      };
      say(1);
      await conversation.ask('elicitation/create', form, never);
      say(2);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return text('done');
    };
    await open({ talks });
    const first = await modernStream(
      house,
      'tools/call',
      { name: 'talks' },
      { capabilities, meta: { progressToken: 't' } },
    );
    const { result } = (await first.answer(1)).json as { result: JsonObject };
    expect(first.messages.map(({ method }) => method)).toEqual(['notifications/progress', undefined]);
    const again = { name: 'talks', requestState: result.requestState ?? '', inputResponses: responses(result) };
    const meta = { 'io.modelcontextprotocol/logLevel': 'warning', progressToken: 'another' };
    const second = await modernStream(house, 'tools/call', again, { capabilities, meta });
    await second.answer(1);
    expect(second.messages.slice(0, -1).map(({ params }) => params)).toEqual([
      { progressToken: 'another', progress: 2 },
      { level: 'error', data: 2 },
    ]);
  });

  it('refuses a log level there is not', async () => {
    await open({ once: asksOnce });
    for (const level of ['loud', 5, {}]) {
      refused(await call('once', {}, { meta: { 'io.modelcontextprotocol/logLevel': level } }));
    }
    expect(house.conversations).toHaveLength(0);
  });
});

function responses(result: JsonObject): JsonObject {
  const keys = Object.keys(result.inputRequests as JsonObject);
  return Object.fromEntries(keys.map((key) => [key, accept('Ada')]));
}

describe('when the handle is not good for the request', () => {
  it('changes nothing: another tool, other arguments, another endpoint, another method, more parameters', async () => {
    await open({ once: asksOnce, other: asksOnce, 'prompts/get': asksOnce });
    const input = inputOf(await call('once'));
    const good = answers(input);
    const mark = house.heard.length;
    refused(await call('other', good));
    refused(await call('once', { ...good, arguments: { a: 2 } }));
    refused(await call('once', { ...good, arguments: {} }));
    refused(await call('once', { ...good, task: {} }));
    refused(await call('once', good, { suffix: '/other' }));
    refused(await modern(house, 'prompts/get', { name: 'once', arguments: { a: 1 }, ...good }, { capabilities }));
    refused(await modern(house, 'tools/list', good, { capabilities }));
    expect(house.heard.slice(mark)).toEqual([]);
    expect(house.conversations).toHaveLength(1);
    expect((await call('once', good)).json.result).toMatchObject({ resultType: 'complete' });
  });

  it('takes arguments that differ in nothing but the order of their keys', async () => {
    await open({ once: asksOnce });
    const input = inputOf(await call('once', { arguments: { a: 1, b: { c: [1], d: 2 } } }));
    const done = await call('once', { ...answers(input), arguments: { b: { d: 2, c: [1] }, a: 1 } });
    expect(done.json.result).toMatchObject({ resultType: 'complete' });
  });

  it('opens once only, however many try at once', async () => {
    await open({ once: asksOnce });
    const good = answers(inputOf(await call('once')));
    const all = await Promise.all(Array.from({ length: 20 }, () => call('once', good)));
    expect(all.filter(({ json }) => json.result !== undefined)).toHaveLength(1);
    expect(all.filter(({ json }) => (json.error as JsonObject | undefined)?.code === -32602)).toHaveLength(19);
    expect(house.heard).toEqual(['answered {"a":1}']);
  });

  it('leaves a state of a server’s own to whoever answers', async () => {
    await open({ own: (_conversation, params) => text(params.requestState ?? null) });
    const answer = await call('own', { requestState: 'opaque', inputResponses: { a: 1 } });
    expect(answer.json.result).toMatchObject(text('opaque'));
  });
});

describe('when nobody comes back', () => {
  it('ends the request as cancelled once its time is over, and the handle with it', async () => {
    await open({ once: asksOnce }, { parkedSeconds: 10 });
    const good = answers(inputOf(await call('once')));
    house.clock.advance(10_001);
    refused(await call('once', good));
    await until('it is over', () => house.conversations[0]?.signal.aborted, 10_000);
    expect(house.conversations[0]?.signal.reason).toBe('caller');
    expect(house.heard[0]).toContain('is gone, or took too long');
  });

  it('keeps a request that went on by itself for its caller to fetch', async () => {
    const impatient: Script = async (conversation) => {
      const stop = AbortSignal.timeout(50);
      await conversation.ask('elicitation/create', form, stop).catch(() => {});
      return text('without you');
    };
    await open({ impatient });
    const input = inputOf(await call('impatient'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    const done = await call('impatient', answers(input));
    expect(done.json.result).toMatchObject(text('without you'));
  });

  it('asks what is asked meanwhile when the caller is back', async () => {
    const again: Script = async (conversation) => {
      const first = conversation.ask('elicitation/create', form, AbortSignal.timeout(50)).catch(() => 'withdrawn');
      await first;
      return text(await conversation.ask('roots/list', {}, never));
    };
    await open({ again });
    const input = inputOf(await call('again'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    const later = inputOf(await call('again', answers(input)));
    expect(Object.values(later.inputRequests)).toEqual([{ method: 'roots/list', params: {} }]);
    const done = await call('again', answers(later, { roots: [] }));
    expect(done.json.result).toMatchObject({ resultType: 'complete' });
  });

  it('stops when the app loses its key, and when the gateway closes', async () => {
    await open({ once: asksOnce });
    inputOf(await call('once'));
    house.gateway.appEnded(house.appId);
    expect(house.conversations[0]?.signal.reason).toBe('app-ended');
    inputOf(await call('once'));
    const closed = house.gateway.close(30_000);
    expect(house.conversations[1]?.signal.reason).toBe('shutting-down');
    await closed;
  });
});

describe('when the policy changed while the app was asked', () => {
  it('refuses as it would refuse the request, and ends it', async () => {
    await open({ once: asksOnce });
    const good = answers(inputOf(await call('once')));
    house.refuse = { kind: 'result', text: '{"resultType":"complete","isError":true}' };
    expect((await call('once', good)).json.result).toEqual({ resultType: 'complete', isError: true });
    expect(house.conversations[0]?.signal.reason).toBe('caller');
    house.refuse = undefined;
    refused(await call('once', good));
    expect(house.heard.some((line) => line.startsWith('answered'))).toBe(false);
  });
});

describe('when the app hangs up', () => {
  it('cancels a request that is at work again, and not one that waits', async () => {
    let hold = true;
    const works: Script = async (conversation) => {
      await conversation.ask('elicitation/create', form, never);
      conversation.notify('notifications/progress', { progressToken: 't', progress: 1 });
      await until('it is let go', () => !hold || conversation.signal.aborted);
      return text('done');
    };
    await open({ works });
    const first = await modernStream(house, 'tools/call', { name: 'works' }, { capabilities });
    first.drop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(house.conversations[0]?.signal.aborted).toBe(false);
    const input = inputOf(await call('works'));
    const second = await modernStream(
      house,
      'tools/call',
      { name: 'works', arguments: { a: 1 }, ...answers(input) },
      { capabilities, meta: { progressToken: 't' } },
    );
    await second.message('notifications/progress');
    second.drop();
    await until('it is cancelled', () => house.conversations[1]?.signal.reason === 'caller');
    hold = false;
  });
});

describe('when too many requests wait', () => {
  it('asks no more, and tells whoever asks why', async () => {
    await open({ once: asksOnce }, { parkedPerApp: 2 });
    const inputs = [inputOf(await call('once')), inputOf(await call('once'))];
    const third = await call('once');
    expect(JSON.stringify(third.json.error)).toContain('as many unanswered questions as it may');
    const other = house.token2();
    const theirs = await modern(
      { endpoint: house.endpoint, token: other },
      'tools/call',
      { name: 'once' },
      { capabilities },
    );
    inputOf(theirs);
    for (const input of inputs) {
      expect((await call('once', answers(input))).json.result).toMatchObject({ resultType: 'complete' });
    }
    inputOf(await call('once'));
  });
});
