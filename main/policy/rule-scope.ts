import { noReads, type Reads } from './argument-values.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { own } from './problems.ts';

/** The names a request has in Cedar: a rule's scope is compared with these. */
export interface Target {
  readonly action: string;
  /** The group of that action: "discover", "call" or "unattended". */
  readonly question: string;
  /** The resource itself, as Cedar names it. */
  readonly entity: string;
  readonly id: string;
  readonly server: string;
  readonly groups: readonly string[];
}

export interface EntityName {
  readonly type: string;
  readonly id: string;
}

/** False only when the rule's scope certainly excludes this target. Reads Cedar's JSON policy format. */
export function mayApply(rule: JsonObject, target: Target): boolean {
  return actionMayMatch(own(rule, 'action'), target) && resourceMayMatch(own(rule, 'resource'), target);
}

/** False only when the rule's scope certainly excludes this question, whatever it is about, or this person. */
export function mayConcern(
  rule: JsonObject,
  question: string,
  user: { readonly id: string; readonly groups: readonly string[] },
): boolean {
  return questionMayMatch(own(rule, 'action'), question) && principalMayMatch(own(rule, 'principal'), user);
}

/** An action is one of a question's when it is the question's group, or named after it. */
function questionMayMatch(scope: Json | undefined, question: string): boolean {
  if (!isJsonObject(scope)) return true;
  const op = own(scope, 'op');
  const names = entitiesIn(scope);
  if ((op !== '==' && op !== 'in') || names === undefined) return true;
  return names.some(({ id }) => id === question || id.startsWith(`${question}:`));
}

/** A request carries the person with their groups, and nothing of what groups might be in. */
function principalMayMatch(
  scope: Json | undefined,
  { id, groups }: { readonly id: string; readonly groups: readonly string[] },
): boolean {
  if (!isJsonObject(scope)) return true;
  const isThem = (name: EntityName) => name.type === 'User' && name.id === id;
  const within = (names: readonly EntityName[] | undefined) =>
    names?.some((name) => isThem(name) || (name.type === 'Group' && groups.includes(name.id))) ?? true;
  switch (own(scope, 'op')) {
    case '==':
      return entitiesIn(scope)?.some(isThem) ?? true;
    case 'in':
      return within(entitiesIn(scope));
    case 'is': {
      if (own(scope, 'entity_type') !== 'User') return false;
      const inner = own(scope, 'in');
      return !isJsonObject(inner) || within(entitiesIn(inner));
    }
    default:
      return true;
  }
}

function actionMayMatch(scope: Json | undefined, target: Target): boolean {
  if (!isJsonObject(scope)) return true;
  const names = entitiesIn(scope);
  if (own(scope, 'op') === '==') return names === undefined || names.some((n) => n.id === target.action);
  if (own(scope, 'op') !== 'in' || names === undefined) return true;
  return names.some((n) => n.id === target.action || n.id === target.question);
}

function resourceMayMatch(scope: Json | undefined, target: Target): boolean {
  if (!isJsonObject(scope)) return true;
  const op = own(scope, 'op');
  if (op === 'is') {
    if (own(scope, 'entity_type') !== target.entity) return false;
    const within = own(scope, 'in');
    return !isJsonObject(within) || isWithin(entitiesIn(within), target);
  }
  if (op === '==') {
    const names = entitiesIn(scope);
    return names === undefined || names.some((n) => n.type === target.entity && n.id === target.id);
  }
  return op !== 'in' || isWithin(entitiesIn(scope), target);
}

function isWithin(names: readonly EntityName[] | undefined, target: Target): boolean {
  if (names === undefined) return true;
  return names.some(
    ({ type, id }) =>
      (type === target.entity && id === target.id) ||
      (type === 'Server' && id === target.server) ||
      (type === 'ServerGroup' && target.groups.includes(id)),
  );
}

function entitiesIn(scope: JsonObject): EntityName[] | undefined {
  const one = own(scope, 'entity');
  const many = own(scope, 'entities');
  const list = Array.isArray(many) ? many : one === undefined ? [] : [one];
  const names = list.map(entityName);
  return names.length === 0 || names.includes(undefined) ? undefined : names.filter((n) => n !== undefined);
}

function entityName(value: Json): EntityName | undefined {
  if (!isJsonObject(value)) return undefined;
  const inner = own(value, '__entity') ?? value;
  if (!isJsonObject(inner)) return undefined;
  const type = own(inner, 'type');
  const id = own(inner, 'id');
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : undefined;
}

/** Every entity a rule names, in its scope and in its conditions. */
export function entitiesNamed(rule: JsonObject): EntityName[] {
  const names: EntityName[] = [];
  const visit = (value: Json): void => {
    const name = entityName(value);
    if (name !== undefined) names.push(name);
    else if (Array.isArray(value)) value.forEach(visit);
    else if (isJsonObject(value)) Object.values(value).forEach(visit);
  };
  for (const part of ['principal', 'action', 'resource', 'conditions']) {
    const value = own(rule, part);
    if (value !== undefined) visit(value);
  }
  return names;
}

