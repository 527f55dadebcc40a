import type { FieldView, QuestionView } from '../../preload/contract.ts';
import type { ApprovalQuestion } from '../approvals/approvals.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { riskOf, titleOf } from './tools-view.ts';

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
    tool: question.tool,
    // An address is shown as it is: made readable it would be another one.
    toolTitle: question.kind === 'resource' ? question.tool : titleOf(question.definition, question.tool),
    toolDescription: typeof description === 'string' ? description : '',
    fields: [...labelFields(question.definition, question.args), ...alsoSent(question)],
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

/** Arguments the schema names come first, in its order; any other follows, so that nothing is left out of sight. */
function labelFields(definition: JsonObject, args: JsonObject): FieldView[] {
  const schema = isJsonObject(definition.inputSchema) ? definition.inputSchema : {};
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  const named = Object.keys(properties).filter((name) => Object.hasOwn(args, name));
  const other = Object.keys(args).filter((name) => !Object.hasOwn(properties, name));
  return [...named, ...other].map((name) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const detail = isJsonObject(property) ? property : {};
    const description = detail.description;
    return {
      path: name,
      label: titleOf(detail, name),
      value: args[name],
      ...(typeof description === 'string' && description ? { description } : {}),
    };
  });
}
