import { describe, expect, it } from 'vitest';
import { LegacySessions } from '../../../main/gateway/session.ts';

const all = { kind: 'all' } as const;
const hour = 3_600_000;

function sessions() {
  const time = { now: 0 };
  const ended: string[] = [];
  const kept = new LegacySessions({ clock: { now: () => time.now }, onEnd: (key) => ended.push(key) });
  const start = (appId = 'a') => {
    const session = kept.start(appId, all, '2025-11-25');
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
    expect(ended).toEqual([idle.key]);
    expect(kept.find(idle.id, 'a', all)).toBeUndefined();
    expect(kept.find(used.id, 'a', all)).toBe(used);
  });

  it('keeps one with a call under way however long it takes', () => {
    const { time, ended, kept, start } = sessions();
    const busy = start();
    busy.running.set(1, new AbortController());
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
    for (let i = 2; i < 256; i++) start();
    time.now = 1;
    kept.find(first.id, 'a', all);
    start();
    expect(ended).toEqual([second.key]);
    expect(kept.counts().get('a')).toBe(256);
  });

  it('starts none when every one is busy, and others still may', () => {
    const { kept, start } = sessions();
    for (let i = 0; i < 256; i++) start().running.set(1, new AbortController());
    expect(kept.start('a', all, '2025-11-25')).toBeUndefined();
    expect(kept.start('b', all, '2025-11-25')).toBeDefined();
  });
});

describe('when a session ends', () => {
  it('cancels what runs in it, once', () => {
    const { ended, kept, start } = sessions();
    const session = start();
    const call = new AbortController();
    session.running.set('x', call);
    kept.end(session);
    kept.end(session);
    expect(call.signal.reason).toBe('caller');
    expect(ended).toEqual([session.key]);
  });

  it('is not found under another app or endpoint', () => {
    const { kept, start } = sessions();
    const session = start();
    expect(kept.find(session.id, 'b', all)).toBeUndefined();
    expect(kept.find(session.id, 'a', { kind: 'profile', profile: 'p' })).toBeUndefined();
    expect(kept.find(session.key, 'a', all)).toBeUndefined();
    expect(kept.find(session.id, 'a', all)).toBe(session);
  });
});
