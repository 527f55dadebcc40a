import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { RenameUri } from './uris.ts';

/**
 * Where names and URIs stand in what servers say, and nothing else: what is not named here passes as it is. Each answers the very object it
 * was given where nothing is to be changed, and copies only along the way to what is; the order of members stays.
 */

/** A tool as listed on one endpoint. */
export function renameTool(definition: JsonObject, wireName: string, rename: RenameUri | undefined): JsonObject {
  const named = definition.name === wireName ? definition : { ...definition, name: wireName };
  return rename === undefined ? named : withAppUri(named, rename);
}

/** tools/call, and a task's result: links and embedded resources in its content, and the page that shows it (MCP Apps). */
export function renameToolResult(result: JsonObject, rename: RenameUri): JsonObject {
  const content = renameItems(result.content, (item) => renameBlock(item, rename));
  const renamed = content === result.content ? result : { ...result, content: content ?? null };
  return withAppUri(renamed, rename);
}

/** prompts/get: the content of each message. */
export function renamePromptResult(result: JsonObject, rename: RenameUri): JsonObject {
  return renameMessages(result, rename);
}

/** resources/read: what each content says it is. */
export function renameReadResult(result: JsonObject, rename: RenameUri): JsonObject {
  const contents = renameItems(result.contents, (item) => withUri(item, 'uri', rename));
  return contents === result.contents ? result : { ...result, contents: contents ?? null };
}

/** A listed resource. */
export function renameResource(resource: JsonObject, rename: RenameUri): JsonObject {
  return withUri(resource, 'uri', rename);
}

/** A listed resource template. */
export function renameTemplate(template: JsonObject, rename: RenameUri): JsonObject {
  return withUri(template, 'uriTemplate', rename);
}

/** The params of sampling/createMessage: a model's earlier tool results may hold links. */
export function renameMessages(params: JsonObject, rename: RenameUri): JsonObject {
  const messages = renameItems(params.messages, (message) => {
    const { content } = message;
    const renamed = isJsonObject(content)
      ? renameBlock(content, rename)
      : renameItems(content, (item) => renameBlock(item, rename));
    return renamed === content || renamed === undefined ? message : { ...message, content: renamed };
  });
  return messages === params.messages ? params : { ...params, messages: messages ?? null };
}

/** What a server asks in the middle of a request (2026-07-28, `inputRequests`): sampling is the one that shows links. */
export function renameInputRequests(result: JsonObject, rename: RenameUri): JsonObject {
  const { inputRequests } = result;
  if (!isJsonObject(inputRequests)) return result;
  let changed = false;
  const requests = Object.entries(inputRequests).map(([key, request]) => {
    if (!isJsonObject(request) || request.method !== 'sampling/createMessage') return [key, request] as const;
    const { params } = request;
    const renamed = isJsonObject(params) ? renameMessages(params, rename) : params;
    if (renamed === params || renamed === undefined) return [key, request] as const;
    changed = true;
    return [key, { ...request, params: renamed }] as const;
  });
  return changed ? { ...result, inputRequests: Object.fromEntries(requests) } : result;
}

function renameBlock(block: JsonObject, rename: RenameUri): JsonObject {
  switch (block.type) {
    case 'resource_link':
      return withUri(block, 'uri', rename);
    case 'resource': {
      const { resource } = block;
      if (!isJsonObject(resource)) return block;
      const renamed = withUri(resource, 'uri', rename);
      return renamed === resource ? block : { ...block, resource: renamed };
    }
    case 'tool_result': {
      const content = renameItems(block.content, (item) => renameBlock(item, rename));
      return content === block.content || content === undefined ? block : { ...block, content };
    }
    default:
      return block;
  }
}

/** `_meta.ui.resourceUri`, and the flat spelling before it. */
function withAppUri(holder: JsonObject, rename: RenameUri): JsonObject {
  const meta = holder._meta;
  if (!isJsonObject(meta)) return holder;
  let renamed = withUri(meta, 'ui/resourceUri', rename);
  const { ui } = renamed;
  if (isJsonObject(ui)) {
    const page = withUri(ui, 'resourceUri', rename);
    if (page !== ui) renamed = { ...renamed, ui: page };
  }
  return renamed === meta ? holder : { ...holder, _meta: renamed };
}

function withUri(holder: JsonObject, key: string, rename: RenameUri): JsonObject {
  const uri = Object.hasOwn(holder, key) ? holder[key] : undefined;
  return typeof uri === 'string' ? { ...holder, [key]: rename(uri) } : holder;
}

function renameItems(list: Json | undefined, renameItem: (item: JsonObject) => JsonObject): Json | undefined {
  if (!Array.isArray(list)) return list;
  let changed: Json[] | undefined;
  for (let i = 0; i < list.length; i++) {
    const item: Json | undefined = list[i];
    if (!isJsonObject(item)) continue;
    const renamed = renameItem(item);
    if (renamed === item) continue;
    changed ??= [...list];
    changed[i] = renamed;
  }
  return changed ?? list;
}
