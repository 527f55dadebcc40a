import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Backends } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { Calls } from './call.ts';
import type { Catalog } from './catalog.ts';
import type { InForce } from './gateway.ts';
import type { RunningCalls } from './running.ts';
import type { Answer } from './sse.ts';
import { notificationMessage } from './wire.ts';

/** One admitted HTTP request. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
}

/** What serving a caller of either era needs. */
export interface Service {
  readonly version: string;
  readonly account: string;
  readonly inForce: () => InForce;
  readonly backends: Backends;
  readonly calls: Calls;
  readonly catalog: Catalog;
  readonly running: RunningCalls;
}

/** Passes a backend's progress on under the caller's own token (Progress: tokens are chosen per hop by who asks). */
export function progressTo(answer: Answer, params: JsonObject): ((progress: JsonObject) => void) | undefined {
  const meta = params._meta;
  const progressToken = isJsonObject(meta) ? meta.progressToken : undefined;
  if (typeof progressToken !== 'string' && typeof progressToken !== 'number') return undefined;
  return (progress) => answer.notify(notificationMessage('notifications/progress', { ...progress, progressToken }));
}
