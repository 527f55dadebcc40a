import type { FieldView, QuestionView } from '../../preload/contract.ts';
import type { ApprovalQuestion } from '../approvals/approvals.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { titleOf } from './titles.ts';
import { riskOf } from './tools-view.ts';

/** A pending question as the person is shown it: every argument, in the schema's own order and words. */
export function viewQuestion(question: ApprovalQuestion): QuestionView {
  const description = question.definition.description;
  return {
    id: question.id,
    digest: question.digest,
    app: question.app,
    user: question.user,
    alias: question.alias,
    serverTitle: question.serverTitle,
    kind: question.kind ?? 'tool',
    tool: question.tool,
    // An address is shown as it is: made readable it would be another one.
    toolTitle: question.kind === 'resource' ? question.tool : titleOf(question.definition, question.tool),
    toolDescription: typeof description === 'string' ? description : '',
    fields: [...labelFields(propertiesOf(question), question.args), ...alsoSent(question)],
    raw: JSON.stringify(question.extra === undefined ? question.args : sentOf(question.args, question.extra), null, 2),
    labels: [...question.labels],
    risk: question.kind === undefined ? riskOf(question.definition) : 'reads',
    reason: question.reason,
    rules: [...question.rules],
    message: question.message,
    remember: [...question.remember],
    askedAt: question.askedAt,
    expiresAt: question.expiresAt,
  };
}

/** Everything that is sent: what stands beside the arguments, and they themselves. */
function sentOf(args: JsonObject, extra: JsonObject): JsonObject {
  return { arguments: args, ...extra };
}

/** What an app sends beside the arguments reaches the server too, so it is part of what is shown. */
function alsoSent({ args, extra }: ApprovalQuestion): FieldView[] {
  if (extra === undefined) return [];
  let path = 'also sent';
  // A path names one field: an argument may be called the same.
  while (Object.hasOwn(args, path)) path += '*';
  return [{ path, label: 'Also sent along', value: extra }];
}

/** What the definition says of each argument: a tool by its input schema, a prompt in a list. */
function propertiesOf({ kind, definition }: ApprovalQuestion): ReadonlyMap<string, JsonObject> {
  switch (kind) {
    case undefined: {
      const schema = isJsonObject(definition.inputSchema) ? definition.inputSchema : {};
      const properties = isJsonObject(schema.properties) ? schema.properties : {};
      return new Map(Object.entries(properties).map(([name, detail]) => [name, isJsonObject(detail) ? detail : {}]));
    }
    case 'prompt': {
      const listed: readonly unknown[] = Array.isArray(definition.arguments) ? definition.arguments : [];
      return new Map(
        listed
          .filter(isJsonObject)
          .flatMap((detail) => (typeof detail.name === 'string' ? [[detail.name, detail] as const] : [])),
      );
    }
    case 'resource':
      return new Map([['uri', { title: 'Address' }]]);
    default:
      return kind satisfies never;
  }
}

/** Arguments the definition names come first, in its order; any other follows, so that nothing is left out of sight. */
function labelFields(properties: ReadonlyMap<string, JsonObject>, args: JsonObject): FieldView[] {
  const named = [...properties.keys()].filter((name) => Object.hasOwn(args, name));
  const other = Object.keys(args).filter((name) => !properties.has(name));
  return [...named, ...other].map((name) => {
    const detail = properties.get(name) ?? {};
    const description = detail.description;
    return {
      path: name,
      label: titleOf(detail, name),
      value: args[name],
      ...(typeof description === 'string' && description ? { description } : {}),
    };
  });
}
