import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import { ToolIndex } from './tool-index.ts';
import {
  callToolName,
  type SearchableTool,
  type SearchReply,
  searchToolName,
  type ToolSearch,
} from './tool-search-port.ts';

const defaultLimit = 5;
const mostResults = 20;
const queryLength = 500;
/** Bytes of JSON one answer may have: a few thousand tokens. The best result is never left out for its size. */
const answerBytes = 48 * 1024;
const shortenedDescription = 1_000;

const searchTool: JsonObject = {
  name: searchToolName,
  title: 'Search tools',
  description:
    'Finds tools by what they do. Many more tools are available here than are listed: say in a few words what you want to do, and you get the names, descriptions and input schemas of those that fit best. Then run one with call_tool.',
  inputSchema: {
    type: 'object',
    properties: {
      query: {
        type: 'string',
        minLength: 1,
        maxLength: queryLength,
        description: 'What the tool should do, such as "create an issue" or "read a file", or the name of a tool',
      },
      limit: {
        type: 'integer',
        minimum: 1,
        maximum: mostResults,
        default: defaultLimit,
        description: 'How many tools to answer with at most',
      },
    },
    required: ['query'],
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
};

const callTool: JsonObject = {
  name: callToolName,
  title: 'Call a tool',
  description:
    'Runs one of the tools that search_tools finds. The arguments are those of that tool, as its input schema says; the answer is its answer.',
  inputSchema: {
    type: 'object',
    properties: {
      name: { type: 'string', description: 'The name of the tool, exactly as search_tools gave it' },
      arguments: { type: 'object', description: 'The arguments of that tool, by its input schema' },
    },
    required: ['name'],
  },
};

const definitions = [JSON.stringify(searchTool), JSON.stringify(callTool)];

/** Serves profiles that show two tools instead of all. Keeps an index for as long as somebody keeps the list it was made of. */
export function createToolSearch(): ToolSearch {
  const indexes = new WeakMap<readonly SearchableTool[], Promise<ToolIndex>>();
  return {
    tools: () => definitions,
    async search(tools, args) {
      const asked = readArguments(args);
      if (typeof asked === 'string') return { ok: false, message: asked };
      const index = indexes.get(tools) ?? ToolIndex.build(tools);
      indexes.set(tools, index);
      return answer((await index).find(asked.query, asked.limit), tools.length, asked.query);
    },
  };
}

function readArguments(args: JsonObject): { readonly query: string; readonly limit: number } | string {
  const { query, limit = defaultLimit } = args;
  if (typeof query !== 'string' || query.trim() === '')
    return '"query" must say in a few words what the tool should do.';
  if (query.length > queryLength) return `"query" has ${query.length} characters, and ${queryLength} are the most.`;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > mostResults)
    return `"limit" must be a whole number from 1 to ${mostResults}.`;
  return { query, limit };
}

function answer(found: readonly SearchableTool[], among: number, query: string): SearchReply {
  const tools: string[] = [];
  let size = 0;
  for (const tool of found) {
    const whole = JSON.stringify(shown(tool));
    const text = Buffer.byteLength(whole) <= answerBytes ? whole : JSON.stringify(shortened(tool));
    size += Buffer.byteLength(text);
    if (tools.length > 0 && size > answerBytes) break;
    tools.push(text);
  }
  const left = found.length - tools.length;
  const note =
    tools.length === 0
      ? `None of the ${among} tools here fits "${query}". Try other words, or fewer.`
      : left > 0
        ? `${left} more fit less well and are left out for their size. Ask for them with more exact words.`
        : undefined;
  const noteText = note === undefined ? '' : `,"note":${JSON.stringify(note)}`;
  return { ok: true, result: { content: [{ type: 'text', text: `{"tools":[${tools.join(',')}]${noteText}}` }] } };
}

/** What a model needs to choose a tool and to call it. */
function shown({ name, definition }: SearchableTool): JsonObject {
  const { title, description, inputSchema, annotations } = definition;
  return {
    name,
    ...given('title', title),
    ...given('description', description),
    ...given('inputSchema', inputSchema),
    ...given('annotations', annotations),
  };
}

function shortened({ name, definition }: SearchableTool): JsonObject {
  const { title, description, inputSchema } = definition;
  const bytes = Buffer.byteLength(JSON.stringify(inputSchema ?? {}));
  const fields = isJsonObject(inputSchema) && Array.isArray(inputSchema.required) ? inputSchema.required : [];
  return {
    name,
    ...(typeof title === 'string' && { title: title.slice(0, 200) }),
    ...(typeof description === 'string' && { description: `${description.slice(0, shortenedDescription)}…` }),
    note: `The input schema is left out for its size (${bytes} bytes). call_tool says which arguments do not fit.`,
    required: fields.filter((field) => typeof field === 'string').slice(0, 50),
  };
}

function given(key: string, value: Json | undefined): JsonObject {
  return value === undefined ? {} : { [key]: value };
}
