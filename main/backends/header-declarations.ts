import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';

const ANNOTATION = 'x-mcp-header';
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean']);
/** Where subschemas stand that no fixed path leads to: alone or in a list, and by name. */
const SUBSCHEMAS = [
  ...['items', 'prefixItems', 'contains', 'additionalItems', 'unevaluatedItems', 'additionalProperties'],
  ...['unevaluatedProperties', 'propertyNames', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else'],
];
const NAMED_SUBSCHEMAS = ['patternProperties', 'dependentSchemas', '$defs', 'definitions'];

/**
 * What is wrong with a tool's `x-mcp-header` annotations; undefined where nothing is. A client over Streamable HTTP must leave such a tool
 * out of the list (2026-07-28, Streamable HTTP, §Custom headers from tool parameters).
 */
export function headerFault(definition: JsonObject): string | undefined {
  const names = new Set<string>();
  return isJsonObject(definition.inputSchema) ? faultIn(definition.inputSchema, 'root', names) : undefined;
}

/** `place`: the schema itself, a property that a chain of `properties` leads to, or elsewhere. */
function faultIn(schema: Json, place: 'root' | 'property' | 'elsewhere', names: Set<string>): string | undefined {
  if (!isJsonObject(schema)) return undefined;
  if (Object.hasOwn(schema, ANNOTATION)) {
    const fault = place === 'property' ? annotationFault(schema, names) : 'it stands where no property of its own is';
    if (fault !== undefined) return fault;
  }
  const below = place === 'elsewhere' ? 'elsewhere' : 'property';
  return (
    firstFault(named(schema.properties), below, names) ??
    firstFault(
      SUBSCHEMAS.flatMap((keyword) => schema[keyword] ?? []),
      'elsewhere',
      names,
    ) ??
    firstFault(
      NAMED_SUBSCHEMAS.flatMap((keyword) => named(schema[keyword])),
      'elsewhere',
      names,
    )
  );
}

function firstFault(schemas: readonly Json[], place: 'property' | 'elsewhere', names: Set<string>): string | undefined {
  for (const schema of schemas) {
    const fault = faultIn(schema, place, names);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const named = (subschemas: Json | undefined): readonly Json[] =>
  isJsonObject(subschemas) ? Object.values(subschemas) : [];

function annotationFault(schema: JsonObject, names: Set<string>): string | undefined {
  const name = schema[ANNOTATION];
  if (typeof name !== 'string' || !TOKEN.test(name)) return 'it is no name of a header';
  if (!TYPES.has(schema.type)) return 'it is on a parameter that is neither text, a whole number nor true or false';
  const lower = name.toLowerCase();
  if (names.has(lower)) return `the name "${name.slice(0, 100)}" is there twice`;
  names.add(lower);
  return undefined;
}
