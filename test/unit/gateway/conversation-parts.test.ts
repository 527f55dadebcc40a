import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Allowances } from '../../../main/gateway/allowance.ts';
import { Asks } from '../../../main/gateway/asks.ts';
import { offers } from '../../../main/gateway/caller-abilities.ts';
import { defaultLimits } from '../../../main/gateway/limits.ts';
import { filterOf } from '../../../main/gateway/listeners.ts';
import { type RunningRequest, RunningRequests } from '../../../main/gateway/running.ts';
import { Stop } from '../../../main/gateway/stop.ts';
import { parsePolicyDocument } from '../../../main/policy/document.ts';
import type { Json } from '../../../main/policy/json.ts';

const never = new AbortController().signal;
const clock = { now: () => 0 };

describe('when no policy says otherwise', () => {
  it('has the limits that a policy without any has', () => {
    const parsed = parsePolicyDocument('{"schema":1,"organisation":"Acme","contact":"it@acme.example"}');
    if (!parsed.ok) throw new Error('not parsed');
    expect(defaultLimits).toEqual(parsed.value.gateway);
  });
});

describe('when a session is asked', () => {
  it('settles each question by its own answer, in whatever order they come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }), async (order) => {
        const asks = new Asks(clock);
        const sent: string[] = [];
        const send = (text: string) => sent.push(text) > 0;
        const answers = order.map(() => asks.ask(send, asks, 'roots/list', {}, never, undefined));
        for (const id of order) asks.settle(id, { ok: true, result: { id } });
        expect(await Promise.all(answers)).toEqual(
          [1, 2, 3, 4, 5, 6, 7, 8].map((id) => ({ ok: true, result: { id } })),
        );
        expect(asks.size).toBe(0);
        expect(sent).toHaveLength(8);
      }),
    );
  });

  it('has at most 64 questions open, and room again once one is over', async () => {
    const asks = new Asks(clock);
    const ask = (signal = never) => asks.ask(() => true, asks, 'roots/list', {}, signal, undefined);
    const stop = new AbortController();
    const open = Array.from({ length: 64 }, (_, i) => ask(i === 0 ? stop.signal : never));
    await expect(ask()).rejects.toMatchObject({ code: 'too-many' });
    stop.abort();
    await expect(open[0]).rejects.toMatchObject({ code: 'cancelled' });
    const one = ask();
    asks.fail('caller-gone');
    await expect(one).rejects.toMatchObject({ code: 'caller-gone' });
    await Promise.allSettled(open);
  });

  it('gives up what nobody answers, and says so to the app', async () => {
    const time = { now: 0 };
    const asks = new Asks({ now: () => time.now });
    const sent: string[] = [];
    const send = (text: string) => sent.push(text) > 0;
    const old = asks.ask(send, asks, 'roots/list', {}, never, undefined);
    time.now = 5_000;
    const young = asks.ask(send, asks, 'roots/list', {}, never, undefined);
    time.now = 10_001;
    asks.expire(10_000);
    await expect(old).rejects.toMatchObject({ code: 'caller-gone' });
    expect(sent.at(-1)).toBe('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}');
    asks.settle(2, { ok: true, result: {} });
    expect(await young).toEqual({ ok: true, result: {} });
  });

  it('sends nothing for a question that is withdrawn already', async () => {
    const sent: string[] = [];
    const asked = new Asks(clock).ask(
      (text) => sent.push(text) > 0,
      sent,
      'roots/list',
      {},
      AbortSignal.abort(),
      undefined,
    );
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    expect(sent).toEqual([]);
  });
});

describe('when it is asked what a caller offers', () => {
  it('says no to everything it did not declare, whatever it declared', () => {
    const methods = [
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
      'tasks/get',
      'tools/list',
      '__proto__',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...methods), fc.jsonValue(), (method, value) => {
        expect(offers({}, method, {})).toBe(false);
        expect(offers({ 'tools/list': value as Json, __proto__: null }, 'tools/list', {})).toBe(false);
      }),
    );
    expect(offers({ sampling: true }, 'sampling/createMessage', {})).toBe(false);
  });

  it('tells the two modes of elicitation apart', () => {
    const ways = [{}, { form: {} }, { url: {} }, { form: {}, url: {} }].map((elicitation) => [
      offers({ elicitation }, 'elicitation/create', {}),
      offers({ elicitation }, 'elicitation/create', { mode: 'form' }),
      offers({ elicitation }, 'elicitation/create', { mode: 'url' }),
    ]);
    expect(ways).toEqual([
      [true, true, false],
      [true, true, false],
      [false, false, true],
      [true, true, true],
    ]);
  });
});

describe('when an app sends small messages without end', () => {
  it('takes 2,000 at once and 100 a second, of each app by itself', () => {
    const allowances = new Allowances();
    const take = (count: number, now: number, app = 'a') =>
      Array.from({ length: count }, () => allowances.take(app, now)).filter(Boolean).length;
    expect(take(10_000, 0)).toBe(2_000);
    expect(take(10_000, 1_000)).toBe(100);
    expect(take(10_000, 1_500)).toBe(50);
    expect(take(10_000, 1_000_000)).toBe(2_000);
    expect(take(1, 1_000_000, 'b')).toBe(1);
  });
});

describe('when a request is stopped', () => {
  it('says why to whoever looks, before or after, and keeps the first reason', () => {
    const early = new Stop();
    const { signal } = early;
    early.abort('caller');
    early.abort('shutting-down');
    const late = new Stop();
    late.abort('app-ended');
    expect([signal.reason, early.reason, late.signal.reason, late.signal.aborted]).toEqual([
      'caller',
      'caller',
      'app-ended',
      true,
    ]);
  });
});

describe('when requests run', () => {
  const request = (appId: string, since: number) => {
    const calls: string[] = [];
    const running: RunningRequest = {
      appId,
      since,
      stop: (reason) => void calls.push(reason),
      pulse: () => void calls.push('pulse'),
      prime: () => void calls.push('prime'),
    };
    return { running, calls };
  };

  it('counts them per app, primes each once after a while, and gives old ones a sign of life', async () => {
    const requests = new RunningRequests();
    const young = request('a', Date.now());
    const old = request('a', Date.now() - 20_000);
    const over = request('b', Date.now());
    for (const { running } of [young, old, over]) requests.start(running);
    requests.finish(over.running);
    requests.finish(over.running);
    expect([requests.countOf('a'), requests.countOf('b')]).toEqual([2, 0]);
    await new Promise((resolve) => setTimeout(resolve, 600));
    requests.pulse();
    expect([young.calls, old.calls, over.calls]).toEqual([['prime'], ['prime', 'pulse'], []]);
    requests.stopWhere((appId) => appId === 'a', 'app-ended');
    expect(young.calls.at(-1)).toBe('app-ended');
  });
});

describe('when a filter says what to hear of', () => {
  it('takes what is one, and says what is wrong with any other', () => {
    expect(filterOf({ notifications: { toolsListChanged: true, promptsListChanged: false, x: 1 } })).toEqual({
      kinds: new Set(['tools']),
      uris: [],
    });
    const wrong: readonly Json[] = [
      null,
      [],
      'all',
      { toolsListChanged: 'yes' },
      { resourceSubscriptions: 'file:///x' },
      { resourceSubscriptions: [1] },
      { resourceSubscriptions: ['x'.repeat(8_193)] },
      { resourceSubscriptions: Array.from({ length: 257 }, (_, i) => `file:///${i}`) },
    ];
    for (const notifications of wrong) expect(filterOf({ notifications })).toEqual(expect.any(String));
    expect(filterOf({})).toEqual(expect.any(String));
  });
});
