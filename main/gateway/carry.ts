import type { AuditWriter, CallOutcome } from '../audit/record.ts';
import type { BackendReply, RequestOptions } from '../backends/backends.ts';
import { sha256Hex } from '../policy/canonical.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import type { Opened } from './backend-sides.ts';
import { CallOrigin } from './call-origin.ts';
import type { KnownCall, Verdict } from './call-request.ts';
import type { Reply } from './conversation.ts';
import { asComplete, complete, renameResult, withCacheHints } from './delivery.ts';
import { failureCode } from './failure.ts';
import { forwarded } from './forwarded.ts';
import type { KeptYes } from './kept-yes.ts';
import type { Recheck } from './recheck.ts';
import { askLine, sentence, type WireRefusalCode } from './refusal.ts';
import { actionOf, type Refusals } from './refuse.ts';
import { checkInputRequests, Halted, InputRefused, needsInput, throughRoundTrips } from './round-trips.ts';
import { inItsOwnTime, progressTo } from './sending.ts';
import type { ServerQuestions } from './server-questions.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { type TaskTable, taskMadeOf } from './task-table.ts';
import { timed } from './timing.ts';
import { uriNames } from './uris.ts';
import { clip, nestsDeeperThan, rpcCode } from './wire.ts';

export type Approval = 'person-once' | 'person-session' | undefined;

/** A task's result is waited for until it is there: an hour, the most a policy lets any call take. */
const taskResultMs = 3_600_000;

interface EndDetails {
  readonly resultDigest?: string;
  readonly resultBytes?: number;
  readonly result?: string;
  readonly message?: string;
}

/** How a call that was begun ended: the row's outcome and details, and what the caller gets once they are written. */
interface End {
  readonly outcome: CallOutcome;
  readonly details: EndDetails;
  readonly answer: Reply;
}

export interface CarrierParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditWriter;
  readonly refusals: Refusals;
  readonly questions: ServerQuestions;
  readonly kept: KeptYes;
  readonly tasks: TaskTable;
  readonly recheck: Recheck;
}

/** Asks a server something on behalf of a call; by default the call itself. */
export type Carrying = (
  call: KnownCall,
  opened: Opened,
  origin: CallOrigin,
  approval: Approval,
) => Promise<BackendReply>;

