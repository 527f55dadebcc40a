import type { AuditWriter } from '../audit/record.ts';
import type { BackendReply } from '../backends/backends.ts';
import { sha256Hex } from '../policy/canonical.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { BackendSides, Opened } from './backend-sides.ts';
import type { Calls } from './call.ts';
import type { CallRequest, TaskMethod } from './call-request.ts';
import { tasksExtension } from './capabilities.ts';
import type { Conversation, Reply } from './conversation.ts';
import { complete, renameResult } from './delivery.ts';
import { sentBeside, withoutHopMeta } from './forwarded.ts';
import type { InForce } from './gateway.ts';
import type { Named } from './names.ts';
import { decideOn } from './subjects.ts';
import type { KnownTask, TaskTable } from './task-table.ts';
import { uriNames } from './uris.ts';
import { clip, nestsDeeperThan, rpcCode } from './wire.ts';

/** Tasks one tasks/list tells of, the newest: each is asked for. */
const listLimit = 100;

const legacyMethods: ReadonlySet<string> = new Set(['tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel']);
const modernMethods: ReadonlySet<string> = new Set(['tasks/get', 'tasks/update', 'tasks/cancel']);

export function isTaskMethod(era: 'legacy' | 'modern', method: string): boolean {
  return (era === 'legacy' ? legacyMethods : modernMethods).has(method);
}

export interface TaskDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly inForce: () => InForce;
  readonly audit: AuditWriter;
  readonly calls: Calls;
  readonly sides: BackendSides;
  readonly table: TaskTable;
}

/**
 * What callers ask of tasks their calls were made into (2025-11-25, "Tasks"; 2026-07-28, the tasks extension). A task id reaches only the
 * server that gave it, and only from the caller it was given to; any other is answered as a server answers one it does not know. Asking how
 * a task stands is not recorded; its result, what it is sent and that it is cancelled are, as calls of their own under the tool's name, and what
 * the policy says of the call is asked again for all but the cancelling.
 */
export class Tasks {
  readonly #deps: TaskDeps;

  constructor(deps: TaskDeps) {
    this.#deps = deps;
  }

  async answer(conversation: Conversation, method: string, params: JsonObject): Promise<Reply> {
    if (conversation.era === 'modern' && !declaresTasks(conversation.capabilities)) return missingExtension;
    const inForce = this.#deps.inForce();
    if (!inForce.ok) return { kind: 'error', error: { code: rpcCode.refused, message: inForce.message } };
    const { snapshot } = inForce;
    if (nestsDeeperThan(params, snapshot.document.gateway.depth)) return notFound;
    if (method === 'tasks/list') return this.#list(conversation, snapshot);
    const { taskId } = params;
    const task =
      typeof taskId === 'string'
        ? this.#deps.table.find(conversation.session, conversation.endpoint, taskId)
        : undefined;
    const tool = task && this.#toolOf(conversation, snapshot, task, method === 'tasks/cancel');
    if (task === undefined || tool === undefined) return notFound;
    const request: CallRequest = {
      conversation,
      method: method as TaskMethod,
      params: method === 'tasks/update' ? params : onlyId(params),
    };
    return method === 'tasks/get'
      ? this.#get(request, snapshot, tool, task)
      : this.#deps.calls.runOfTask(request, snapshot, tool, task);
  }

