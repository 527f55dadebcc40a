import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { own } from './problems.ts';

const maxSchemaChars = 262_144;
const maxSchemaDepth = 64;
/** Schemas looked at for one value, references written out. Real ones stay in the hundreds. */
const maxExpansion = 100_000;
const maxValues = 200_000;
const maxArgumentDepth = 64;
const maxUnique = 2_000;

/** What arguments for one schema may be, so that checking them ends soon. */
export interface ArgumentBounds {
  readonly depth: number;
  readonly listLength: number;
}

/** Bounds for a schema's arguments, or in words why the schema itself is too much. */
export function boundSchema(schema: JsonObject): ArgumentBounds | string {
  const size = extent(schema);
  if (size.depth > maxSchemaDepth) return `a schema of more than ${maxSchemaDepth} levels`;
  const text = JSON.stringify(schema);
  if (text.length > maxSchemaChars) return `a schema of ${text.length} characters (at most ${maxSchemaChars})`;
  const { count, recursive, references } = expand(schema);
  if (count > maxExpansion) return `a schema whose references multiply to more than ${maxExpansion} parts`;
  // A schema that contains itself may be tried once per reference on every level of the arguments.
  const levels = Math.floor(Math.log(1_000_000) / Math.log(Math.max(2, references)));
  return {
    depth: recursive ? Math.max(6, levels) : maxArgumentDepth,
    // Entries that must be unique are compared each with each.
    listLength: /"uniqueItems":true/.test(text) ? maxUnique : maxValues,
  };
}

/** In words what makes these arguments too much to check, or undefined. */
export function exceeds(args: Json, bounds: ArgumentBounds): { expected: string; found: string } | undefined {
  const { depth, values, longest } = extent(args);
  if (depth > bounds.depth) return { expected: `at most ${bounds.depth} levels`, found: `${depth}` };
  if (values > maxValues) return { expected: `at most ${maxValues} values`, found: 'more' };
  if (longest > bounds.listLength) return { expected: `at most ${bounds.listLength} entries`, found: `${longest}` };
  return undefined;
}

/** Stops counting where every bound is passed. Iterative: depth is what it judges. */
function extent(root: Json): { depth: number; values: number; longest: number } {
  const size = { depth: 0, values: 0, longest: 0 };
  const stack: { value: Json; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = stack.pop(); next !== undefined && size.values <= maxValues; next = stack.pop()) {
    const { value, depth } = next;
    size.values++;
    size.depth = Math.max(size.depth, depth);
    if (typeof value !== 'object' || value === null || depth > 1_000) continue;
    if (Array.isArray(value)) size.longest = Math.max(size.longest, value.length);
    for (const child of Object.values(value)) stack.push({ value: child, depth: depth + 1 });
  }
  return size;
}

function expand(root: JsonObject): { count: number; recursive: boolean; references: number } {
  const counts = new Map<Json, number>();
  const open = new Set<Json>();
  let recursive = false;
  let references = 0;
  const visit = (node: Json): number => {
    if (typeof node !== 'object' || node === null) return 0;
    const known = counts.get(node);
    if (known !== undefined) return known;
    if (open.has(node)) {
      recursive = true;
      return 0;
    }
    open.add(node);
    let count = 1;
    for (const child of Object.values(node)) count += visit(child);
    if (isJsonObject(node)) {
      for (const keyword of ['$ref', '$dynamicRef', '$recursiveRef']) {
        const reference = own(node, keyword);
        if (typeof reference !== 'string') continue;
        references++;
        const target = keyword === '$ref' ? resolve(root, reference) : undefined;
        // Anchors and ids are resolved by the validator; here they count as what is worst.
        if (target === undefined) recursive = true;
        else count += visit(target);
      }
    }
    open.delete(node);
    counts.set(node, count);
    return count;
  };
  const count = visit(root);
  return { count, recursive, references };
}

/** A JSON Pointer reference inside the document (RFC 6901 section 6: percent-encoded in a fragment). */
export function resolve(root: JsonObject, reference: string): Json | undefined {
  if (reference === '#') return root;
  if (!reference.startsWith('#/') || /%(?![0-9a-fA-F]{2})/.test(reference)) return undefined;
  let target: Json | undefined = root;
  for (const part of reference.slice(2).split('/')) {
    const name = decode(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(target)) target = target[Number(name)];
    else target = isJsonObject(target) ? own(target, name) : undefined;
  }
  return target;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Not UTF-8 once decoded: then it is no reference, and its literal text names nothing.
    return part;
  }
}
