import type { AuditWriter } from '../audit/record.ts';
import type { BackendReply } from '../backends/backends.ts';
import { sha256Hex } from '../policy/canonical.ts';
import type { ServerRequest as AskableKind } from '../policy/document.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import { AskFailure } from './ask-failure.ts';
import { offers } from './caller-abilities.ts';
import type { Conversation, Listening } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { QuestionLimits } from './question-limits.ts';
import { renameMessages } from './renames.ts';
import { uriNames } from './uris.ts';
import { clip, rpcCode } from './wire.ts';

/** Whom a server asks, on whose behalf. */
export interface Asked {
  readonly alias: string;
  /** Who answers; undefined where nobody can be asked. */
  readonly caller: Pick<Conversation | Listening, 'app' | 'endpoint' | 'capabilities' | 'ask'> | undefined;
  /** The call the server works on; undefined where it is not known to work on a certain one. */
  readonly callId: string | undefined;
}

/** Which of the policy's kinds a method is. Tasks belong to a request that was itself allowed. */
const kinds: Readonly<Record<string, AskableKind>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};

/** Whether a server may ask this of a caller that declared these capabilities: allowed by the policy, and offered by the caller. */
export function mayAsk(
  allowed: readonly AskableKind[],
  capabilities: JsonObject,
  method: string,
  params: JsonObject,
): boolean {
  const kind = Object.hasOwn(kinds, method) ? kinds[method] : undefined;
  if (kind === undefined)
    return method.startsWith('tasks/') && allowed.length > 0 && offers(capabilities, method, params);
  return allowed.includes(kind) && offers(capabilities, method, params);
}

/** Takes a server's question to the caller it works for, and records question and answer. */
export class ServerQuestions {
  readonly #inForce: () => InForce;
  readonly #audit: AuditWriter;
  readonly #log: Log;
  readonly #limits: QuestionLimits;

  constructor(parts: {
    readonly clock: Clock;
    readonly inForce: () => InForce;
    readonly audit: AuditWriter;
    readonly log: Log;
  }) {
    this.#inForce = parts.inForce;
    this.#audit = parts.audit;
    this.#log = parts.log;
    this.#limits = new QuestionLimits(parts);
  }

  /** Writes the counts of questions that got no row of their own, once their minute is over or `all`. */
  flush(all = false): void {
    this.#limits.flush(all);
  }

  /** Never rejects: what goes wrong is an answer to the server. */
  async ask(
    asked: Asked,
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress?: (params: JsonObject) => void,
  ): Promise<BackendReply> {
    const { alias, caller, callId } = asked;
    const inForce = this.#inForce();
    const allowed = inForce.ok ? inForce.snapshot.document.serverRequests.allowed : [];
    const permitted = caller !== undefined && mayAsk(allowed, caller.capabilities, method, params);
    const reply = permitted
      ? await this.#put(asked, caller, method, params, signal, onProgress)
      : refused(rpcCode.methodNotFound, `Method not found: "${clip(method, 100)}" is not offered to this server here.`);
    const asker = callId === undefined ? { alias, ...(caller !== undefined && { app: caller.app.name }) } : { callId };
    const row = {
      kind: 'call.input',
      ...asker,
      method: clip(method, 200),
      answer: permitted ? wordFor(method, reply) : 'not-allowed',
      digest: sha256Hex(JSON.stringify({ method, params, ...reply })),
    } as const;
    if (!reply.ok && !this.#limits.hasRow(alias, row)) return reply;
    try {
      await this.#audit.appendSoon(row);
    } catch (error) {
      // What is not in the record is not handed out.
      this.#log.error('input-not-recorded', { alias, method, error: String(error) });
      return refused(
        rpcCode.internalError,
        'Gatehouse could not write its record, and without a record nothing is answered.',
      );
    }
    return reply;
  }

  async #put(
    { alias, callId }: Asked,
    caller: NonNullable<Asked['caller']>,
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    onProgress: ((params: JsonObject) => void) | undefined,
  ): Promise<BackendReply> {
    if (caller.ask === undefined) return refused(rpcCode.internalError, 'The AI app cannot be asked now.');
    if (!this.#limits.mayPut(alias, callId))
      return refused(rpcCode.internalError, 'You ask the AI app too much at once.');
    try {
      return await caller.ask(method, this.#renamed(caller, alias, method, params), signal, onProgress);
    } catch (error) {
      if (!(error instanceof AskFailure)) {
        this.#log.error('question-failed', { method, error: String(error) });
        return refused(rpcCode.internalError, 'Gatehouse failed to ask the AI app.');
      }
      return refused(error.code === 'not-offered' ? rpcCode.methodNotFound : rpcCode.internalError, error.message);
    }
  }

  /** On merged endpoints what a server links to is written as callers there write it. */
  #renamed(caller: NonNullable<Asked['caller']>, alias: string, method: string, params: JsonObject): JsonObject {
    if (method !== 'sampling/createMessage' || caller.endpoint.kind === 'alias') return params;
    const inForce = this.#inForce();
    const rename = inForce.ok && uriNames(inForce.snapshot.manifest, caller.endpoint).renamerOf(alias);
    return rename ? renameMessages(params, rename) : params;
  }
}

function wordFor(method: string, reply: BackendReply): string {
  if (!reply.ok) return 'error';
  const { action } = reply.result;
  const known = method === 'elicitation/create' && (action === 'accept' || action === 'decline' || action === 'cancel');
  return known ? action : 'ok';
}

function refused(code: number, message: string): BackendReply {
  return { ok: false, error: { code, message } };
}

/** What a server asks of the caller in the middle of a request (2026-07-28, `inputRequests`); undefined when it is malformed. */
export function inputRequestsOf(
  value: unknown,
): readonly { readonly key: string; readonly method: string; readonly params: JsonObject }[] | undefined {
  if (value === undefined) return [];
  if (!isJsonObject(value)) return undefined;
  const requests: { key: string; method: string; params: JsonObject }[] = [];
  for (const [key, request] of Object.entries(value)) {
    if (!isJsonObject(request) || typeof request.method !== 'string') return undefined;
    if (request.params !== undefined && !isJsonObject(request.params)) return undefined;
    requests.push({ key, method: request.method, params: request.params ?? {} });
  }
  return requests;
}
