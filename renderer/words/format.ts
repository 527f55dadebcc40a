import { language } from './current.ts';

/** The reader's own region where it shares the language of our words: "16:42" in London, "4:42 PM" in New York. */
const locale = navigator.languages.find((tag) => tag.startsWith(language)) ?? language;

const nbsp = '\u00a0';
const number = new Intl.NumberFormat(locale);
const clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const hour = new Intl.DateTimeFormat(locale, { hour: 'numeric' });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });

export const formatNumber = (value: number): string => number.format(value);
export const formatClock = (at: number): string => clock.format(at);
export const formatClockSeconds = (at: number): string => clockSeconds.format(at);
export const formatDay = (at: number): string => dayYear.format(at);
export const formatMoment = (at: number): string => `${dayYear.format(at)}, ${clockSeconds.format(at)}`;

/** Today: the time. Otherwise: the day and the time. */
export function formatWhen(at: number, now: number): string {
  return sameDay(at, now) ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
}

/** "14", or "2 PM" where that is the custom; "14:30" in zones that are half an hour off. `at`: epoch ms. */
export function formatHour(at: number): string {
  return new Date(at).getMinutes() === 0 ? hour.format(at).replace(/^0(?=\d$)/u, '') : clock.format(at);
}

/** "2 min ago", "yesterday". */
export function formatAgo(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 45) return relative.format(0, 'second');
  if (size < 3_570) return relative.format(Math.round(seconds / 60), 'minute');
  if (size < 84_600) return relative.format(Math.round(seconds / 3_600), 'hour');
  if (size < 30 * 86_400) return relative.format(Math.round(seconds / 86_400), 'day');
  return dayYear.format(at);
}

/** Milliseconds as a person says them: "340 ms", "1.2 s", "2 min 5 s"; number and unit never part. */
export function formatDuration(ms: number): string {
  if (ms < 0.5) return `<${nbsp}${number.format(1)}${nbsp}ms`;
  if (ms < 1_000) return `${number.format(Math.round(ms))}${nbsp}ms`;
  if (ms < 60_000) return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(ms / 1_000)}${nbsp}s`;
  return `${number.format(Math.floor(ms / 60_000))}${nbsp}min ${number.format(Math.round((ms % 60_000) / 1_000))}${nbsp}s`;
}

/** Sixty-four digits are compared in groups of four. */
export function formatFingerprint(print: string): string {
  return /^[0-9a-f]{16,}$/iu.test(print) ? (print.match(/.{1,4}/gu)?.join(' ') ?? print) : print;
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
