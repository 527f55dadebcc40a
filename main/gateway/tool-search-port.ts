import type { JsonObject } from '../policy/json.ts';

/** One tool as a caller sees it, for searching. */
export interface SearchableTool {
  /** The name on this endpoint: what `call_tool` takes. */
  readonly name: string;
  /** The pinned raw definition with its name replaced: the same object for as long as nothing changed. */
  readonly definition: JsonObject;
}

/** What a search answers, as the raw result of a tools/call. */
export type SearchReply =
  | { readonly ok: true; readonly result: JsonObject }
  /** The arguments do not fit; a sentence that says how. */
  | { readonly ok: false; readonly message: string };

/**
 * Two tools that stand for all the others of a profile: `search_tools` {query, limit} and `call_tool` {name, arguments}. A call of the second
 * is taken apart before anything else happens and decided under the real tool's name; the first is answered here and reaches no server.
 */
export interface ToolSearch {
  /** The JSON texts of the two definitions, in order. */
  tools(): readonly string[];
  /** `tools` is one array for as long as what the caller sees did not change: an index may be kept by it. Takes turns with other work. */
  search(tools: readonly SearchableTool[], args: JsonObject): Promise<SearchReply>;
}

export const searchToolName = 'search_tools';
export const callToolName = 'call_tool';
