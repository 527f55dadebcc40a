import type { ServerRequest } from '../policy/document.ts';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import { tasksExtension } from './capabilities.ts';

/** What servers may know a caller can do for them. */
export interface PassedCapabilities {
  /** For a 2025 server, in `initialize`: elicitation, sampling, roots, and tasks of those. */
  readonly legacy: JsonObject;
  /** For a 2026 server, with each request: everything declared, extensions too, but for what the policy forbids. */
  readonly modern: JsonObject;
}

const askable = ['elicitation', 'sampling', 'roots'] as const satisfies readonly ServerRequest[];

const known = new WeakMap<
  JsonObject,
  { readonly allowed: readonly ServerRequest[]; readonly passed: PassedCapabilities }
>();

/** What a caller declared, as far as the organisation lets servers ask for it (`serverRequests.allowed`). Nothing is added. */
export function passedCapabilities(declared: JsonObject, allowed: readonly ServerRequest[]): PassedCapabilities {
  const earlier = known.get(declared);
  if (earlier !== undefined && earlier.allowed === allowed) return earlier.passed;
  const passed = pass(declared, allowed);
  known.set(declared, { allowed, passed });
  return passed;
}

function pass(declared: JsonObject, allowed: readonly ServerRequest[]): PassedCapabilities {
  const legacy: Record<string, Json> = {};
  for (const kind of askable) {
    const capability = declared[kind];
    if (allowed.includes(kind) && isJsonObject(capability)) legacy[kind] = capability;
  }
  const tasks = tasksOf(declared.tasks, legacy);
  if (tasks !== undefined) legacy.tasks = tasks;
  const forbidden = askable.filter((kind) => !allowed.includes(kind) && declared[kind] !== undefined);
  if (forbidden.length === 0) return { legacy, modern: declared };
  const modern = Object.entries(declared).filter(([key]) => !(forbidden as readonly string[]).includes(key));
  return { legacy, modern: Object.fromEntries(modern) };
}

/** What a 2025 caller can do for a 2026 server: not follow its tasks, whatever it declared, for it has no way to ask for them. */
export function withoutExtensionTasks(modern: JsonObject): JsonObject {
  const { extensions } = modern;
  if (!isJsonObject(extensions) || extensions[tasksExtension] === undefined) return modern;
  const { [tasksExtension]: _tasks, ...others } = extensions;
  return { ...modern, extensions: others };
}

/** Tasks of requests that may not be made are not offered either (2025-11-25, "Tasks", Client Capabilities). */
function tasksOf(declared: Json | undefined, passed: JsonObject): JsonObject | undefined {
  if (!isJsonObject(declared) || !isJsonObject(declared.requests)) return undefined;
  const requests = Object.entries(declared.requests).filter(([kind]) => Object.hasOwn(passed, kind));
  return requests.length === 0 ? undefined : { ...declared, requests: Object.fromEntries(requests) };
}

/** Everything a 2025-11-25 client may declare that servers can ask by ("Client Capabilities"). */
const flags: JsonObject = {
  elicitation: { form: {}, url: {} },
  sampling: { context: {}, tools: {} },
  roots: { listChanged: true },
  tasks: { list: {}, cancel: {}, requests: { elicitation: { create: {} }, sampling: { createMessage: {} } } },
};

/** The flags that mean something to a 2025 server, and nothing beside them: requests that declare the same can share its sessions. */
export function knownFlags(legacy: JsonObject): JsonObject {
  return flagsIn(legacy, flags);
}

function flagsIn(declared: JsonObject, known: JsonObject): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [flag, below] of Object.entries(known)) {
    const value = declared[flag];
    if (isJsonObject(below) && isJsonObject(value)) kept[flag] = flagsIn(value, below);
    else if (below === true && value === true) kept[flag] = true;
  }
  return kept;
}
