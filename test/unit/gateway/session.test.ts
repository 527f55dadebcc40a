import { describe, expect, it } from 'vitest';
import { LegacySessions } from '../../../main/gateway/session.ts';
import { Stop } from '../../../main/gateway/stop.ts';

const all = { kind: 'all' } as const;
const hour = 3_600_000;
const limit = 256;

class Running {
  readonly stopped = new Stop();
  stop(): void {
    this.stopped.abort('caller');
  }
  tell(): boolean {
    return false;
  }
}

function introduction(appId: string) {
  const app = { id: appId, name: appId };
  return { app, endpoint: all, version: '2025-11-25', capabilities: {}, clientInfo: {}, offered: {} };
}

function sessions() {
  const time = { now: 0 };
  const ended: string[] = [];
  const kept = new LegacySessions({ clock: { now: () => time.now }, onEnd: (key) => ended.push(key) });
  const start = (appId = 'a') => {
    const session = kept.start(introduction(appId), limit);
    if (session === undefined) throw new Error('not started');
    return session;
  };
  return { time, ended, kept, start };
}

describe('when sessions are not used', () => {
  it('ends them after an hour, and tells whoever keeps something for them', () => {
    const { time, ended, kept, start } = sessions();
    const idle = start();
    const used = start();
    time.now = hour;
    kept.find(used.id, 'a', all);
    time.now = hour + 1;
    kept.endIdle();
    expect(ended).toEqual([idle.session]);
    expect(kept.find(idle.id, 'a', all)).toBeUndefined();
    expect(kept.find(used.id, 'a', all)).toBe(used);
  });

  it('keeps one with a request under way however long it takes', () => {
    const { time, ended, kept, start } = sessions();
    start().running.set(1, new Running());
    time.now = 10 * hour;
    kept.endIdle();
    expect(ended).toEqual([]);
  });
});

describe('when an app has as many sessions as it may', () => {
  it('ends the one idle the longest', () => {
    const { time, ended, kept, start } = sessions();
    const first = start();
    const second = start();
    for (let i = 2; i < limit; i++) start();
    time.now = 1;
    kept.find(first.id, 'a', all);
    start();
    expect(ended).toEqual([second.session]);
    expect(kept.counts().get('a')).toBe(limit);
  });

  it('starts none when every one is busy, and others still may', () => {
    const { kept, start } = sessions();
    for (let i = 0; i < limit; i++) start().running.set(1, new Running());
    expect(kept.start(introduction('a'), limit)).toBeUndefined();
    expect(kept.start(introduction('b'), limit)).toBeDefined();
  });
});

describe('when a session ends', () => {
  it('cancels what runs in it, once', () => {
    const { ended, kept, start } = sessions();
    const session = start();
    const call = new Running();
    session.running.set('x', call);
    kept.end(session);
    kept.end(session);
    expect(call.stopped.signal.reason).toBe('caller');
    expect(ended).toEqual([session.session]);
  });

  it('is not found under another app or endpoint', () => {
    const { kept, start } = sessions();
    const session = start();
    expect(kept.find(session.id, 'b', all)).toBeUndefined();
    expect(kept.find(session.id, 'a', { kind: 'profile', profile: 'p' })).toBeUndefined();
    expect(kept.find(session.session, 'a', all)).toBeUndefined();
    expect(kept.find(session.id, 'a', all)).toBe(session);
  });
});
