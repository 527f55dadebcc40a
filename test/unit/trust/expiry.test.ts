import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DAY_MS } from '../../../main/admin/metadata.ts';
import type { TrustState } from '../../../main/trust/trust.ts';
import {
  createClock,
  createLaptop,
  createPublisher,
  type Laptop,
  type Publisher,
  type TestClock,
} from './publisher.ts';

let clock: TestClock;
let publisher: Publisher;
let laptop: Laptop;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  clock = createClock();
  publisher = createPublisher(clock);
  publisher.publish();
  laptop = createLaptop(clock, { graceSeconds: () => 3600 });
  await laptop.trust.start();
  await laptop.trust.enrol(publisher.orgJson());
});

afterEach(async () => {
  vi.useRealTimers();
  await laptop.remove();
  publisher.remove();
});

/** Moves both the clock and the timers, as time does. */
async function pass(ms: number): Promise<void> {
  clock.time += ms;
  await vi.advanceTimersByTimeAsync(Math.min(ms, 31_000));
}

describe('when the policy expires while Gatehouse runs', () => {
  it('stays in force through the grace the policy gives, then ends by itself and tells', async () => {
    const states: TrustState[] = [];
    laptop.trust.onChange((state) => states.push(state));
    await pass(30 * DAY_MS - 1);
    expect(states).toEqual([]);
    expect(laptop.trust.state().problem).toBeUndefined();

    await pass(1);
    expect(laptop.trust.state().current?.version).toBe(1);
    expect(laptop.trust.state().problem).toMatchObject({
      code: 'expired',
      message: expect.stringContaining('stays in force until'),
    });

    await pass(3600_000);
    expect(states.at(-1)?.current).toBeUndefined();
    expect(states.at(-1)?.problem).toMatchObject({
      code: 'expired',
      message: expect.stringContaining('no tool may be used'),
    });
  });

  it('is over at the very moment somebody asks, timers or not', () => {
    clock.time += 30 * DAY_MS + 3600_000;
    expect(laptop.trust.state().current).toBeUndefined();
  });

  it('goes on saying that it expired while no new one can be fetched', async () => {
    publisher.remove();
    await pass(31 * DAY_MS);
    expect(await laptop.trust.refresh()).toMatchObject({ ok: false, problem: { code: 'unreachable' } });
    expect(laptop.trust.state().problem?.code).toBe('expired');
    expect((await laptop.restart()).state().problem?.code).toBe('expired');
  });

  it('comes back when the organisation publishes again', async () => {
    await pass(31 * DAY_MS);
    expect(laptop.trust.state().current).toBeUndefined();
    publisher.publish();
    expect(await laptop.trust.refresh()).toMatchObject({ ok: true, changed: true });
    expect(laptop.trust.state()).toMatchObject({ current: { version: 1, expires: clock.time + 30 * DAY_MS } });
    expect(laptop.trust.state().problem).toBeUndefined();
  });

  it('keeps the grace across a restart, and not longer', async () => {
    clock.time += 30 * DAY_MS + 1800_000;
    expect((await laptop.restart()).state().current?.version).toBe(1);
    clock.time += 1800_000;
    const trust = await laptop.restart();
    expect(trust.state().current).toBeUndefined();
    expect(trust.state().problem?.code).toBe('expired');
  });
});
