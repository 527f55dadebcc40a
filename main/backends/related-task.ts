import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { RELATED_TASK_META_KEY } from './revision-names.ts';

/** The task that a message belongs to (2025-11-25, Tasks, §Associating task-related messages). */
export function relatedTask(paramsOrResult: JsonObject): string | undefined {
  const { _meta } = paramsOrResult;
  const related = isJsonObject(_meta) ? _meta[RELATED_TASK_META_KEY] : undefined;
  return isJsonObject(related) && typeof related.taskId === 'string' ? related.taskId : undefined;
}
