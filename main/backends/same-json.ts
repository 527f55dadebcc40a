import type { Json } from '../policy/json.ts';

/**
 * Whether two values read from JSON are the same, the order of members included. Number by number rather than text by
 * text: a text cannot tell 1e999, which was read as infinite, from null.
 */
export function sameJson(first: Json | readonly Json[], second: Json | readonly Json[]): boolean {
  // An explicit stack: a server chooses how deep its definitions are.
  const left: unknown[] = [first];
  const right: unknown[] = [second];
  while (left.length > 0) {
    const a = left.pop();
    const b = right.pop();
    if (Object.is(a, b)) continue;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const names = Object.keys(a);
    const others = Object.keys(b);
    if (names.length !== others.length) return false;
    for (const [index, name] of names.entries()) {
      if (others[index] !== name) return false;
      left.push((a as Readonly<Record<string, unknown>>)[name]);
      right.push((b as Readonly<Record<string, unknown>>)[name]);
    }
  }
  return true;
}
