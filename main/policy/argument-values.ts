import type { CedarType, RecordType } from './argument-types.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { isWellFormed, ownRecord, pointer, show } from './problems.ts';

/** Which arguments rules read. `whole`: the value itself is used, not only fields of it. */
export interface Reads {
  whole: boolean;
  readonly fields: Map<string, Reads>;
}

export function noReads(): Reads {
  return { whole: false, fields: new Map() };
}

const everything: Reads = { whole: true, fields: new Map() };

/** A rule would have to look at more than this; it is refused instead of evaluated slowly. */
const maxValues = 20_000;
/** Largest whole part of Cedar's decimal (a 64-bit number of ten-thousandths). */
const maxDecimal = 922_337_203_685_477;

/** A value rules ask for and Cedar cannot hold exactly. The call is refused: a rule must never be skipped in silence. */
export class Unreadable extends Error {
  constructor(path: readonly PropertyKey[], expected: string, found: string) {
    super(`argument ${pointer(path) || '/'}: expected ${expected}, found ${found}`);
    this.name = 'Unreadable';
  }
}

/**
 * The part of the arguments that rules read, as Cedar JSON. Throws Unreadable. Optional arguments that are left out have
 * their pinned default here, because the server will take it: a rule against `force` must not be dodged by leaving out a
 * `force` that is on by itself. What is sent and shown stays as it came.
 */
export function readArguments(args: JsonObject, type: RecordType, reads: Reads): JsonObject {
  return record(args, type, reads, [], { left: maxValues });
}

function record(
  value: JsonObject,
  type: RecordType,
  reads: Reads,
  at: readonly PropertyKey[],
  budget: { left: number },
): JsonObject {
  const names = reads.whole ? new Set([...Object.keys(value), ...type.fields.keys()]) : reads.fields.keys();
  const entries: [string, Json][] = [];
  for (const name of names) {
    const field = type.fields.get(name);
    const standard = field?.required === false ? field.standard : undefined;
    const given = Object.hasOwn(value, name) ? (value[name] ?? null) : standard;
    if (given === undefined) continue;
    const here = [...at, name];
    // Left out, it would look absent to the rule that asks for it.
    if (field === undefined) throw new Unreadable(here, 'an argument the policy has a type for', show(given));
    const child = reads.whole ? everything : (reads.fields.get(name) ?? everything);
    entries.push([name, convert(given, field.type, child, here, budget)]);
  }
  return ownRecord(entries);
}

function convert(
  value: Json,
  type: CedarType,
  reads: Reads,
  at: readonly PropertyKey[],
  budget: { left: number },
): Json {
  if (--budget.left < 0) throw new Unreadable([], `at most ${maxValues} values`, 'more');
  switch (type.kind) {
    case 'String':
      if (typeof value !== 'string') throw new Unreadable(at, 'text', show(value));
      if (!isWellFormed(value)) throw new Unreadable(at, 'well-formed Unicode', 'text with a lone surrogate');
      return value;
    case 'Bool':
      if (typeof value !== 'boolean') throw new Unreadable(at, 'true or false', show(value));
      return value;
    case 'Long':
      // Beyond 2^53 the number that was sent and the one compared may differ.
      if (!Number.isSafeInteger(value)) throw new Unreadable(at, 'a whole number below 2^53', show(value));
      return Number(value) + 0;
    case 'decimal':
      return { __extn: { fn: 'decimal', arg: decimal(value, at) } };
    case 'Set': {
      if (!Array.isArray(value)) throw new Unreadable(at, 'a list', show(value));
      return value.map((item: Json, i) => convert(item, type.element, everything, [...at, i], budget));
    }
    case 'Record':
      if (!isJsonObject(value)) throw new Unreadable(at, 'an object', show(value));
      return record(value, type, reads, at, budget);
    default:
      return type satisfies never;
  }
}

/** Cedar decimals have at most four places; a number with more is not rounded but refused. */
function decimal(value: Json, at: readonly PropertyKey[]): string {
  const expected = 'a number with at most 4 decimal places that Cedar can hold';
  if (typeof value !== 'number' || Math.abs(value) >= maxDecimal) throw new Unreadable(at, expected, show(value));
  const text = String(value);
  if (!/^-?\d+(?:\.\d{1,4})?$/.test(text)) throw new Unreadable(at, expected, show(value));
  return text.includes('.') ? text : `${text}.0`;
}
