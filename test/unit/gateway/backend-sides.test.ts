import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AuditWriter } from '../../../main/audit/record.ts';
import type { BackendSession, BackendStatus, Backends } from '../../../main/backends/backends.ts';
import { BackendSides } from '../../../main/gateway/backend-sides.ts';
import type { Conversation } from '../../../main/gateway/conversation.ts';
import { knownFlags } from '../../../main/gateway/passed-capabilities.ts';
import type { PolicySnapshot } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { LogLines } from '../../gateway/support/house.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** Backends that note which sessions are open, by key. */
class Noted implements Backends {
  readonly open_ = new Map<string, JsonObject>();
  readonly opened: string[] = [];
  era: 'legacy' | 'modern' | undefined;
  known = false;

  open: Backends['open'] = (alias, key, _signal, client) => {
    this.opened.push(key);
    this.open_.set(`${key} ${alias}`, client?.capabilities ?? {});
    const session = { alias, era: this.era ?? 'legacy', capabilities: {}, close: () => this.release(key, alias) };
    return Promise.resolve(session as unknown as BackendSession);
  };
  release: Backends['release'] = (key, alias) => {
    for (const name of [...this.open_.keys()]) {
      if (alias === undefined ? name.startsWith(`${key} `) : name === `${key} ${alias}`) this.open_.delete(name);
    }
    return Promise.resolve();
  };
  status = (): readonly BackendStatus[] =>
    this.known ? [{ alias: 'one', state: 'running', era: this.era ?? 'legacy', sessions: 1, restarts: 0 }] : [];
  apply(): void {}
  stderr = () => [];
  onStatus = () => () => {};
  onListChanged = () => () => {};
  close = () => Promise.resolve();
}

const elicits = { elicitation: { form: {} } };

/** What the sides read of a policy. */
const snapshot = {
  document: {
    serverRequests: { allowed: ['elicitation', 'sampling', 'roots'] },
    resilience: { deadlineSeconds: 60 },
  },
} as unknown as PolicySnapshot;

/** Nothing is recorded here. */
const audit = {} as AuditWriter;

function room(known = true) {
  const backends = new Noted();
  backends.known = known;
  const time = { now: 0 };
  const sides = new BackendSides({
    backends,
    inForce: () => ({ ok: true, snapshot }),
    account: 'alice',
    clock: { now: () => time.now },
    audit,
    log: new LogLines(),
  });
  return { backends, sides, time };
}

function conversation(capabilities: JsonObject, more: Partial<Conversation> = {}): Conversation {
  return {
    era: 'modern',
    app: { id: 'a', name: 'A' },
    endpoint: { kind: 'all' },
    session: 'app:a',
    capabilities,
    logLevel: undefined,
    signal: new AbortController().signal,
    notify: () => {},
    ask: () => Promise.reject(new Error('not asked')),
    ...more,
  };
}

