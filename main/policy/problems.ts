import type { Json } from './json.ts';

/** RFC 6901 pointer of a path. The whole document is "". */
export function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** True when text holds no lone surrogate (RFC 7493 section 2.1): such text changes silently on its way through UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Characters a person cannot see or that reorder what they see: controls, format characters, odd spaces. */
export function hasHiddenCharacters(text: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u.test(text);
}

/** A value as a person reads it in "found …": its kind and its beginning. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  switch (typeof value) {
    case 'string':
      return value === '' ? 'empty text' : `text ${quote(value)}`;
    case 'number':
      return `number ${value}`;
    case 'boolean':
      return String(value);
    case 'object': {
      const names = Object.keys(value);
      return names.length === 0 ? 'an empty object' : `an object with ${shorten(names.map(quote).join(', '), 60)}`;
    }
    default:
      return typeof value;
  }
}

/** Text in quotes, hidden characters escaped, at most 60 characters of it. */
export function quote(text: string): string {
  const visible = shorten(text, 60).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `"${visible}"`;
}

/** Cut at code points, so that no half of a character is left. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const points = [...text.slice(0, length * 2)];
  return points.length <= length ? text : `${points.slice(0, length - 1).join('')}…`;
}

/** The name the author most likely meant, or undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const start = name.toLowerCase();
  const longer = known.find((k) => start.length >= 4 && k.toLowerCase().includes(start));
  if (longer !== undefined) return longer;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance; names longer than 64 characters are compared by their beginning. */
function editDistance(a: string, b: string): number {
  const left = a.slice(0, 64);
  const right = b.slice(0, 64);
  let row = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

/** The value at a path, or undefined. Own properties only. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** A map whose names may be anything, "__proto__" and "constructor" included: no prototype, own properties only. */
export function ownRecord<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const record: Record<string, T> = Object.create(null);
  for (const [name, value] of entries) {
    Object.defineProperty(record, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return record;
}

/** An own property of a JSON object, never one of Object.prototype. */
export function own(object: { readonly [key: string]: Json }, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
