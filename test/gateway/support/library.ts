import type { JsonObject } from '../../../main/policy/json.ts';
import { type ServerPlan, scriptServer } from './house.ts';

/** The library server, approved with everything it shows. */

export const greet: JsonObject = {
  name: 'greet',
  description: 'Greets.',
  arguments: [{ name: 'who', required: true }],
  'x-kept': 'yes',
};
export const note: JsonObject = { uriTemplate: 'note://{n}', name: 'note', 'x-kept': [1] };
export const capabilities: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
};

export function library(own = 'library', mode: '' | 'changing' = '', also: ServerPlan['also'] = {}): ServerPlan {
  return {
    launch: scriptServer(new URL('./library-server.ts', import.meta.url), own, mode),
    also: { prompts: [greet], resourceTemplates: [note], resources: 'as-shown', capabilities, ...also },
  };
}

export const errorOf = (json: JsonObject) => json.error as { code: number; message: string; data?: JsonObject };
export const refusalIn = (json: JsonObject) =>
  (errorOf(json).data?.['gatehouse/refusal'] ?? {}) as { code?: string; rules?: string[]; callId?: string };
