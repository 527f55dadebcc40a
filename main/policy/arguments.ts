import { Ajv, type AnySchemaObject, type ErrorObject, type Options } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { isJsonObject, type Json, type JsonObject, type Problem } from './json.ts';
import { compilePattern, TooManySteps, withinSteps } from './pattern.ts';
import { own, pointer, quote, shorten, show, valueAt } from './problems.ts';
import { boundSchema, exceeds } from './schema-limits.ts';

/** Compiled validator of one pinned input schema (JSON Schema 2020-12 or draft-07 as `$schema` says; no network, no $ref outside). */
export type ArgumentValidator = (args: Json) => readonly Problem[];

const maxProblems = 20;
/** The dialects of `$schema` we know; none means 2020-12 (MCP 2025-11-25, "JSON Schema Usage"). */
const dialects = [
  { uri: 'json-schema.org/draft/2020-12/schema', make: (options: Options): Ajv => new Ajv2020(options) },
  { uri: 'json-schema.org/draft/2019-09/schema', make: (options: Options): Ajv => new Ajv2019(options) },
  { uri: 'json-schema.org/draft-07/schema', make: (options: Options): Ajv => new Ajv(options) },
  { uri: 'json-schema.org/draft-06/schema', make: (options: Options): Ajv => new Ajv(options) },
];
type Dialect = (typeof dialects)[number];

/**
 * Invalid values for keywords we know are errors; keywords we do not know are not. Nothing is fetched, no default is
 * filled in, no type is coerced: what is checked is what is sent. ajv makes its checks with `new Function`, which the
 * main process and Node permit and which no window's content security policy has to.
 */
const options: Options = {
  strict: false,
  allErrors: true,
  // Without it a required "constructor" would always be there, inherited.
  ownProperties: true,
  validateFormats: true,
  verbose: false,
  logger: false,
  code: { regExp: Object.assign(compilePattern, { code: 'compilePattern' }) },
};

const validators = new WeakMap<JsonObject, ArgumentValidator>();
const metaSchemas = new Map<Dialect, Ajv>();

/** Compiles once per schema object. A schema that cannot be compiled refuses every call, naming why. */
export function compileArguments(inputSchema: JsonObject): ArgumentValidator {
  const known = validators.get(inputSchema);
  if (known !== undefined) return known;
  const validator = compile(inputSchema);
  validators.set(inputSchema, validator);
  return validator;
}

