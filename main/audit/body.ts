import { canonicalize } from '../policy/canonical.ts';
import type { Json } from '../policy/json.ts';
import type { AuditEvent } from './record.ts';

/**
 * An event as RFC 8785 JSON text: the bytes that are stored and hashed. What has no canonical form is made well-formed
 * rather than refused (a lone surrogate in a server's message becomes U+FFFD): a call must not fail over how it is noted.
 */
export function bodyOf(event: AuditEvent): string {
  return canonicalize(toJson(event));
}

function toJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\ufffd');
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(entries.map(([key, member]) => [key, toJson(member)]));
  }
  throw new TypeError(`An audit event holds a ${typeof value}.`);
}
