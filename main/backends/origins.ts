import { FewMap } from '../policy/few.ts';
import type { Origin } from './backends.ts';

/** Which requests under way have an origin, so that what came beside them can be given to the only one there is. */
export class Origins {
  readonly #byRequest = new FewMap<number, Origin>();
  /** How many requests under way each origin has: one caller's request may need several of ours. */
  readonly #requests = new FewMap<Origin, number>();
  /** Requests under way about a task (tasks/result waits for its end), by the task. */
  readonly #byTask = new FewMap<string, number>();

  add(id: number, origin: Origin, taskId?: string): void {
    if (taskId !== undefined) this.#byTask.set(taskId, id);
    this.#byRequest.set(id, origin);
    this.#requests.set(origin, (this.#requests.get(origin) ?? 0) + 1);
  }

  remove(id: number): void {
    const origin = this.#byRequest.get(id);
    if (origin === undefined) return;
    this.#byRequest.delete(id);
    for (const taskId of this.#byTask.keys()) if (this.#byTask.get(taskId) === id) this.#byTask.delete(taskId);
    const left = (this.#requests.get(origin) ?? 1) - 1;
    if (left > 0) this.#requests.set(origin, left);
    else this.#requests.delete(origin);
  }

  of(id: number): Origin | undefined {
    return this.#byRequest.get(id);
  }

  ofTask(taskId: string): Origin | undefined {
    const id = this.#byTask.get(taskId);
    return id === undefined ? undefined : this.#byRequest.get(id);
  }

  /** Undefined where there is none, or more than one. */
  only(): Origin | undefined {
    if (this.#requests.size !== 1) return undefined;
    return this.#requests.keys()[0];
  }
}
