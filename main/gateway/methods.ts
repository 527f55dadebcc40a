import type { JsonObject } from '../policy/json.ts';
import type { Reply } from './conversation.ts';
import { rpcCode } from './wire.ts';

/** What a list's result calls its entries. */
export type ListMember = 'tools' | 'prompts' | 'resources' | 'resourceTemplates';

/** Entries on one page; far above what any organisation offers, and a few megabytes at most. */
const pageSize = 2_000;

/** Lists depend on who asks and may change at any publish: nobody may share them, and nobody need keep them ("Caching"). */
export const cacheMembers = '"ttlMs":0,"cacheScope":"private"';

const wholes = new WeakMap<readonly string[], Partial<Record<string, string>>>();

/** One page of a list. A list on one page is put together once, and kept for as long as its entries are the same. */
export function listPage(
  era: 'legacy' | 'modern',
  member: ListMember,
  texts: readonly string[],
  params: JsonObject,
): Reply {
  const start = offsetOf(member, params.cursor);
  if (start === undefined) {
    const message = 'Invalid params: this cursor is not known';
    return { kind: 'error', error: { code: rpcCode.invalidParams, message } };
  }
  if (start === 0 && texts.length <= pageSize) {
    const known = wholes.get(texts) ?? {};
    wholes.set(texts, known);
    const key = `${era} ${member}`;
    known[key] ??= pageText(era, member, texts, undefined);
    return { kind: 'result', text: known[key] };
  }
  const end = start + pageSize;
  const next = end < texts.length ? cursorOf(member, end) : undefined;
  return { kind: 'result', text: pageText(era, member, texts.slice(start, end), next) };
}

function pageText(
  era: 'legacy' | 'modern',
  member: ListMember,
  texts: readonly string[],
  nextCursor: string | undefined,
): string {
  const next = nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(nextCursor)}`;
  const entries = `"${member}":[${texts.join(',')}]${next}`;
  return era === 'modern' ? `{"resultType":"complete",${entries},${cacheMembers}}` : `{${entries}}`;
}

function cursorOf(member: ListMember, offset: number): string {
  return Buffer.from(`${member}:${offset}`).toString('base64url');
}

function offsetOf(member: ListMember, cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  if (typeof cursor !== 'string' || cursor.length > 64) return undefined;
  const match = /^([A-Za-z]+):(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match?.[1] === member ? Number(match[2]) : undefined;
}
