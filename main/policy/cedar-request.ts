import type { CedarValueJson as CedarValue, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { type Reads, readArguments } from './argument-values.ts';
import type { CedarRequest, Question } from './cedar.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { checkPlainUri } from './plain-uri.ts';
import { own } from './problems.ts';
import type { Subject } from './subjects.ts';

/** What a request's context is to Cedar: only what rules for this subject read, so that other arguments can be anything. Throws Unreadable. */
export function contextOf(given: JsonObject, subject: Subject, reads: Reads | undefined): Record<string, CedarValue> {
  const context: Record<string, CedarValue> = {};
  for (const name of ['app', 'profile']) {
    const value = own(given, name);
    if (typeof value === 'string') context[name] = value;
  }
  if (reads === undefined) return context;
  const args = own(given, 'args');
  if (!isJsonObject(args)) throw new TypeError('the arguments a rule reads were not given');
  const read = readArguments(args, subject.args, reads);
  // A rule compares the text of an address; the server reads what the address means.
  const uri = subject.kind === 'resource' ? own(read, 'uri') : undefined;
  if (typeof uri === 'string') checkPlainUri(uri);
  // What readArguments makes is Cedar's JSON; the cast only drops `readonly`.
  context.args = read as CedarValue;
  return context;
}

/** The subject and the action of a question, with the attributes some rule asks for. */
export function entitiesOf(question: Question, subject: Subject, asked: ReadonlySet<string>): readonly EntityJson[] {
  // The attributes are made in subjects.ts, to the schema in cedar-schema.ts; the cast only drops `readonly`.
  const all = Object.entries(subject.attributes) as [string, CedarValue][];
  return [
    {
      uid: { type: subject.entity, id: subject.id },
      attrs: Object.fromEntries(all.filter(([name]) => asked.has(name))),
      // Groups are named directly, which spares Cedar a Server entity in every request.
      parents: [
        { type: 'Server', id: subject.alias },
        ...subject.server.groups.map((group) => ({ type: 'ServerGroup', id: group })),
      ],
    },
    {
      uid: { type: 'Action', id: `${question}:${subject.action}` },
      attrs: {},
      parents: [{ type: 'Action', id: question }],
    },
  ];
}

export function userEntity(user: CedarRequest['user']): EntityJson {
  return {
    uid: { type: 'User', id: user.id },
    attrs: {},
    parents: user.groups.map((group) => ({ type: 'Group', id: group })),
  };
}