/** Every type a rule asks for with `is`, in its scope and in its conditions. */
export function typesNamed(rule: JsonObject): Set<string> {
  const types = new Set<string>();
  const visit = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isJsonObject(value)) return;
    const type = own(value, 'entity_type');
    if (typeof type === 'string') types.add(type);
    Object.values(value).forEach(visit);
  };
  for (const part of ['resource', 'conditions']) visit(own(rule, part) ?? []);
  return types;
}

/** Every attribute a rule's conditions follow or ask for, of whatever they follow it from. */
export function attributesNamed(rule: JsonObject): Set<string> {
  const names = new Set<string>();
  const visit = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isJsonObject(value)) return;
    for (const name of attributes(own(value, 'attr')) ?? []) names.add(name);
    Object.values(value).forEach(visit);
  };
  visit(own(rule, 'conditions') ?? []);
  return names;
}

/**
 * True when a condition asks `in` of anything but principal, action or resource. Requests carry only these three, so of
 * any other entity Cedar would answer "in nothing" and the rule would never say why it does not match.
 */
export function asksMembershipOfOthers(rule: JsonObject): boolean {
  const visit = (value: Json | undefined): boolean => {
    if (Array.isArray(value)) return value.some(visit);
    if (!isJsonObject(value)) return false;
    const within = own(value, 'in');
    const is = own(value, 'is');
    const asked = isJsonObject(within) ? within : isJsonObject(is) && own(is, 'in') !== undefined ? is : undefined;
    const left = asked === undefined ? undefined : own(asked, 'left');
    if (left !== undefined && !(isJsonObject(left) && typeof own(left, 'Var') === 'string')) return true;
    return Object.values(value).some(visit);
  };
  return visit(own(rule, 'conditions'));
}

/** Which arguments a rule's conditions read, or undefined for none. What is not understood counts as reading everything. */
export function argumentsRead(rule: JsonObject): Reads | undefined {
  const context = noReads();
  const conditions = own(rule, 'conditions');
  if (Array.isArray(conditions)) {
    for (const clause of conditions) visit(isJsonObject(clause) ? own(clause, 'body') : undefined, context);
  } else if (conditions !== undefined) {
    context.whole = true;
  }
  if (context.whole) return { whole: true, fields: new Map() };
  return context.fields.get('args');
}

/** Adds what one rule reads to what others read. */
export function mergeReads(into: Reads, from: Reads): void {
  if (from.whole) into.whole = true;
  for (const [name, reads] of from.fields) {
    const child = into.fields.get(name) ?? noReads();
    mergeReads(child, reads);
    into.fields.set(name, child);
  }
}

function visit(expression: Json | undefined, context: Reads): void {
  if (Array.isArray(expression)) {
    for (const item of expression) visit(item, context);
    return;
  }
  if (!isJsonObject(expression)) return;
  const path = contextPath(expression);
  if (path !== undefined) {
    mark(context, path).whole = true;
    return;
  }
  for (const [operator, operand] of Object.entries(expression)) {
    if (operator === 'Value') continue;
    if (operator === 'Record') {
      // Its names are the author's and may look like operators.
      if (isJsonObject(operand)) for (const value of Object.values(operand)) visit(value, context);
    } else if (operator === 'has' && isJsonObject(operand)) {
      const left = contextPath(own(operand, 'left'));
      const names = attributes(own(operand, 'attr'));
      if (left === undefined) visit(own(operand, 'left'), context);
      else if (names === undefined) mark(context, left).whole = true;
      else mark(context, [...left, ...names]);
    } else {
      visit(operand, context);
    }
  }
}

/** The attributes followed from `context`, for an expression that is only that. */
function contextPath(expression: Json | undefined): string[] | undefined {
  if (!isJsonObject(expression)) return undefined;
  if (own(expression, 'Var') === 'context') return [];
  const access = own(expression, '.');
  if (!isJsonObject(access)) return undefined;
  const left = contextPath(own(access, 'left'));
  const attr = own(access, 'attr');
  return left === undefined || typeof attr !== 'string' ? undefined : [...left, attr];
}

function attributes(attr: Json | undefined): string[] | undefined {
  if (typeof attr === 'string') return [attr];
  if (Array.isArray(attr) && attr.every((a) => typeof a === 'string')) return attr;
  return undefined;
}

function mark(context: Reads, path: readonly string[]): Reads {
  let reads = context;
  for (const name of path) {
    const child = reads.fields.get(name) ?? noReads();
    reads.fields.set(name, child);
    reads = child;
  }
  return reads;
}