describe('when a modern app can be asked things', () => {
  it('has one session whatever it writes beside the flags that are known', async () => {
    const { backends, sides } = room();
    for (let i = 0; i < 20; i++) {
      const odd = { elicitation: { form: { i }, [`x${i}`]: {} }, roots: { listChanged: i }, [`y${i}`]: {} };
      (await sides.open(conversation(odd), 'one')).release();
    }
    expect([...backends.open_.values()]).toEqual([{ elicitation: { form: {} }, roots: {} }]);
  });

  it('is declared as it declared itself, flag by flag', () => {
    const declared = {
      elicitation: { form: {}, url: {} },
      sampling: { context: {}, tools: {} },
      roots: { listChanged: true },
      tasks: { list: {}, cancel: {}, requests: { elicitation: { create: {} }, sampling: { createMessage: {} } } },
    };
    expect(knownFlags(declared)).toEqual(declared);
    expect(knownFlags({ elicitation: {}, sampling: {}, roots: {} })).toEqual({
      elicitation: {},
      sampling: {},
      roots: {},
    });
    expect(knownFlags({ elicitation: true, roots: { listChanged: 'yes' }, x: {} })).toEqual({ roots: {} });
  });

  it('is at most four kinds of caller to a server, and no kind for ever', async () => {
    const { backends, sides, time } = room();
    const kinds = [
      { roots: {} },
      { sampling: {} },
      elicits,
      { elicitation: { url: {} } },
      { elicitation: {} },
      { roots: { listChanged: true } },
    ];
    for (const kind of kinds) {
      time.now++;
      (await sides.open(conversation(kind), 'one')).release();
    }
    expect(backends.open_.size).toBe(4);
    const held = await sides.open(conversation(elicits), 'one');
    time.now += 300_100;
    sides.endIdle();
    expect([...backends.open_.values()]).toEqual([elicits]);
    expect(sides.of('app:a')).toHaveLength(1);
    held.release();
    time.now += 300_100;
    sides.endIdle();
    expect([backends.open_.size, sides.of('app:a').length]).toEqual([0, 0]);
  });

  it('is refused when every session is at work for as long as a call may take, and leaves no trace in the queue', async () => {
    vi.useFakeTimers();
    const { sides } = room();
    const held = await Promise.all(Array.from({ length: 8 }, () => sides.open(conversation(elicits), 'one')));
    const late = expect(sides.open(conversation(elicits), 'one')).rejects.toMatchObject({ code: 'unavailable' });
    await vi.advanceTimersByTimeAsync(60_000);
    await late;
    held[0]?.release();
    const next = await sides.open(conversation(elicits), 'one');
    expect(next.side).toBe(held[0]?.side);
  });

  it('gets the place of the request that has waited longest for its answers, and of no other', async () => {
    const { sides } = room();
    const ended: number[] = [];
    const held = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const makeRoom = () => {
          if (i < 2 || ended.includes(i)) return false;
          ended.push(i);
          setImmediate(() => held[i]?.release());
          return true;
        };
        return sides.open(conversation(elicits, { makeRoom }), 'one');
      }),
    );
    const next = await sides.open(conversation(elicits), 'one');
    expect(ended).toEqual([2]);
    expect(next.side).toBe(held[2]?.side);
  });
});

describe('when it is not known yet of which revision a server is', () => {
  it('opens no session beside the one that carries the request where the backends know it', async () => {
    const { backends, sides } = room(true);
    await sides.open(conversation(elicits), 'one');
    expect(backends.opened).toHaveLength(1);
    expect([...backends.open_.values()]).toEqual([elicits]);
  });

  it('ends the one it was found out with, unless somebody uses it', async () => {
    const { backends, sides } = room(false);
    await sides.open(conversation(elicits), 'one');
    expect([...backends.open_.values()]).toEqual([elicits]);
    const other = room(false);
    await other.sides.open(conversation({}), 'two');
    const used = await other.sides.open(conversation({}), 'one');
    await other.sides.open(conversation(elicits), 'one');
    expect([...other.backends.open_.keys()]).toContain('app:a one');
    used.release();
  });
});

describe('when a caller is gone', () => {
  it('gets nothing of what it had back by a request that comes late', async () => {
    const { backends, sides } = room();
    const stop = new AbortController();
    for (const era of ['legacy', 'modern'] as const) {
      const late = conversation(elicits, { era, signal: stop.signal });
      (await sides.open(late, 'one')).release();
    }
    sides.forget('app:a');
    stop.abort('caller');
    for (const era of ['legacy', 'modern'] as const) {
      const late = conversation(elicits, { era, signal: stop.signal });
      await expect(sides.open(late, 'one')).rejects.toThrow();
    }
    expect([sides.of('app:a').length, backends.open_.size]).toEqual([0, 0]);
  });

  it('has a session that comes up late closed at once', async () => {
    const { backends, sides } = room();
    const { side, session } = await sides.open(conversation({}), 'one');
    sides.forget('app:a');
    backends.open_.set('app:a one', {});
    side.onOpen(session);
    expect(backends.open_.size).toBe(0);
  });
});