function compile(inputSchema: JsonObject): ArgumentValidator {
  const refusal = (found: string): ArgumentValidator => {
    const advice = 'Ask whoever approves tools in your organisation; arguments for this tool cannot be checked.';
    return () => [{ path: '', expected: 'a tool whose input schema can be used', found: shorten(found, 300), advice }];
  };
  const bounds = boundSchema(inputSchema);
  if (typeof bounds === 'string') return refusal(bounds);
  const dialect = dialectOf(inputSchema);
  if (dialect === undefined) return refusal(`a schema of the unknown kind ${show(own(inputSchema, '$schema'))}`);
  try {
    const { $schema: _, ...schema } = inputSchema as AnySchemaObject;
    const meta = metaSchemas.get(dialect) ?? dialect.make(options);
    metaSchemas.set(dialect, meta);
    if (meta.validateSchema(schema) !== true) {
      return refusal(`an invalid schema: ${meta.errorsText(meta.errors, { dataVar: 'inputSchema' })}`);
    }
    // An instance of its own, so that one tool's $id can never answer another tool's $ref, and memory goes with it.
    const ajv = dialect.make({ ...options, validateSchema: false });
    // The quick formats: the thorough ones are long patterns, and a format is a hint rather than a promise (2020-12, 7.2.1).
    addFormats(ajv, { mode: 'fast' });
    const check = ajv.compile(schema);
    return (args) => {
      const tooMuch = exceeds(args, bounds);
      if (tooMuch !== undefined) return [{ path: '', ...tooMuch }];
      try {
        const valid = withinSteps(() => check(args));
        return valid === true ? [] : explain(check.errors ?? [], args, inputSchema);
      } catch (error) {
        if (error instanceof TooManySteps) {
          const found = 'more text than this tool’s patterns can be matched with in good time';
          return [{ path: '', expected: 'fewer or shorter texts in one call', found }];
        }
        return [
          { path: '', expected: 'arguments that can be checked', found: `a check that failed: ${messageOf(error)}` },
        ];
      }
    };
  } catch (error) {
    return refusal(`a schema that cannot be compiled: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function dialectOf(schema: JsonObject): Dialect | undefined {
  const declared = own(schema, '$schema');
  if (declared === undefined) return dialects[0];
  if (typeof declared !== 'string') return undefined;
  const uri = declared.replace(/^https?:\/\//, '').replace(/#$/, '');
  return dialects.find((dialect) => dialect.uri === uri);
}

function explain(errors: readonly ErrorObject[], args: Json, schema: JsonObject): Problem[] {
  // A failed choice reports each branch and then itself; the choice alone is what a person can act on.
  const choices = errors.filter((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf');
  const inChoice = (e: ErrorObject) => choices.some((c) => e !== c && e.schemaPath.startsWith(`${c.schemaPath}/`));
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const error of errors) {
    if (error.keyword === 'if' || inChoice(error)) continue;
    const problem = explainOne(error, args, schema);
    const key = `${problem.path} ${problem.expected}`;
    if (seen.has(key)) continue;
    seen.add(key);
    problems.push(problem);
  }
  if (problems.length <= maxProblems) return problems;
  const rest = problems.length - maxProblems;
  return [...problems.slice(0, maxProblems), { path: '', expected: 'fewer mistakes', found: `${rest} more` }];
}

function explainOne(error: ErrorObject, args: Json, schema: JsonObject): Problem {
  const { params } = error;
  const path = error.instancePath;
  const found = show(valueAtPointer(args, path));
  const at = (name: unknown) => `${path}${pointer([String(name)])}`;
  switch (error.keyword) {
    case 'type':
      return { path, expected: kindsOf(params.type), found };
    case 'required':
      return { path: at(params.missingProperty), expected: 'a value', found: 'nothing' };
    case 'dependentRequired':
    case 'dependencies':
      return {
        path: at(params.missingProperty),
        expected: `a value beside ${quote(String(params.property))}`,
        found: 'nothing',
      };
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params.additionalProperty ?? params.unevaluatedProperty);
      const properties = own(schema, 'properties');
      const known = path === '' && isJsonObject(properties) ? Object.keys(properties) : [];
      const expected =
        known.length === 0 ? 'only the fields the tool knows' : `one of ${shorten(known.join(', '), 200)}`;
      return { path: at(name), expected, found: `the unknown field ${quote(name)}` };
    }
    case 'enum':
      return { path, expected: `one of ${shorten(JSON.stringify(params.allowedValues).slice(1, -1), 200)}`, found };
    case 'const':
      return { path, expected: shorten(JSON.stringify(params.allowedValue), 200), found };
    case 'pattern':
      return { path, expected: `text that matches ${shorten(String(params.pattern), 120)}`, found };
    case 'format':
      return { path, expected: `text in the format ${String(params.format)}`, found };
    case 'minimum':
    case 'exclusiveMinimum':
    case 'maximum':
    case 'exclusiveMaximum':
      return { path, expected: `a number ${inWords(params.comparison)} ${params.limit}`, found };
    case 'minLength':
    case 'maxLength':
      return { path, expected: `${limit(error)} characters`, found };
    case 'minItems':
    case 'maxItems':
      return { path, expected: `${limit(error)} entries`, found };
    case 'minProperties':
    case 'maxProperties':
      return { path, expected: `${limit(error)} fields`, found };
    case 'uniqueItems':
      return { path, expected: 'each entry once', found: `entries ${params.i} and ${params.j} alike` };
    case 'anyOf':
    case 'oneOf':
      return { path, expected: 'one of the shapes the tool describes', found };
    default:
      return { path, expected: error.message ?? error.keyword, found };
  }
}

function limit(error: ErrorObject): string {
  return `at ${error.keyword.startsWith('min') ? 'least' : 'most'} ${error.params.limit}`;
}

function inWords(comparison: unknown): string {
  if (comparison === '>=') return 'of at least';
  if (comparison === '<=') return 'of at most';
  return comparison === '>' ? 'above' : 'below';
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

function kindsOf(type: unknown): string {
  const names: readonly unknown[] = Array.isArray(type) ? type : String(type).split(',');
  return names.map((name) => kinds[String(name)] ?? String(name)).join(' or ');
}

function valueAtPointer(args: Json, path: string): unknown {
  const parts = path.split('/').slice(1);
  return valueAt(
    args,
    parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
  );
}
