import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { BackendReply, ListKind } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { LIST_BYTES, size } from './message.ts';

const DEFINITION_BYTES = 256 * 1024;
const PAGES = 1_000;
const ENTRIES = 20_000;
const METHOD_NOT_FOUND = -32601;

interface Listed {
  readonly method: string;
  /** The server capability that offers it. */
  readonly capability: 'tools' | 'prompts' | 'resources';
  readonly many: string;
}

/** How each kind is asked for. The name of a kind is also its key in the answer. */
export const LISTED: Readonly<Record<ListKind, Listed>> = {
  tools: { method: 'tools/list', capability: 'tools', many: 'tools' },
  prompts: { method: 'prompts/list', capability: 'prompts', many: 'prompts' },
  resources: { method: 'resources/list', capability: 'resources', many: 'resources' },
  resourceTemplates: { method: 'resources/templates/list', capability: 'resources', many: 'resource templates' },
};

/**
 * Every page of one list, raw. Bounded in pages, entries and bytes, since a server may page forever; a cursor seen before or an entry that is no
 * object fails the whole list. A server without the method lists nothing where `lenient`. Rejects with BackendFailure 'protocol'.
 */
export async function readListPages(
  alias: string,
  kind: ListKind,
  lenient: boolean,
  list: (params: JsonObject) => Promise<BackendReply>,
): Promise<readonly JsonObject[]> {
  const { many } = LISTED[kind];
  const entries: JsonObject[] = [];
  const cursors = new Set<string>();
  const broken = (what: string) =>
    new BackendFailure('protocol', alias, `The ${many} of the server "${alias}" cannot be listed: ${what}.`);
  let bytes = 0;
  const count = (text: string) => {
    const more = Buffer.byteLength(text);
    bytes += more;
    if (bytes > LIST_BYTES) throw broken(`its list is larger than ${size(LIST_BYTES)}`);
    return more;
  };
  let params: JsonObject = {};
  for (let page = 0; page < PAGES; page += 1) {
    const reply = await list(params);
    if (!reply.ok) {
      if (lenient && reply.error.code === METHOD_NOT_FOUND) return [];
      throw broken(`it answered with the error ${reply.error.code}, "${reply.error.message.slice(0, 500)}"`);
    }
    const { [kind]: listed, ...rest } = reply.result;
    if (!Array.isArray(listed)) throw broken(`its answer has no list of ${many}`);
    count(JSON.stringify(rest));
    for (const entry of listed) {
      if (!isJsonObject(entry)) throw broken('an entry of its list is not an object');
      if (count(JSON.stringify(entry)) > DEFINITION_BYTES)
        throw broken(`one of its ${many} is described in more than ${size(DEFINITION_BYTES)}`);
      entries.push(entry);
    }
    if (entries.length > ENTRIES) throw broken(`it lists more than ${ENTRIES} ${many}`);
    const cursor = reply.result.nextCursor;
    if (cursor === undefined || cursor === null) return entries;
    if (typeof cursor !== 'string') throw broken('its page cursor is not text');
    if (cursors.has(cursor)) throw broken('its pages go round in a circle');
    cursors.add(cursor);
    params = { cursor };
  }
  throw broken(`its list has more than ${PAGES} pages`);
}
