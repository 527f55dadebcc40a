import type { Json, JsonObject, Problem } from './json.ts';

/** Compiled validator of one pinned input schema (JSON Schema 2020-12 or draft-07 as `$schema` says; no network, no $ref outside). */
export type ArgumentValidator = (args: Json) => readonly Problem[];

/** Compiles once per (definition digest). A schema that cannot be compiled refuses every call, naming why. */
export declare function compileArguments(inputSchema: JsonObject): ArgumentValidator;
