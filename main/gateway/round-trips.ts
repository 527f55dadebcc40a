import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendReply } from '../backends/backends.ts';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { KnownCall } from './call-request.ts';
import type { Halt } from './recheck.ts';
import { inputRequestsOf, mayAsk, type ServerQuestions } from './server-questions.ts';
import { clip } from './wire.ts';

/** How often one call may go back to its server with more input. */
const roundLimit = 10;
/** Questions in one answer of a server. */
const questionLimit = 32;
/** Before a server that asks for nothing but patience is asked again. */
const patienceMs = 250;

/** Whether a server answered that it needs more input first (2026-07-28, "Multi Round-Trip Requests"). */
export function needsInput(result: JsonObject): boolean {
  return result.resultType === 'input_required';
}

/**
 * Throws where a server asks, in the answer that is handed on to a 2026 caller, for what the policy does not let it ask or the caller did not
 * offer: it must not ask for that at all (server requirement 7), and the caller would not know that it is forbidden.
 */
export function checkInputRequests({ request, snapshot }: KnownCall, result: JsonObject): void {
  const requests = inputRequestsOf(result.inputRequests);
  if (requests === undefined) throw new Error('malformed inputRequests');
  const { allowed } = snapshot.document.serverRequests;
  for (const { method, params } of requests) {
    if (mayAsk(allowed, request.conversation.capabilities, method, params)) continue;
    throw new Error(`it asks for ${clip(method, 100)}, which it may not`);
  }
}

/** The app did not answer what the server needs to go on. */
export class InputRefused extends Error {
  override readonly name = 'InputRefused';
}

/** While the app was asked, the call became one that may not go on. */
export class Halted extends Error {
  override readonly name = 'Halted';
  readonly halt: Halt;

  constructor(halt: Halt) {
    super(halt.message);
    this.halt = halt;
  }
}

/**
 * Carries a call of a caller that knows no multi round-trip requests through them: each question is put to it as a request of its own, one after
 * the other, then the server is asked again with the answers and its own state, if the call may still go on. Throws InputRefused, Halted, and
 * Error where the server asks too much.
 */
export async function throughRoundTrips(
  call: KnownCall,
  questions: ServerQuestions,
  params: JsonObject,
  send: (params: JsonObject) => Promise<BackendReply>,
  halted: () => Halt | undefined,
): Promise<BackendReply> {
  let reply = await send(params);
  for (let round = 0; reply.ok && needsInput(reply.result); round++) {
    if (round >= roundLimit) throw new Error(`it asked for input ${roundLimit} times`);
    const { requestState } = reply.result;
    const inputResponses = await answersTo(call, questions, reply.result);
    if (inputResponses === undefined) await sleep(patienceMs, undefined, { signal: call.request.conversation.signal });
    call.request.conversation.signal.throwIfAborted();
    const halt = halted();
    if (halt !== undefined) throw new Halted(halt);
    reply = await send({
      ...params,
      ...(inputResponses !== undefined && { inputResponses }),
      ...(requestState !== undefined && { requestState }),
    });
  }
  return reply;
}

/** Undefined where nothing was asked. */
async function answersTo(
  call: KnownCall,
  questions: ServerQuestions,
  result: JsonObject,
): Promise<JsonObject | undefined> {
  const requests = inputRequestsOf(result.inputRequests);
  if (requests === undefined || requests.length > questionLimit) throw new Error('malformed inputRequests');
  if (requests.length === 0) return undefined;
  const { conversation } = call.request;
  const asked = { alias: call.subject.server.alias, caller: conversation, callId: call.callId };
  const answers: [string, Json][] = [];
  for (const { key, method, params } of requests) {
    const reply = await questions.ask(asked, method, asLegacy(call, method, params), conversation.signal);
    if (!reply.ok) throw new InputRefused(reply.error.message);
    answers.push([key, reply.result]);
  }
  return Object.fromEntries(answers);
}

/** 2025-11-25 requires an id of a url elicitation, to tell when it is complete; 2026-07-28 has neither. */
function asLegacy({ callId }: KnownCall, method: string, params: JsonObject): JsonObject {
  const needsId = method === 'elicitation/create' && params.mode === 'url' && params.elicitationId === undefined;
  return needsId && isJsonObject(params) ? { ...params, elicitationId: callId } : params;
}
