import { isJsonObject, type Json, type JsonObject, type Problem } from './json.ts';
import { own, pointer, show } from './problems.ts';
import { resolve } from './schema-limits.ts';

/** What Cedar can know of an argument. */
export type CedarType =
  | { readonly kind: 'String' | 'Long' | 'Bool' | 'decimal' }
  | { readonly kind: 'Set'; readonly element: CedarType }
  | RecordType;

export interface RecordType {
  readonly kind: 'Record';
  readonly fields: ReadonlyMap<string, Field>;
  /** Declared by the tool, but of no type Cedar has. */
  readonly untyped: ReadonlySet<string>;
}

export interface Field {
  readonly type: CedarType;
  readonly required: boolean;
  /** What the server takes where an optional argument is left out. Only a value of the field's own type. */
  readonly standard?: Json;
}

/** Deeper schemas are not typed; a rule over them would not be readable either. */
const maxDepth = 12;
/** Names that mean something else in Cedar's JSON format and could turn a caller's object into an entity or a call. */
const escapes = new Set(['__entity', '__extn', '__expr']);

/** The Cedar record for a pinned input schema, and each part that could not be typed (paths continue `at`). */
export function typeArguments(
  inputSchema: JsonObject,
  at: readonly PropertyKey[],
): { readonly type: RecordType; readonly untyped: readonly Problem[] } {
  const untyped: Problem[] = [];
  const type = recordOf(inputSchema, { root: inputSchema, untyped, refs: [] }, at);
  return { type, untyped };
}

/** The Cedar record for the `arguments` a prompt declares: text, each of them (MCP 2025-11-25, PromptArgument). */
export function typePromptArguments(
  declared: Json | undefined,
  at: readonly PropertyKey[],
): { readonly type: RecordType; readonly untyped: readonly Problem[] } {
  const walk: Walk = { root: {}, untyped: [], refs: [] };
  const fields = new Map<string, Field>();
  const untyped = new Set<string>();
  const list: readonly Json[] = Array.isArray(declared) ? declared : [];
  if (declared !== undefined && !Array.isArray(declared)) refuse(walk, at, show(declared));
  list.forEach((argument, i) => {
    const name = isJsonObject(argument) ? own(argument, 'name') : undefined;
    if (typeof name !== 'string') refuse(walk, [...at, i], 'an argument without a name');
    else if (escapes.has(name)) {
      refuse(walk, [...at, i], `the name ${name}`);
      untyped.add(name);
    } else {
      // Declared twice, it is only required where both say so: a rule must ask for what may be missing.
      const required = isJsonObject(argument) && own(argument, 'required') === true;
      fields.set(name, { type: { kind: 'String' }, required: required && fields.get(name)?.required !== false });
    }
  });
  return { type: { kind: 'Record', fields, untyped }, untyped: walk.untyped };
}

/** What a rule over resources reads: the address. */
export const typeResourceArguments: RecordType = {
  kind: 'Record',
  fields: new Map([['uri', { type: { kind: 'String' }, required: true }]]),
  untyped: new Set(),
};

interface Walk {
  readonly root: JsonObject;
  readonly untyped: Problem[];
  /** The $refs being followed, so that a recursive schema ends. */
  readonly refs: readonly string[];
}

function recordOf(schema: JsonObject, walk: Walk, at: readonly PropertyKey[]): RecordType {
  const properties = own(schema, 'properties');
  const required = own(schema, 'required');
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = new Map<string, Field>();
  const untyped = new Set<string>();
  for (const [name, property] of isJsonObject(properties) ? Object.entries(properties) : []) {
    const here = [...at, 'properties', name];
    const type = escapes.has(name) ? refuse(walk, here, `the name ${name}`) : typeOf(property, walk, here);
    if (type === undefined) untyped.add(name);
    else fields.set(name, { type, required: needed.has(name), ...standardOf(property, type, walk.root) });
  }
  return { kind: 'Record', fields, untyped };
}

/** The pinned `default`, of the schema itself before the one it refers to (JSON Schema 2020-12 validation, section 9.2). */
function standardOf(schema: Json, type: CedarType, root: JsonObject): { readonly standard?: Json } {
  let at: Json | undefined = schema;
  // The type is known, so the references were followed before and do end.
  while (isJsonObject(at)) {
    const standard = own(at, 'default');
    if (standard !== undefined) return hasType(standard, type) ? { standard } : {};
    const reference: Json | undefined = own(at, '$ref');
    at = typeof reference === 'string' ? resolve(root, reference) : undefined;
  }
  return {};
}

