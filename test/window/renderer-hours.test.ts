import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayHours } from '../../renderer/views/home/day-hours.ts';
import { openStage, type Stage } from './renderer-page.ts';

const hour = 3_600_000;
const at = (text: string): number => Date.parse(text);
const counted = (start: string, allowed = 3, refused = 0) => ({ hour: at(start), allowed, refused });

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

interface Chart {
  readonly timeZone: string;
  readonly now: string;
  readonly hours: ReturnType<typeof counted>[];
}

/** What the chart says in a browser of that zone: its table, its hours, and which of them is now. */
async function chart({ timeZone, now, hours }: Chart) {
  const { page } = await stage.open({ timeZone, clockAt: at(now), fake: { hours } });
  await page.locator('.hour-chart').waitFor();
  const table = await page.locator('.hour-chart tbody tr').allTextContents();
  const labels = await page.locator('.hour-label').allTextContents();
  const columns = await page.locator('.hour-touch').count();
  const current = await page.locator('.hour-label.now').allTextContents();
  await page.context().close();
  return { table, labels, columns, current };
}

describe('when hours arrive as the moments they began', () => {
  it('draws them at the hours clocks here show', async () => {
    const seen = await chart({
      timeZone: 'America/New_York',
      now: '2026-11-20T21:42:00Z',
      hours: [counted('2026-11-20T14:00:00Z'), counted('2026-11-20T21:00:00Z', 5, 2)],
    });
    expect(seen.table).toEqual(['9–1030', '16–1752']);
    expect(seen.columns).toBe(11);
  });

  it('begins a new day at midnight, with yesterday gone', async () => {
    const seen = await chart({
      timeZone: 'Europe/Berlin',
      now: '2026-11-20T23:05:00Z',
      hours: [counted('2026-11-20T22:00:00Z', 9), counted('2026-11-20T23:00:00Z', 1)],
    });
    expect(seen.table).toEqual(['0–110']);
    expect(seen.current).toEqual(['0']);
  });

  it('reaches to midnight on its other side', async () => {
    const seen = await chart({
      timeZone: 'Europe/Berlin',
      now: '2026-11-20T22:59:59Z',
      hours: [counted('2026-11-20T22:00:00Z', 9)],
    });
    expect(seen.table).toEqual(['23–090']);
  });

  it('has no hour that clocks skip in spring', async () => {
    const seen = await chart({
      timeZone: 'Europe/London',
      now: '2026-03-29T18:30:00Z',
      hours: [counted('2026-03-29T00:00:00Z', 1), counted('2026-03-29T01:00:00Z', 2)],
    });
    expect(seen.table).toEqual(['0–210', '2–320']);
    expect(seen.columns).toBe(19);
  });

  it('keeps both of the hours that clocks show twice in autumn', async () => {
    const seen = await chart({
      timeZone: 'Europe/London',
      now: '2026-10-25T18:30:00Z',
      hours: [counted('2026-10-25T00:00:00Z', 1), counted('2026-10-25T01:00:00Z', 2)],
    });
    expect(seen.table).toEqual(['1–110', '1–220']);
  });

  it('says half hours where clocks are half an hour off, midnight among them', async () => {
    const seen = await chart({
      timeZone: 'Asia/Kolkata',
      now: '2026-11-20T12:00:00Z',
      hours: [counted('2026-11-19T18:00:00Z', 4), counted('2026-11-20T09:00:00Z', 7)],
    });
    expect(seen.table).toEqual(['23:30–0:3040', '14:30–15:3070']);
    expect(seen.columns).toBe(19);
  });
});

describe('when hours are not of this day', () => {
  it('draws no more than a day, whatever it is given', () => {
    const now = at('2026-11-20T12:00:00Z');
    const strange = [8, -1, 0, now - 400 * 24 * hour, now + 400 * 24 * hour, Number.MAX_SAFE_INTEGER];
    const columns = dayHours(
      strange.map((moment) => ({ hour: moment, allowed: 1, refused: 0 })),
      now,
    );
    expect(columns.length).toBeLessThanOrEqual(26);
    expect(columns.every(({ allowed }) => allowed === 0)).toBe(true);
  });
});
