import { hash } from 'node:crypto';
import serialize from 'canonicalize';
import type { Json } from './json.ts';
import { isWellFormed, pointer } from './problems.ts';

/** Deeper values are refused: the recursive serializer would otherwise end in a stack overflow. */
const maxDepth = 512;

/** A value that has no canonical form (not I-JSON, RFC 7493). Thrown by the functions below and by nothing else. */
export class NotCanonical extends Error {
  /** RFC 6901 pointer to the offending part. */
  readonly path: string;
  readonly found: string;
  constructor(path: string, found: string) {
    super(`This value has no canonical form: at "${path}" expected JSON (RFC 7493), found ${found}.`);
    this.name = 'NotCanonical';
    this.path = path;
    this.found = found;
  }
}

/** The first part of a value that is not I-JSON, or undefined. Iterative, so that depth itself can be judged. */
function findNotJson(root: unknown): { path: string; found: string } | undefined {
  const stack: { value: unknown; path: readonly (string | number)[] }[] = [{ value: root, path: [] }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, path } = next;
    const refuse = (found: string) => ({ path: pointer(path), found });
    if (value === null || typeof value === 'boolean') continue;
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return refuse(String(value));
    } else if (typeof value === 'string') {
      if (!isWellFormed(value)) return refuse('text with a lone surrogate');
    } else if (typeof value === 'object') {
      if (path.length >= maxDepth) return refuse(`more than ${maxDepth} levels`);
      if (Array.isArray(value)) {
        // An index loop, because forEach would step over holes and a hole is not JSON.
        for (let i = 0; i < value.length; i++) stack.push({ value: value[i], path: [...path, i] });
      } else {
        const prototype: unknown = Object.getPrototypeOf(value);
        if (prototype !== null && prototype !== Object.prototype) return refuse('an object that is not plain');
        for (const [key, child] of Object.entries(value)) {
          if (!isWellFormed(key)) return refuse('a name with a lone surrogate');
          stack.push({ value: child, path: [...path, key] });
        }
      }
    } else {
      return refuse(typeof value);
    }
  }
  return undefined;
}

/** The canonical text of what plainly has one, in one pass: every call's arguments come here. Undefined for anything else, which is looked at closely. */
function write(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? JSON.stringify(value) : undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : undefined;
  if (value === null || value === true || value === false) return String(value);
  if (typeof value !== 'object' || depth >= maxDepth) return undefined;
  if (Array.isArray(value)) {
    let items = '';
    for (let i = 0; i < value.length; i++) {
      const item = write(value[i], depth + 1);
      if (item === undefined) return undefined;
      items += i === 0 ? item : `,${item}`;
    }
    return `[${items}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return undefined;
  let members = '';
  for (const name of Object.keys(value).sort()) {
    const member = write((value as Readonly<Record<string, unknown>>)[name], depth + 1);
    if (member === undefined || !isWellFormed(name)) return undefined;
    members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${member}`;
  }
  return `{${members}}`;
}

/** RFC 8785 (JSON Canonicalization Scheme) text of a JSON value. Throws NotCanonical for what is not I-JSON. */
export function canonicalize(value: Json): string {
  const quick = write(value, 0);
  if (quick !== undefined) return quick;
  const wrong = findNotJson(value);
  if (wrong !== undefined) throw new NotCanonical(wrong.path, wrong.found);
  const text = serialize(value);
  if (text === undefined) throw new NotCanonical('', typeof value);
  return text;
}

/** Lower-case hex SHA-256 of the RFC 8785 bytes of a raw wire value. Throws NotCanonical. */
export function sha256OfJson(value: Json): string {
  return sha256Hex(canonicalize(value));
}

/** Lower-case hex SHA-256 of UTF-8 text or bytes. */
export function sha256Hex(value: string | Uint8Array): string {
  // In one step: a hash object costs four times as much, and every call hashes several times.
  return hash('sha256', value, 'hex');
}

/** The digest that names a policy version: SHA-256 over the three files' own SHA-256, in hex, joined by a line break, in the order given here. */
export function digestOfTargets(files: {
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
}): string {
  const digests = [files.policyJson, files.policyCedar, files.manifestJson].map(sha256Hex);
  return sha256Hex(digests.join('\n'));
}
