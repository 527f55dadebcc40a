import { type PolicySnapshot, userOf } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { Catalog } from './catalog.ts';
import { type RpcError, rpcCode } from './wire.ts';

/** Tools on one page; far above what any organisation offers, and a few megabytes at most. */
const pageSize = 2_000;

export type ListPage =
  | { readonly ok: true; readonly toolsText: string; readonly nextCursor?: string }
  | { readonly ok: false; readonly error: RpcError };

/** One page of tools/list as JSON text. Without a policy in force the list is empty: nothing may be shown. */
export async function listTools(
  catalog: Catalog,
  snapshot: PolicySnapshot | undefined,
  caller: { readonly app: CallingApp; readonly endpoint: Endpoint; readonly account: string },
  params: JsonObject,
): Promise<ListPage> {
  const start = offsetOf(params.cursor);
  if (start === undefined) {
    return { ok: false, error: { code: rpcCode.invalidParams, message: 'Invalid params: this cursor is not known' } };
  }
  if (snapshot === undefined) return { ok: true, toolsText: '[]' };
  const view = {
    snapshot,
    user: userOf(snapshot, caller.account),
    app: caller.app.name,
    endpoint: caller.endpoint,
  };
  const tools = await catalog.list(view);
  if (start === 0 && tools.length <= pageSize) return { ok: true, toolsText: `[${tools.join(',')}]` };
  const end = start + pageSize;
  const toolsText = `[${tools.slice(start, end).join(',')}]`;
  return end < tools.length ? { ok: true, toolsText, nextCursor: cursorOf(end) } : { ok: true, toolsText };
}

function cursorOf(offset: number): string {
  return Buffer.from(`tools:${offset}`).toString('base64url');
}

function offsetOf(cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  if (typeof cursor !== 'string' || cursor.length > 64) return undefined;
  const match = /^tools:(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match === null ? undefined : Number(match[1]);
}
