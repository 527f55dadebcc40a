import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createChangeFeed } from '../../../main/ipc/change-feed.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('when much changes at once', () => {
  it('tells each kind once per tenth of a second, the last change included', () => {
    const told: string[] = [];
    const feed = createChangeFeed((what) => told.push(what));
    for (let n = 0; n < 10_000; n++) feed.add('activity', 'status');
    expect(told).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(told).toEqual(['activity', 'status']);
    feed.add('activity');
    vi.advanceTimersByTime(100);
    expect(told).toEqual(['activity', 'status', 'activity']);
  });

  it('tells nothing once it is closed', () => {
    const told: string[] = [];
    const feed = createChangeFeed((what) => told.push(what));
    feed.add('tools');
    feed.close();
    feed.add('apps');
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([]);
  });
});
