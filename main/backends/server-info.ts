import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';

const NAME_CHARACTERS = 200;
const OTHER_CHARACTERS = 2_000;
const MEMBERS = 32;
const NAMES: ReadonlySet<string> = new Set(['name', 'title', 'version']);

/**
 * What is kept of a server's serverInfo, and shown wherever its health is: names cut to 200 characters, and what else is there as it came, if it is
 * small. The message it came in is bounded in depth, so that writing a member as text is safe.
 */
export function reduceServerInfo(info: Json | undefined): JsonObject {
  if (!isJsonObject(info)) return {};
  const members: [string, Json][] = [];
  for (const [key, value] of Object.entries(info)) {
    if (members.length === MEMBERS) break;
    if (NAMES.has(key)) {
      if (typeof value === 'string') members.push([key, value.slice(0, NAME_CHARACTERS)]);
    } else if (key.length + JSON.stringify(value).length <= OTHER_CHARACTERS) members.push([key, value]);
  }
  return Object.fromEntries(members);
}
