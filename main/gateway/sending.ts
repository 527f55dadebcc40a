import type { BackendReply, BackendSession, RequestOptions } from '../backends/backends.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { CallOrigin } from './call-origin.ts';
import type { Conversation } from './conversation.ts';
import { Deadline } from './deadline.ts';

/** Node's longest timer: the deadline counts instead. */
const endlessMs = 2 ** 31 - 1;

/** What took its server too long, not counting what its caller took to answer. */
class TookTooLong extends Error {
  readonly code = 'timeout';
}

/** A server that asks the caller things is waited for as long as it takes itself. */
export async function inItsOwnTime(
  session: BackendSession,
  method: string,
  params: JsonObject,
  options: RequestOptions,
  origin: CallOrigin,
): Promise<BackendReply> {
  const deadline = new Deadline(options.timeoutMs, origin.conversation.signal);
  origin.deadline = deadline;
  try {
    return await session.request(method, params, { ...options, timeoutMs: endlessMs, signal: deadline.signal });
  } catch (error) {
    if (deadline.passed) throw new TookTooLong('the deadline passed', { cause: error });
    throw error;
  } finally {
    deadline.end();
  }
}

/** Passes a backend's progress on under the caller's own token (Progress: tokens are chosen per hop by who asks). */
export function progressTo(
  params: JsonObject,
  conversation: Conversation,
): ((progress: JsonObject) => void) | undefined {
  const meta = params._meta;
  const progressToken = isJsonObject(meta) ? meta.progressToken : undefined;
  if (typeof progressToken !== 'string' && typeof progressToken !== 'number') return undefined;
  return (progress) => conversation.notify('notifications/progress', { ...progress, progressToken });
}
