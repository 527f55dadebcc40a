import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import type { BackendReply } from './backends.ts';
import { relatedTask } from './related-task.ts';

const TASKS = 256;
/** For a task whose server names no time or a longer one. */
const LONGEST_MS = 60 * 60 * 1_000;
/** A task's id is kept as long as the task. */
const ID_CHARACTERS = 1_000;
const ENDED: ReadonlySet<unknown> = new Set(['completed', 'failed', 'cancelled']);

interface LiveTask {
  readonly until: number;
  /** The progress token of the request that became this task, where it asked for progress. */
  readonly token: number | undefined;
  readonly onProgress: ((params: JsonObject) => void) | undefined;
}

/**
 * Requests that were answered with a task and go on: 2025-11-25 keeps a request's progress token valid for as long as its task lives (Tasks,
 * §Task progress notifications), and a process is not unused while one runs in it. A task is forgotten when its end is seen, when the time the
 * server gave it is over, or when too many came after it.
 */
export class LiveTasks {
  readonly #clock: Clock;
  readonly #tasks = new Map<string, LiveTask>();
  readonly #byToken = new Map<number, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are known to go on. */
  get size(): number {
    const now = this.#clock.now();
    for (const [taskId, task] of this.#tasks) if (task.until <= now) this.#forget(taskId);
    return this.#tasks.size;
  }

  listener(token: number): ((params: JsonObject) => void) | undefined {
    const taskId = this.#byToken.get(token);
    const task = taskId === undefined ? undefined : this.#tasks.get(taskId);
    return task && task.until > this.#clock.now() ? task.onProgress : undefined;
  }

  /** Takes notice of what a request was answered with. */
  answered(
    token: number,
    method: string,
    params: JsonObject,
    reply: BackendReply,
    onProgress: ((params: JsonObject) => void) | undefined,
  ): void {
    if (!reply.ok) return;
    const { result } = reply;
    if (method === 'tasks/result' || method === 'tasks/cancel') {
      if (typeof params.taskId === 'string') this.#forget(params.taskId);
      const related = relatedTask(result);
      if (related !== undefined) this.#forget(related);
    } else if (method.startsWith('tasks/')) this.status(result);
    else this.#created(token, params, result, onProgress);
  }

  /** A task as the server describes it, in an answer or in a notification. */
  status(task: JsonObject): void {
    if (typeof task.taskId === 'string' && ENDED.has(task.status)) this.#forget(task.taskId);
  }

  #created(
    token: number,
    params: JsonObject,
    result: JsonObject,
    onProgress: ((params: JsonObject) => void) | undefined,
  ): void {
    const task = newTask(params, result);
    if (typeof task?.taskId !== 'string' || task.taskId.length > ID_CHARACTERS || ENDED.has(task.status)) return;
    const given = task.ttl ?? task.ttlMs;
    const ms = typeof given === 'number' && given >= 0 ? Math.min(given, LONGEST_MS) : LONGEST_MS;
    this.#forget(task.taskId);
    const [oldest] = this.#tasks.keys();
    if (this.#tasks.size >= TASKS && oldest !== undefined) this.#forget(oldest);
    this.#tasks.set(task.taskId, { until: this.#clock.now() + ms, token, onProgress });
    this.#byToken.set(token, task.taskId);
  }

  #forget(taskId: string): void {
    const token = this.#tasks.get(taskId)?.token;
    if (token !== undefined) this.#byToken.delete(token);
    this.#tasks.delete(taskId);
  }
}

/** 2025-11-25 wraps the task that was asked for in `task`; the extension of 2026-07-28 answers with the task itself. */
function newTask(params: JsonObject, result: JsonObject): JsonObject | undefined {
  if (params.task !== undefined) return isJsonObject(result.task) ? result.task : undefined;
  return result.resultType === 'task' ? result : undefined;
}
