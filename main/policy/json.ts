/** JSON as it travels. Wire values are kept in these types, never in narrower ones that would drop unknown keys. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An expected refusal is a value. `code` is a closed union in each room. */
export type Result<T, Code extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: Code; readonly problems: readonly Problem[] };

/** One thing wrong with a document or an argument. */
export interface Problem {
  /** RFC 6901 pointer or file position, e.g. "/profiles/0/tools" or "policy.cedar:12". */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  /** One plain sentence that says what to do, where that is not obvious. */
  readonly advice?: string;
}
