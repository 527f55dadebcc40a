import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { BackendReply } from './backends.ts';
import { BackendFailure } from './failure.ts';

const PAGES = 1_000;
const TOOLS = 20_000;
const METHOD_NOT_FOUND = -32601;

/**
 * Every page of tools/list, raw. Bounded, since a server may page forever; a cursor seen before or an entry that is no object
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
  let params: JsonObject = {};
  for (let page = 0; page < PAGES; page += 1) {
    const reply = await list(params);
    if (!reply.ok) {
      if (!offersTools && reply.error.code === METHOD_NOT_FOUND) return [];
      throw broken(`it answered with the error ${reply.error.code}, "${reply.error.message}"`);
    }
    if (!Array.isArray(reply.result.tools)) throw broken('its answer has no list of tools');
    for (const tool of reply.result.tools) {
      if (!isJsonObject(tool)) throw broken('an entry of its list is not an object');
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
