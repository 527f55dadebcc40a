import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { metaKey } from './wire.ts';

/** What belongs to the hop between caller and gateway only; each hop states its own. */
const hopMeta: ReadonlySet<string> = new Set([
  metaKey.protocolVersion,
  metaKey.clientInfo,
  metaKey.clientCapabilities,
  metaKey.logLevel,
  'progressToken',
]);

/** The caller's params, key order kept, under the backend's own tool name and without this hop's `_meta`. */
export function forwarded(params: JsonObject, tool: string): JsonObject {
  const meta = params._meta;
  if (!isJsonObject(meta)) return { ...params, name: tool };
  const kept = Object.entries(meta).filter(([key]) => !hopMeta.has(key));
  // An object the caller sent empty stays; one that held nothing but this hop's keys goes.
  if (kept.length > 0 || Object.keys(meta).length === 0) {
    return { ...params, name: tool, _meta: Object.fromEntries(kept) };
  }
  const { _meta: _hop, ...rest } = params;
  return { ...rest, name: tool };
}

/** What of that is neither name nor arguments: it reaches the server, so it is shown, digested and recorded. Undefined when there is none. */
export function sentBeside(params: JsonObject): JsonObject | undefined {
  const { name: _name, arguments: _arguments, ...extra } = forwarded(params, '');
  return Object.keys(extra).length === 0 ? undefined : extra;
}

/** Answers to a server that asked for more input (2026-07-28, multi round-trip requests). */
const roundTripKeys = ['requestState', 'inputResponses'] as const;

/** The first member that continues a multi round-trip request. The gateway declares no capability for them, so no server can have asked. */
export function roundTripKeyOf(params: JsonObject): (typeof roundTripKeys)[number] | undefined {
  return roundTripKeys.find((key) => Object.hasOwn(params, key));
}
