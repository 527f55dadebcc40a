import { randomUUID } from 'node:crypto';

/**
 * A new call's id: a UUID of version 7 (RFC 9562 §5.7). What begins with the time is found again beside its neighbours: with random
 * ids the record's list of calls would rewrite another page of its index for each of them, more of them the longer it gets.
 */
export function newCallId(now: number): string {
  const time = Math.max(0, Math.floor(now)).toString(16).padStart(12, '0').slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
