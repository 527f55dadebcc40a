import type { JsonObject } from '../policy/json.ts';
import type { Endpoint } from './admit.ts';
import type { KnownCall } from './call-request.ts';
import { createdTaskOf } from './delivery.ts';

/** Tasks remembered of one caller, the oldest forgotten first. */
const tasksPerOwner = 1_000;
const ownersLimit = 5_000;
/** Characters of a call's arguments kept with its task. */
const keptArguments = 16_384;

/** A task a server made of a caller's request. */
export interface KnownTask {
  readonly taskId: string;
  readonly alias: string;
  /** The server's own name of the tool that was called. */
  readonly tool: string;
  readonly era: 'legacy' | 'modern';
  /** The call's arguments, by which the policy is asked again; absent where they were more than is kept. */
  readonly args?: JsonObject;
  /** Whether a person agreed to the call. */
  readonly approvedBy?: 'person-once' | 'person-session';
  /** What was last recorded of what it brought, and under which policy. */
  recorded?: string;
}

/** The task a server made of a call instead of answering it, with what the policy is asked about it by from now on. */
export function taskMadeOf(
  { request, subject, args, argumentsText }: KnownCall,
  approvedBy: KnownTask['approvedBy'],
  result: JsonObject,
): KnownTask | undefined {
  const { era } = request.conversation;
  const taskId = createdTaskOf(result, era, request.params);
  if (taskId === undefined) return undefined;
  return {
    taskId,
    alias: subject.server.alias,
    tool: subject.name,
    era,
    ...(argumentsText.length <= keptArguments && { args }),
    ...(approvedBy !== undefined && { approvedBy }),
  };
}

/**
 * Whose task is whose. A task id is worth something only to the caller whose request it was made of, and only at the server that made it: ids
 * are learnt from what servers answer and never taken from callers.
 */
export class TaskTable {
  readonly #owners = new Map<string, Map<string, KnownTask>>();

  /** False when this caller has a task of that id from another server already: which of the two is meant could not be told. */
  add(owner: string, task: KnownTask): boolean {
    const known = this.#owners.get(owner) ?? new Map<string, KnownTask>();
    const earlier = known.get(task.taskId);
    if (earlier !== undefined && earlier.alias !== task.alias) return false;
    // A server may use an id again: from then on it is the newer task's, of whatever tool that is.
    known.delete(task.taskId);
    known.set(task.taskId, task);
    const [oldest] = known.keys();
    if (known.size > tasksPerOwner && oldest !== undefined) known.delete(oldest);
    this.#owners.set(owner, known);
    const [first] = this.#owners.keys();
    if (this.#owners.size > ownersLimit && first !== undefined) this.#owners.delete(first);
    return true;
  }

  find(owner: string, endpoint: Endpoint, taskId: string): KnownTask | undefined {
    const task = this.#owners.get(owner)?.get(taskId);
    return task !== undefined && isReachable(endpoint, task) ? task : undefined;
  }

  /** The oldest first. */
  of(owner: string, endpoint: Endpoint): readonly KnownTask[] {
    return [...(this.#owners.get(owner)?.values() ?? [])].filter((task) => isReachable(endpoint, task));
  }

  /** Its server does not know it any more. */
  drop(owner: string, taskId: string): void {
    this.#owners.get(owner)?.delete(taskId);
  }

  forget(owner: string): void {
    this.#owners.delete(owner);
  }
}

function isReachable(endpoint: Endpoint, { alias }: KnownTask): boolean {
  return endpoint.kind !== 'alias' || endpoint.alias === alias;
}
