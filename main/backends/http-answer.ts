import { isJsonObject, type Json } from '../policy/json.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { MessageRefused, parseMessage } from './message.ts';

/** How a stream of events came to its end. */
export interface StreamEnd {
  readonly answered: boolean;
  readonly events: number;
  readonly broken: unknown;
  readonly lastEventId: string | undefined;
  readonly retryMs: number | undefined;
}

export const EMPTY_END: StreamEnd = {
  answered: false,
  events: 0,
  broken: undefined,
  lastEventId: undefined,
  retryMs: undefined,
};

/** Lower case, without parameters; empty where there is none. */
export function mediaType(response: HttpAnswer): string {
  return (response.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether a message, or one of a batch, answers the request `id`. */
export function answers(value: unknown, id: Json): boolean {
  return (Array.isArray(value) ? value : [value]).some(
    (message) => isJsonObject(message) && message.id === id && message.method === undefined,
  );
}

/** Undefined where the text is not JSON. Throws MessageRefused. */
export function parse(text: string): unknown {
  try {
    return parseMessage(text);
  } catch (error) {
    if (error instanceof MessageRefused) throw error;
    // Reported by whoever receives undefined.
    return undefined;
  }
}

/** What an HTTP status means, as a sentence's end: "it …". */
export function refusalText(status: number): string {
  if (status === 401) return 'it requires a sign-in (HTTP 401)';
  if (status === 403) return 'it denies access (HTTP 403)';
  if (status >= 500) return `it has an error of its own (HTTP ${status})`;
  return `it refused the request (HTTP ${status})`;
}
