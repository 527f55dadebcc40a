import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { CallMethod } from './call-request.ts';
import { renameInputRequests, renamePromptResult, renameReadResult, renameToolResult } from './renames.ts';
import type { RenameUri } from './uris.ts';
import { withLeadingMember } from './wire.ts';

/** A server's result as callers of a merged endpoint read it; the very same object where nothing in it is named. */
export function renameResult(method: CallMethod, result: JsonObject, rename: RenameUri | undefined): JsonObject {
  if (rename === undefined) return result;
  switch (method) {
    case 'tools/call':
    case 'tasks/result':
      return renameToolResult(renameInputRequests(result, rename), rename);
    case 'tasks/get': {
      const asking = renameInputRequests(result, rename);
      // The finished task carries the call's own result (tasks extension, CompletedTask).
      if (!isJsonObject(asking.result)) return asking;
      const renamed = renameToolResult(asking.result, rename);
      return renamed === asking.result ? asking : { ...asking, result: renamed };
    }
    case 'prompts/get':
      return renamePromptResult(renameInputRequests(result, rename), rename);
    case 'resources/read':
      return renameReadResult(renameInputRequests(result, rename), rename);
    case 'resources/subscribe':
    case 'completion/complete':
    case 'tasks/update':
    case 'tasks/cancel':
      return result;
    default:
      return method satisfies never;
  }
}

/**
 * A result of a server as old as 2025 for a caller of 2026-07-28. There `resultType` means nothing, so that it must not be read as a question or a
 * task: nobody looked whether this server may ask.
 */
export function asComplete(result: JsonObject): JsonObject {
  return result.resultType === undefined ? result : { ...result, resultType: 'complete' };
}

/** Which answers a caller of 2026-07-28 may keep, it must be told ("Caching"); what this policy allows one person is nobody else's. */
export function withCacheHints(method: CallMethod, result: JsonObject): JsonObject {
  const complete = result.resultType === undefined || result.resultType === 'complete';
  if (method !== 'resources/read' || !complete) return result;
  const { ttlMs, cacheScope } = result;
  if (typeof ttlMs === 'number' && cacheScope === 'private') return result;
  return { ...result, ttlMs: ttlMs ?? 0, cacheScope: 'private' };
}

/** Puts the `resultType` in front that 2026-07-28 requires ("Results"); nothing else is touched. */
export function complete(resultText: string): string {
  return withLeadingMember(resultText, 'resultType', '"complete"');
}

/** The id of the task a server made of a call instead of answering it: 2025-11-25 core, where asked for, and the extension. */
export function createdTaskOf(result: JsonObject, era: 'legacy' | 'modern', params: JsonObject): string | undefined {
  const holder = era === 'modern' ? result : result.task;
  const made = era === 'modern' ? result.resultType === 'task' : isJsonObject(params.task);
  return made && isJsonObject(holder) && typeof holder.taskId === 'string' ? holder.taskId : undefined;
}
