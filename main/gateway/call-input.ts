import type { PolicySnapshot } from '../policy/decide.ts';
import { isJsonObject, type Json, type JsonObject, type Problem } from '../policy/json.ts';
import type { CallRequest } from './call-request.ts';
import type { PinnedInput } from './pinned-input.ts';
import { findNamed, findResource, findTemplate, type Subject } from './subjects.ts';

/** What a request names: the text a caller wrote, for words and record, and what it stands for here, if anything. */
export type NamedSubject =
  | { readonly ok: true; readonly wireName: string; readonly find: (snapshot: PolicySnapshot) => Subject | undefined }
  /** The request does not say what it is about; a sentence that says how it should. */
  | { readonly ok: false; readonly why: string };

/** Reads what a request is about. Nothing is looked up yet. */
export function namedBy({ conversation, method, params }: CallRequest): NamedSubject {
  const { endpoint } = conversation;
  const by = (
    value: Json | undefined,
    what: string,
    find: (snapshot: PolicySnapshot, wireName: string) => Subject | undefined,
  ): NamedSubject =>
    typeof value === 'string'
      ? { ok: true, wireName: value, find: (snapshot) => find(snapshot, value) }
      : { ok: false, why: what };
  switch (method) {
    case 'tools/call':
      return by(params.name, '"name" must be the name of a tool', (snapshot, name) =>
        findNamed(snapshot, endpoint, 'tool', name),
      );
    case 'prompts/get':
      return by(params.name, '"name" must be the name of a prompt', (snapshot, name) =>
        findNamed(snapshot, endpoint, 'prompt', name),
      );
    case 'resources/read':
    case 'resources/subscribe':
      return by(params.uri, '"uri" must be the URI of a resource', (snapshot, uri) =>
        findResource(snapshot, endpoint, uri),
      );
    case 'completion/complete': {
      const ref = isJsonObject(params.ref) ? params.ref : {};
      if (ref.type === 'ref/prompt') {
        return by(ref.name, '"ref" must name a prompt', (snapshot, name) =>
          findNamed(snapshot, endpoint, 'prompt', name),
        );
      }
      if (ref.type !== 'ref/resource') return { ok: false, why: '"ref" must be a ref/prompt or a ref/resource' };
      return by(
        ref.uri,
        '"ref" must name a resource template',
        (snapshot, uri) => findTemplate(snapshot, endpoint, uri) ?? findResource(snapshot, endpoint, uri),
      );
    }
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return { ok: false, why: 'a task is found by its id' };
    default:
      return method satisfies never;
  }
}

/** What rules read, people are shown and the record keeps of a request, as the caller gave it. */
export function givenTo({ method, params }: CallRequest, { name }: Subject): Json | undefined {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return params.arguments;
    case 'resources/read':
    case 'resources/subscribe':
      return { uri: name };
    case 'completion/complete':
      return params.context === undefined
        ? { argument: params.argument ?? null }
        : { argument: params.argument ?? null, context: params.context };
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/cancel':
      return { taskId: params.taskId ?? null };
    case 'tasks/update':
      return { taskId: params.taskId ?? null, inputResponses: params.inputResponses ?? null };
    default:
      return method satisfies never;
  }
}

/** What of the input does not fit what is pinned. */
export function inputProblems(
  { method }: CallRequest,
  subject: Subject,
  given: Json | undefined,
  pinned: PinnedInput,
): readonly Problem[] {
  if (subject.kind === 'tool') return method === 'tools/call' ? pinned.problems(subject.pin, given) : [];
  if (method === 'completion/complete') return completionProblems(given);
  return subject.kind === 'prompt' ? promptProblems(subject.pin.definition.arguments, given) : [];
}

/** Prompts take text by name ("Prompts", PromptArgument); what rules read of it must be what the server is sent. */
function promptProblems(declared: Json | undefined, given: Json | undefined): readonly Problem[] {
  if (given !== undefined && !isJsonObject(given)) {
    return [{ path: '', expected: 'an object', found: foundIn(given) }];
  }
  const args: JsonObject = given ?? {};
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(args)) {
    if (typeof value !== 'string') problems.push({ path: `/${name}`, expected: 'text', found: foundIn(value) });
  }
  for (const argument of Array.isArray(declared) ? declared : []) {
    if (!isJsonObject(argument) || argument.required !== true || typeof argument.name !== 'string') continue;
    if (Object.hasOwn(args, argument.name)) continue;
    problems.push({ path: `/${argument.name}`, expected: 'text', found: 'nothing' });
  }
  return problems;
}

function completionProblems(given: Json | undefined): readonly Problem[] {
  const argument = isJsonObject(given) ? given.argument : undefined;
  const fits = isJsonObject(argument) && typeof argument.name === 'string' && typeof argument.value === 'string';
  return fits ? [] : [{ path: '/argument', expected: 'an object with "name" and "value"', found: foundIn(argument) }];
}

function foundIn(value: Json | undefined): string {
  if (value === undefined || value === null) return 'nothing';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