/** Only the JSON type: a number Cedar cannot hold is still a number, and refused when a rule reads it. */
function hasType(value: Json, type: CedarType): boolean {
  switch (type.kind) {
    case 'String':
      return typeof value === 'string';
    case 'Long':
      return Number.isInteger(value);
    case 'decimal':
      return typeof value === 'number';
    case 'Bool':
      return typeof value === 'boolean';
    case 'Set':
      return Array.isArray(value) && value.every((item: Json) => hasType(item, type.element));
    case 'Record':
      return (
        isJsonObject(value) &&
        [...type.fields].every(([name, field]) => {
          const child = own(value, name);
          return child === undefined ? !field.required : hasType(child, field.type);
        })
      );
    default:
      return type satisfies never;
  }
}

function typeOf(schema: Json, walk: Walk, at: readonly PropertyKey[]): CedarType | undefined {
  if (!isJsonObject(schema)) return refuse(walk, at, schema === true ? 'anything at all' : show(schema));
  if (at.length > 2 * maxDepth + 8) return refuse(walk, at, `more than ${maxDepth} levels`);
  const reference = own(schema, '$ref');
  if (reference !== undefined) return follow(reference, walk, at);
  if (own(schema, 'nullable') === true) return refuse(walk, at, 'a value that may be null');
  const type = own(schema, 'type') ?? typeOfValues(schema);
  switch (type) {
    case 'string':
      return { kind: 'String' };
    case 'integer':
      return { kind: 'Long' };
    case 'number':
      return { kind: 'decimal' };
    case 'boolean':
      return { kind: 'Bool' };
    case 'array':
      return setOf(schema, walk, at);
    case 'object':
      if (!isJsonObject(own(schema, 'properties'))) return refuse(walk, at, 'an object with free names');
      return recordOf(schema, walk, at);
    default:
      return refuse(walk, at, found(schema, type));
  }
}

function setOf(schema: JsonObject, walk: Walk, at: readonly PropertyKey[]): CedarType | undefined {
  const items = own(schema, 'items');
  if (own(schema, 'prefixItems') !== undefined || Array.isArray(items)) {
    return refuse(walk, at, 'a list whose places have types of their own');
  }
  if (items === undefined) return refuse(walk, at, 'a list of anything');
  const element = typeOf(items, walk, [...at, 'items']);
  return element === undefined ? undefined : { kind: 'Set', element };
}

/** Only references inside the pinned definition: nothing is fetched (JSON Schema 2020-12 section 8.2.3). */
function follow(reference: Json, walk: Walk, at: readonly PropertyKey[]): CedarType | undefined {
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return refuse(walk, at, `$ref ${show(reference)}`);
  if (walk.refs.includes(reference)) return refuse(walk, at, 'a type that contains itself');
  const target = resolve(walk.root, reference);
  if (target === undefined) return refuse(walk, at, `$ref ${show(reference)}, which is not there`);
  return typeOf(target, { ...walk, refs: [...walk.refs, reference] }, at);
}

/** A schema with only `enum` or `const` still has one type when all its values have. */
function typeOfValues(schema: JsonObject): Json | undefined {
  const listed = own(schema, 'enum');
  const single = own(schema, 'const');
  const values: readonly Json[] = Array.isArray(listed) ? listed : single === undefined ? [] : [single];
  if (values.length === 0) return undefined;
  if (values.every((v) => typeof v === 'string')) return 'string';
  if (values.every((v) => typeof v === 'boolean')) return 'boolean';
  if (values.every((v) => Number.isSafeInteger(v))) return 'integer';
  return undefined;
}

function found(schema: JsonObject, type: Json | undefined): string {
  if (Array.isArray(type)) return type.includes('null') ? 'a value that may be null' : 'a value of several types';
  for (const union of ['anyOf', 'oneOf', 'allOf', 'not', 'if']) {
    if (own(schema, union) !== undefined) return `a choice of types (${union})`;
  }
  return type === undefined ? 'no type' : `type ${show(type)}`;
}

function refuse(walk: Walk, at: readonly PropertyKey[], what: string): undefined {
  walk.untyped.push({
    path: pointer(at),
    expected: 'one type Cedar has: text, whole number, number, true/false, list or object of these',
    found: what,
    advice: 'Rules cannot read this argument. Ask before it is used, if it matters.',
  });
  return undefined;
}
