import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../main/gateway/deadline.ts';

describe('when a server has so long to answer', () => {
  it('is over when the time is up', async () => {
    const deadline = new Deadline(20, new AbortController().signal);
    await sleep(60);
    expect([deadline.signal.aborted, deadline.passed]).toEqual([true, true]);
  });

  it('stands still while it waits for its caller, however many things it asked', async () => {
    const deadline = new Deadline(60, new AbortController().signal);
    const first = deadline.hold();
    const second = deadline.hold();
    await sleep(100);
    first();
    first();
    await sleep(50);
    expect(deadline.passed).toBe(false);
    second();
    await sleep(120);
    expect(deadline.passed).toBe(true);
  });

  it('ends with the request it is of, and by nothing afterwards', async () => {
    const outer = new AbortController();
    const deadline = new Deadline(20, outer.signal);
    const hold = deadline.hold();
    deadline.end();
    hold();
    outer.abort();
    await sleep(50);
    expect([deadline.signal.aborted, deadline.passed]).toEqual([false, false]);
  });

  it('ends when the caller cancels, at once where it did already, and says that the time was not up', () => {
    const outer = new AbortController();
    const deadline = new Deadline(1_000, outer.signal);
    outer.abort('caller');
    expect([deadline.signal.reason, deadline.passed]).toEqual(['caller', false]);
    deadline.end();
    const late = new Deadline(1_000, outer.signal);
    expect(late.signal.aborted).toBe(true);
    late.end();
  });
});
