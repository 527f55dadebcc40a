import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { BackendReply } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { LIST_BYTES, size } from './message.ts';

const DEFINITION_BYTES = 256 * 1024;
const PAGES = 1_000;
const TOOLS = 20_000;
const METHOD_NOT_FOUND = -32601;

/**
 * Every page of tools/list, raw. Bounded in pages, tools and bytes, since a server may page forever; a cursor seen before or an entry that is no object
 * fails the whole list. Rejects with BackendFailure 'protocol'.
 */
export async function readToolPages(
  alias: string,
  offersTools: boolean,
  list: (params: JsonObject) => Promise<BackendReply>,
): Promise<readonly JsonObject[]> {
  const tools: JsonObject[] = [];
  const cursors = new Set<string>();
  const broken = (what: string) =>
    new BackendFailure('protocol', alias, `The tools of the server "${alias}" cannot be listed: ${what}.`);
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
      if (!offersTools && reply.error.code === METHOD_NOT_FOUND) return [];
      throw broken(`it answered with the error ${reply.error.code}, "${reply.error.message.slice(0, 500)}"`);
    }
    const { tools: listed, ...rest } = reply.result;
    if (!Array.isArray(listed)) throw broken('its answer has no list of tools');
    count(JSON.stringify(rest));
    for (const tool of listed) {
      if (!isJsonObject(tool)) throw broken('an entry of its list is not an object');
      if (count(JSON.stringify(tool)) > DEFINITION_BYTES)
        throw broken(`one of its tools is described in more than ${size(DEFINITION_BYTES)}`);
      tools.push(tool);
    }
    if (tools.length > TOOLS) throw broken(`it lists more than ${TOOLS} tools`);
    const cursor = reply.result.nextCursor;
    if (cursor === undefined || cursor === null) return tools;
    if (typeof cursor !== 'string') throw broken('its page cursor is not text');
    if (cursors.has(cursor)) throw broken('its pages go round in a circle');
    cursors.add(cursor);
    params = { cursor };
  }
  throw broken(`its list has more than ${PAGES} pages`);
}