  /** The tool the task was made of, where the policy still lets this caller see it; to stop a task its tool need not be seen any more. */
  #toolOf(
    conversation: Conversation,
    snapshot: PolicySnapshot,
    { alias, tool }: KnownTask,
    hidden = false,
  ): Named | undefined {
    const server = snapshot.manifest.servers.find((each) => each.alias === alias && each.state !== 'revoked');
    const pin = server !== undefined && Object.hasOwn(server.tools, tool) ? server.tools[tool] : undefined;
    if (server === undefined || pin === undefined) return undefined;
    const named: Named = { kind: 'tool', wireName: tool, server, name: tool, pin };
    if (hidden) return named;
    const view = this.#deps.calls.viewOf(snapshot, conversation);
    return decideOn(view, named, this.#deps.clock.now()).effect === 'deny' ? undefined : named;
  }

  /**
   * How a task stands is asked for without a record, and answered with the few plain fields that say so. Whatever else passes either way, the
   * end of a task with what the call would have brought, what it asks for, an error, takes the way of calls; once for each such thing.
   */
  async #get(request: CallRequest, snapshot: PolicySnapshot, tool: Named, task: KnownTask): Promise<Reply> {
    const { conversation, params } = request;
    const { calls } = this.#deps;
    if (sentBeside('tasks/get', params) !== undefined) return calls.runOfTask(request, snapshot, tool, task);
    const reply = await this.#ask(conversation, snapshot, task, params);
    if (reply === undefined) return unreachable(tool);
    const { gateway, guard } = snapshot.document;
    const bounded = reply.ok && !nestsDeeperThan(reply.result, gateway.depth);
    const more = bounded ? beyondStatus(reply.result) : undefined;
    const recorded = more && `${sha256Hex(JSON.stringify(more))} ${snapshot.digest}`;
    if (bounded && (more === undefined || task.recorded === recorded)) {
      const rename = uriNames(snapshot.manifest, conversation.endpoint).renamerOf(task.alias);
      const result = renameResult('tasks/get', reply.result, rename);
      const text = JSON.stringify(result);
      if (Buffer.byteLength(text) <= guard.resultBytes) {
        const plain = conversation.era === 'modern' && result.resultType === undefined;
        return { kind: 'result', text: plain ? complete(text) : text };
      }
    }
    const answer = await calls.runOfTask(request, snapshot, tool, task, () => Promise.resolve(reply));
    if (answer.kind === 'result' && recorded !== undefined) task.recorded = recorded;
    return answer;
  }

  /** Undefined when the server cannot be reached. */
  async #ask(
    conversation: Conversation,
    snapshot: PolicySnapshot,
    task: KnownTask,
    params: JsonObject,
  ): Promise<BackendReply | undefined> {
    const { sides, log } = this.#deps;
    let opened: Opened | undefined;
    try {
      opened = await sides.open(conversation, task.alias);
      return await opened.session.request('tasks/get', withoutHopMeta(params), {
        signal: conversation.signal,
        timeoutMs: snapshot.document.resilience.deadlineSeconds * 1_000,
        clientCapabilities: opened.clientCapabilities,
      });
    } catch (error) {
      log.warn('task-not-asked-for', { alias: task.alias, error: String(error) });
      return undefined;
    } finally {
      opened?.release();
    }
  }

  /** The caller's own tasks and no others, whatever else a server would list: each is asked for by its id. */
  async #list(conversation: Conversation, snapshot: PolicySnapshot): Promise<Reply> {
    const { table } = this.#deps;
    const { session, endpoint } = conversation;
    const own = table.of(session, endpoint).filter((task) => this.#toolOf(conversation, snapshot, task) !== undefined);
    const replies = await Promise.all(
      own.slice(-listLimit).map(async (task) => {
        const reply = await this.#ask(conversation, snapshot, task, { taskId: task.taskId });
        // Its server has let go of it.
        if (reply?.ok === false && reply.error.code === rpcCode.invalidParams) table.drop(session, task.taskId);
        return reply?.ok === true ? [JSON.stringify({ ...statusOf(reply.result), taskId: task.taskId })] : [];
      }),
    );
    return { kind: 'result', text: `{"tasks":[${replies.flat().join(',')}]}` };
  }
}

/** What says how a task stands (2025-11-25, Task; the tasks extension spells the last two with their unit). */
const statusFields: ReadonlySet<string> = new Set([
  ...['resultType', 'taskId', 'status', 'statusMessage', 'createdAt', 'lastUpdatedAt'],
  ...['ttl', 'pollInterval', 'ttlMs', 'pollIntervalMs'],
]);
/** Characters of one of them. */
const statusLength = 1_000;

/** What an answer holds beside how the task stands; undefined where that is all. */
function beyondStatus(result: JsonObject): JsonObject | undefined {
  const more = Object.entries(result).filter(([key, value]) => {
    if (!statusFields.has(key) || (typeof value === 'object' && value !== null)) return true;
    return typeof value === 'string' && value.length > statusLength;
  });
  return more.length === 0 ? undefined : Object.fromEntries(more);
}

/** How a task stands, and nothing else of the answer. */
function statusOf(result: JsonObject): JsonObject {
  const fields = Object.entries(result).flatMap(([key, value]): [string, Json][] => {
    if (!statusFields.has(key) || (typeof value === 'object' && value !== null)) return [];
    return [[key, typeof value === 'string' ? clip(value, statusLength) : value]];
  });
  return Object.fromEntries(fields);
}

/** What a server needs to be asked about a task, and what goes with it to every server. */
function onlyId({ taskId, _meta }: JsonObject): JsonObject {
  return { taskId: taskId ?? null, ...(_meta !== undefined && { _meta }) };
}

/** The words and the code of the specification's own example ("Error Handling"), for every id that is not this caller's. */
const notFound: Reply = {
  kind: 'error',
  error: { code: rpcCode.invalidParams, message: 'Failed to retrieve task: Task not found' },
};

/** Tasks extension, "Protocol Errors". */
const missingExtension: Reply = {
  kind: 'error',
  httpStatus: 400,
  error: {
    code: rpcCode.missingCapability,
    message: 'Missing required client capability',
    data: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
  },
};

function unreachable({ server }: Named): Reply {
  const message = `${server.title} cannot be reached right now. Try again in a moment.`;
  return { kind: 'error', error: { code: rpcCode.internalError, message } };
}

function declaresTasks({ extensions }: JsonObject): boolean {
  return isJsonObject(extensions) && isJsonObject(extensions[tasksExtension]);
}
