/** A 2026-07-28 server that needs more input before it answers, and makes tasks of calls, in raw JSON over stdio. */
import { createInterface } from 'node:readline';

type Json = Record<string, unknown>;
const write = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
const schema = { type: 'object' };
const tools = ['ask', 'ask-all', 'patience', 'endless', 'sampling', 'page', 'task', 'seen', 'malformed'].map(
  (name) => ({
    name,
    inputSchema: schema,
  }),
);
const form = { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const tasks = new Map<string, { status: string; told: unknown[] }>();

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {} } = JSON.parse(line) as { id?: number; method: string; params?: Json };
  if (id === undefined) return;
  const meta = (params._meta ?? {}) as Json;
  const result = (value: Json) => write({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...value } });
  const error = (code: number, message: string) => write({ jsonrpc: '2.0', id, error: { code, message } });
  const text = (value: unknown) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
  const listed = { ttlMs: 1_000, cacheScope: 'public' };
  const { _meta, ...said } = params;
  const asks = (inputRequests: Json | undefined, requestState?: string) =>
    result({
      resultType: 'input_required',
      ...(inputRequests && { inputRequests }),
      ...(requestState && { requestState }),
      'x-kept': { deep: [null] },
    });
  const elicit = { method: 'elicitation/create', params: form };
  switch (method) {
    case 'server/discover':
      return result({
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {}, prompts: {}, resources: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } },
        _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'round', version: '1' } },
        ...listed,
      });
    case 'tools/list':
      return result({ tools, ...listed });
    case 'prompts/list':
      return result({ prompts: [{ name: 'ask' }], ...listed });
    case 'prompts/get':
      if (params.inputResponses === undefined) return asks({ name: elicit }, 'prompt-state');
      return result({ messages: [{ role: 'user', content: { type: 'text', text: JSON.stringify(said) } }] });
    case 'resources/read':
      if (params.inputResponses === undefined) return asks({ name: elicit });
      return result({ contents: [{ uri: params.uri, text: JSON.stringify(said) }], ...listed });
    case 'tasks/get': {
      const task = tasks.get(String(params.taskId));
      if (task === undefined) return error(-32602, 'Failed to retrieve task: Task not found');
      const done = task.status === 'completed';
      return result({
        taskId: params.taskId,
        status: task.status,
        ttlMs: null,
        ...(done && { result: { content: [{ type: 'resource_link', uri: 'note://1' }], told: task.told } }),
        ...(!done && { inputRequests: { name: elicit } }),
      });
    }
    case 'tasks/update': {
      const task = tasks.get(String(params.taskId));
      task?.told.push(params.inputResponses);
      if (task) task.status = 'completed';
      return result({});
    }
    case 'tasks/cancel':
      tasks.delete(String(params.taskId));
      return result({});
    case 'tools/call':
      break;
    default:
      return error(-32601, 'Method not found');
  }
  const args = (params.arguments ?? {}) as Json;
  switch (params.name) {
    case 'ask':
      if (params.inputResponses === undefined) return asks({ name: elicit }, String(args.state ?? 'opaque "state"'));
      return result(text(said));
    case 'ask-all':
      if (params.inputResponses === undefined) {
        const sampling = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } };
        return asks({ first: elicit, second: sampling, third: { method: 'roots/list' } });
      }
      return result(text(said));
    case 'patience':
      return params.requestState === undefined ? asks(undefined, 'wait') : result(text(said));
    case 'endless':
      return asks({ again: elicit }, 'on and on');
    case 'sampling':
      return asks({ s: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } } }, 's');
    case 'page':
      if (params.inputResponses === undefined) {
        return asks({
          p: { method: 'elicitation/create', params: { mode: 'url', url: 'https://example.test', message: 'm' } },
        });
      }
      return result(text(said));
    case 'malformed':
      return asks({ x: 5 } as Json, 'm');
    case 'task': {
      const taskId = String(args.taskId ?? `task-${tasks.size}`);
      tasks.set(taskId, { status: 'input_required', told: [] });
      return result({ resultType: 'task', taskId, status: 'working', ttlMs: null });
    }
    default:
      return result(text(meta));
  }
});
