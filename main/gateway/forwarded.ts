import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { CallMethod } from './call-request.ts';
import type { Subject } from './subjects.ts';
import { metaKey } from './wire.ts';

/** What belongs to the hop between caller and gateway only; each hop states its own. */
const hopMeta: ReadonlySet<string> = new Set([
  metaKey.protocolVersion,
  metaKey.clientInfo,
  metaKey.clientCapabilities,
  metaKey.logLevel,
  'progressToken',
]);

/** The caller's params, key order kept, under the backend's own name for the subject and without this hop's `_meta`. */
export function forwarded(method: CallMethod, params: JsonObject, subject: Subject): JsonObject {
  return withoutHopMeta(named(method, params, subject));
}

function named(method: CallMethod, params: JsonObject, { name }: Subject): JsonObject {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return { ...params, name };
    case 'resources/read':
    case 'resources/subscribe':
      return { ...params, uri: name };
    case 'completion/complete': {
      const ref = isJsonObject(params.ref) ? params.ref : {};
      return { ...params, ref: { ...ref, [ref.type === 'ref/prompt' ? 'name' : 'uri']: name } };
    }
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return params;
    default:
      return method satisfies never;
  }
}

/** Without what each hop says for itself. An object the caller sent empty stays; one that held nothing else goes. */
export function withoutHopMeta(params: JsonObject): JsonObject {
  const meta = params._meta;
  if (!isJsonObject(meta)) return params;
  const members = Object.entries(meta);
  const kept = members.filter(([key]) => !hopMeta.has(key));
  if (kept.length === members.length) return params;
  if (kept.length > 0) return { ...params, _meta: Object.fromEntries(kept) };
  const { _meta: _hop, ...rest } = params;
  return rest;
}

/** The members that say what a request is about and what it asks; decided, shown and recorded as its subject and arguments. */
const governed: Readonly<Record<CallMethod, ReadonlySet<string>>> = {
  'tools/call': new Set(['name', 'arguments']),
  'prompts/get': new Set(['name', 'arguments']),
  'resources/read': new Set(['uri']),
  'resources/subscribe': new Set(['uri']),
  'completion/complete': new Set(['ref', 'argument', 'context']),
  'tasks/get': new Set(['taskId']),
  'tasks/result': new Set(['taskId']),
  'tasks/update': new Set(['taskId', 'inputResponses']),
  'tasks/cancel': new Set(['taskId']),
};

/** What of the params is neither: it reaches the server, so it is shown, digested and recorded. Undefined when there is none. */
export function sentBeside(method: CallMethod, params: JsonObject): JsonObject | undefined {
  const own = governed[method];
  let beside = false;
  for (const key in params) if (!own.has(key)) beside = true;
  if (!beside) return undefined;
  const extra = Object.entries(withoutHopMeta(params)).filter(([key]) => !own.has(key));
  return extra.length === 0 ? undefined : Object.fromEntries(extra);
}

/** Answers to a server that asked for more input (2026-07-28, multi round-trip requests). */
const roundTripKeys = ['requestState', 'inputResponses'] as const;

/** The first member that continues a multi round-trip request. */
export function roundTripKeyOf(params: JsonObject): (typeof roundTripKeys)[number] | undefined {
  return roundTripKeys.find((key) => Object.hasOwn(params, key));
}

export function withoutRoundTrip(params: JsonObject): JsonObject {
  const { requestState: _state, inputResponses: _responses, ...rest } = params;
  return rest;
}
