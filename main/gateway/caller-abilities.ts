import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';

/**
 * Whether a caller that declared these capabilities may be asked this: nothing may be asked of it that it did not offer
 * (2025-11-25, "Capability Negotiation"; 2026-07-28, "Multi Round-Trip Requests", server requirement 7).
 */
export function offers(capabilities: JsonObject, method: string, params: JsonObject): boolean {
  switch (method) {
    case 'elicitation/create':
      return offersElicitation(capabilities.elicitation, params.mode);
    case 'sampling/createMessage':
      return isJsonObject(capabilities.sampling);
    case 'roots/list':
      return isJsonObject(capabilities.roots);
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/list':
    case 'tasks/cancel':
      return isJsonObject(capabilities.tasks);
    default:
      return false;
  }
}

/** An empty object means forms only ("Elicitation", Capabilities). */
function offersElicitation(declared: unknown, mode: unknown): boolean {
  if (!isJsonObject(declared)) return false;
  if (mode === 'url') return isJsonObject(declared.url);
  return isJsonObject(declared.form) || !isJsonObject(declared.url);
}