/** Carries decided calls to their backend: record, forward, bound, record, answer. */
export class Carrier {
  readonly #parts: CarrierParts;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  async carry(
    call: KnownCall,
    verdict: Verdict,
    approval: Approval,
    opened: Opened,
    carrying?: Carrying,
  ): Promise<Reply> {
    const { audit, clock, refusals } = this.#parts;
    const facts = refusals.factsOf(call, verdict);
    try {
      const approvedBy = approval === undefined ? {} : { approvedBy: approval };
      await timed('audit', () => audit.appendSoon({ kind: 'call.begin', ...facts, ...approvedBy }));
    } catch (error) {
      return refusals.unrecorded(call, verdict, error);
    }
    const begun = clock.now();
    const end = await this.#end(call, verdict, approval, opened, carrying);
    return this.#record(call, verdict, begun, end);
  }

  /** What was begun has an end, whatever goes wrong on the way. Nothing is awaited between the last look at the policy and the sending. */
  async #end(
    call: KnownCall,
    verdict: Verdict,
    approval: Approval,
    opened: Opened,
    carrying: Carrying = this.#forward,
  ): Promise<End> {
    const origin = new CallOrigin(call.request.conversation, call.callId);
    const { running } = opened.side;
    const { recheck } = this.#parts;
    try {
      const lapse = recheck.lapse(call, verdict);
      if (lapse !== undefined) {
        return { outcome: 'cancelled', details: { message: lapse.message }, answer: lapse.answer };
      }
      running.add(origin);
      const reply = await timed('forward', () => carrying(call, opened, origin, approval));
      return timed('serialise', () => this.#taken(call, verdict, approval, opened, reply));
    } catch (error) {
      return this.#failed(call, verdict, error);
    } finally {
      running.delete(origin);
    }
  }

  readonly #forward: Carrying = (call, opened, origin, approval) => {
    const { request, subject, snapshot } = call;
    const { conversation, method } = request;
    const { session, side } = opened;
    const onProgress = progressTo(request.params, conversation);
    const options: RequestOptions = {
      signal: conversation.signal,
      origin,
      timeoutMs: method === 'tasks/result' ? taskResultMs : snapshot.document.resilience.deadlineSeconds * 1_000,
      clientCapabilities: opened.clientCapabilities,
      ...(onProgress !== undefined && { onProgress }),
      ...(conversation.pause !== undefined && { onPolling: (ms) => conversation.pause?.(ms) }),
      ...(conversation.logLevel !== undefined && { logLevel: conversation.logLevel }),
    };
    const params = forwarded(method, request.params, subject);
    if (session.era === 'legacy') {
      return side.asks
        ? inItsOwnTime(session, method, params, options, origin)
        : session.request(method, params, options);
    }
    if (conversation.era === 'modern') return session.request(method, params, options);
    const send = (each: JsonObject) => session.request(method, each, options);
    const { questions, recheck } = this.#parts;
    return throughRoundTrips(call, questions, params, send, () => recheck.halt(call, approval));
  };

  #taken(call: KnownCall, verdict: Verdict, approval: Approval, opened: Opened, reply: BackendReply): End {
    if (reply.ok) return this.#delivered(call, verdict, approval, opened, reply.result);
    const { gateway, guard, audit } = call.snapshot.document;
    // It is turned into text here and again for the wire: neither may fail over its depth.
    if (nestsDeeperThan({ ...reply.error }, gateway.depth))
      throw new Error(`an error nested deeper than ${gateway.depth}`);
    const bytes = Buffer.byteLength(JSON.stringify(reply.error));
    if (bytes > guard.resultBytes) return this.#tooLarge(call, verdict, bytes);
    // A server's own words may repeat what it was sent.
    const details: EndDetails = audit.payloads === 'full' ? { message: clip(reply.error.message, 1_000) } : {};
    // Of a server's own errors only this one has an HTTP status of its own (2026-07-28, "Capability Negotiation").
    const modern = opened.session.era === 'modern' && call.request.conversation.era === 'modern';
    const bad = modern && reply.error.code === rpcCode.missingCapability;
    const answer: Reply = { kind: 'error', error: reply.error, ...(bad && { httpStatus: 400 }) };
    return { outcome: 'backend-error', details, answer };
  }

  #delivered(call: KnownCall, verdict: Verdict, approval: Approval, opened: Opened, raw: JsonObject): End {
    const { request, snapshot, subject } = call;
    const { conversation, method } = request;
    if (method.startsWith('tasks/') && nestsDeeperThan(raw, snapshot.document.gateway.depth))
      throw new Error('an answer nested too deeply');
    const rename = uriNames(snapshot.manifest, conversation.endpoint).renamerOf(subject.server.alias);
    const named = renameResult(method, raw, rename);
    const ofItsEra = opened.session.era === 'legacy' ? asComplete(named) : named;
    const result = conversation.era === 'modern' ? withCacheHints(method, ofItsEra) : named;
    // The one time a result is turned into text: for the bound, the record and the wire alike. Throws when it nests too deeply.
    const text = JSON.stringify(result);
    const resultBytes = Buffer.byteLength(text);
    if (resultBytes > snapshot.document.guard.resultBytes) return this.#tooLarge(call, verdict, resultBytes);
    const outcome = this.#outcomeOf(call, approval, opened, raw);
    if (outcome === 'input-required' && approval === 'person-once') this.#parts.kept.keep(call, raw.requestState);
    const keep = snapshot.document.audit.payloads === 'full';
    return {
      outcome,
      details: { resultBytes, resultDigest: sha256Hex(text), ...(keep && { result: text }) },
      answer: {
        kind: 'result',
        text: conversation.era === 'modern' && result.resultType === undefined ? complete(text) : text,
      },
    };
  }

  /** What a result means. Throws where it is none that this caller could understand. */
  #outcomeOf(call: KnownCall, approval: Approval, { session }: Opened, result: JsonObject): CallOutcome {
    const { conversation, method } = call.request;
    if (session.era === conversation.era && method === 'tools/call') {
      const task = taskMadeOf(call, approval, result);
      if (task !== undefined && !this.#parts.tasks.add(conversation.session, task))
        throw new Error('a task id in use already');
    }
    // A task that waits for input asks as a call does (tasks extension, "Input-request trust model").
    if (method === 'tasks/get' && result.inputRequests !== undefined) checkInputRequests(call, result);
    const { resultType } = result;
    if (session.era === 'modern' && resultType !== undefined && resultType !== 'complete') {
      // Forwarding what does not exist for this caller would look like a finished call.
      if (conversation.era === 'legacy') throw new Error(`resultType ${clip(JSON.stringify(resultType), 200)}`);
      if (needsInput(result)) {
        checkInputRequests(call, result);
        return 'input-required';
      }
    }
    return result.isError === true ? 'tool-error' : 'ok';
  }

  #tooLarge(call: KnownCall, verdict: Verdict, resultBytes: number): End {
    const limit = call.snapshot.document.guard.resultBytes;
    const message = sentence(
      `The result of ${actionOf(call)} was held back: it has ${resultBytes} bytes, and your organisation allows ${limit}. Ask for less at a time.`,
      askLine(verdict.contact),
    );
    const answer = this.#parts.refusals.answer(call, 'result-refused', verdict, message);
    return { outcome: 'result-refused', details: { resultBytes, message }, answer };
  }

  #failed(call: KnownCall, verdict: Verdict, error: unknown): End {
    const { request, subject, snapshot } = call;
    const { refusals, log } = this.#parts;
    const action = actionOf(call);
    const stop = stopReasonOf(request.conversation.signal);
    if (stop !== undefined) {
      const message = whyStopped(action, stop);
      const answer: Reply =
        stop === 'caller' ? { kind: 'none' } : refusals.answer(call, stopCode(stop), verdict, message);
      return { outcome: 'cancelled', details: { message }, answer };
    }
    const ends = (outcome: CallOutcome, wire: WireRefusalCode, what: string): End => {
      const message = sentence(what, 'It may have had an effect.', askLine(verdict.contact));
      return { outcome, details: { message }, answer: refusals.answer(call, wire, verdict, message) };
    };
    if (error instanceof Halted) {
      const { code, verdict: now, message } = error.halt;
      return { outcome: 'cancelled', details: { message }, answer: refusals.answer(call, code, now, message) };
    }
    if (error instanceof InputRefused) {
      const why = clip(error.message, 500);
      return ends(
        'backend-error',
        'backend-failed',
        `${action} could not go on: the app did not answer what it asked. ${why}`,
      );
    }
    const code = failureCode(error);
    log.warn('backend-failed', { alias: subject.server.alias, code, error: String(error) });
    switch (code) {
      case 'timeout': {
        const seconds = snapshot.document.resilience.deadlineSeconds;
        const within = seconds === 1 ? 'a second' : `${seconds} seconds`;
        return ends('timeout', 'timeout', `${action} did not answer within ${within} and was stopped.`);
      }
      case 'revoked':
        return ends(
          'cancelled',
          'revoked',
          `${action} was stopped: your organisation withdrew its approval while it ran.`,
        );
      case 'unavailable':
        return ends('backend-error', 'backend-failed', `${action} failed: it stopped while it ran.`);
      case 'cancelled':
      case 'protocol':
      case undefined:
        return ends('backend-error', 'backend-failed', `${action} failed: its answer could not be understood.`);
      default:
        return code satisfies never;
    }
  }

  /**
   * Writes the end. Fail closed: what is not in the record is not handed out, so a result whose end cannot be written
   * is withheld, and the caller is told that the tool did run.
   */
  async #record(call: KnownCall, verdict: Verdict, begun: number, { outcome, details, answer }: End): Promise<Reply> {
    const { audit, clock, log, refusals } = this.#parts;
    const durationMs = Math.max(0, clock.now() - begun);
    try {
      const { callId } = call;
      await timed('audit', () => audit.appendSoon({ kind: 'call.end', callId, outcome, durationMs, ...details }));
      return answer;
    } catch (error) {
      log.error('call-end-not-recorded', { callId: call.callId, error: String(error) });
      if (answer.kind === 'none') return answer;
      const message = sentence(
        `${actionOf(call)} ran, but its result is held back because the record of it could not be written. It may have had an effect: check before you try again.`,
        askLine(verdict.contact),
      );
      return refusals.answer(call, 'record-unavailable', verdict, message);
    }
  }
}
