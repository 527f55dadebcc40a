import type { HomeView } from '../../../preload/contract.ts';

export type Hour = HomeView['hours'][number];

export const hourMs = 3_600_000;

/**
 * The hours of `now`'s day to draw, each once, by the moment it began (epoch ms): a working day at least, wider when there
 * were calls outside it. Hours are stepped through as time passes, not as clocks show it, so that a day of 23 or 25 hours
 * has as many, and a zone that is half an hour off keeps its own.
 */
export function dayHours(hours: readonly Hour[], now: number): readonly (Hour & { readonly now: boolean })[] {
  const today = new Date(now);
  const from = fullHour(today.setHours(0, 0, 0, 0));
  const until = today.setDate(today.getDate() + 1);
  const current = fullHour(now);
  const busy = hours.filter(
    ({ hour, allowed, refused }) => hour >= from && hour < until && (allowed > 0 || refused > 0),
  );
  const byHour = new Map(busy.map((entry) => [fullHour(entry.hour), entry]));
  const first = Math.min(fullHour(new Date(now).setHours(8, 0, 0, 0)), current, ...byHour.keys());
  const last = Math.max(fullHour(new Date(now).setHours(18, 0, 0, 0)), current, ...byHour.keys());
  return Array.from({ length: (last - first) / hourMs + 1 }, (_, index) => {
    const hour = first + index * hourMs;
    const entry = byHour.get(hour);
    return { hour, allowed: entry?.allowed ?? 0, refused: entry?.refused ?? 0, now: hour === current };
  });
}

function fullHour(at: number): number {
  return Math.floor(at / hourMs) * hourMs;
}
