import type { AuditWriter, CallOutcome } from '../audit/record.ts';
import type { BackendReply, BackendSession } from '../backends/backends.ts';
import { sha256Hex } from '../policy/canonical.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Clock, Log } from '../ports.ts';
import { type CallAnswer, depthLimit, type KnownCall, type Lapse, type Verdict } from './call-request.ts';
import { failureCode } from './failure.ts';
import { forwarded } from './forwarded.ts';
import { askLine, nameAction, sentence, type WireRefusalCode } from './refusal.ts';
import { complete, type Refusals } from './refuse.ts';
import { stopCode, stopReasonOf, whyStopped } from './stop.ts';
import { clip, nestsDeeperThan, rpcCode } from './wire.ts';

export type Approval = 'person-once' | 'person-session' | undefined;

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
  readonly answer: CallAnswer;
}

/** Carries decided calls to their backend: record, forward, bound, record, answer. */
export class Carrier {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #audit: AuditWriter;
  readonly #refusals: Refusals;

  constructor(parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly audit: AuditWriter;
    readonly refusals: Refusals;
  }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#audit = parts.audit;
    this.#refusals = parts.refusals;
  }

  /** `lapsed` says, once the begin row is written, whether the call may no longer be made. */
  async carry(
    call: KnownCall,
    verdict: Verdict,
    approval: Approval,
    session: BackendSession,
    lapsed: () => Lapse | undefined,
  ): Promise<CallAnswer> {
    const facts = this.#refusals.factsOf(call, verdict);
    try {
      await this.#audit.appendSoon({
        kind: 'call.begin',
        ...facts,
        ...(approval !== undefined && { approvedBy: approval }),
      });
    } catch (error) {
      return this.#refusals.unrecorded(call, verdict, error);
    }
    const begun = this.#clock.now();
    return this.#record(call, verdict, begun, await this.#end(call, verdict, session, lapsed));
  }

  /** What was begun has an end, whatever goes wrong on the way. Nothing is awaited between `lapsed` and the sending. */
  async #end(
    call: KnownCall,
    verdict: Verdict,
    session: BackendSession,
    lapsed: () => Lapse | undefined,
  ): Promise<End> {
    try {
      const lapse = lapsed();
      if (lapse !== undefined) {
        return { outcome: 'cancelled', details: { message: lapse.message }, answer: lapse.answer };
      }
      return await this.#forward(call, verdict, session);
    } catch (error) {
      return this.#failed(call, verdict, error);
    }
  }

  async #forward(call: KnownCall, verdict: Verdict, session: BackendSession): Promise<End> {
    const { request, named, snapshot } = call;
    const reply: BackendReply = await session.request('tools/call', forwarded(request.params, named.tool), {
      signal: request.signal,
      timeoutMs: snapshot.document.resilience.deadlineSeconds * 1000,
      ...(request.onProgress !== undefined && { onProgress: request.onProgress }),
    });
    if (reply.ok) return this.#delivered(call, verdict, reply.result, session.era);
    // It is turned into text here and again for the wire: neither may fail over its depth.
    if (nestsDeeperThan({ ...reply.error }, depthLimit)) throw new Error(`an error nested deeper than ${depthLimit}`);
    const bytes = Buffer.byteLength(JSON.stringify(reply.error));
    if (bytes > snapshot.document.guard.resultBytes) return this.#tooLarge(call, verdict, bytes);
    // A server's own words may repeat what it was sent.
    const keep = snapshot.document.audit.payloads === 'full';
    const details: EndDetails = keep ? { message: clip(reply.error.message, 1_000) } : {};
    // Of a server's own errors only this one has an HTTP status of its own (2026-07-28, "Capability Negotiation").
    const bad = reply.error.code === rpcCode.missingCapability && session.era === 'modern' && request.era === 'modern';
    const answer: CallAnswer = { kind: 'error', error: reply.error, ...(bad && { httpStatus: 400 }) };
    return { outcome: 'backend-error', details, answer };
  }

  #delivered(call: KnownCall, verdict: Verdict, result: JsonObject, backendEra: 'legacy' | 'modern'): End {
    const { request, snapshot } = call;
    // The one time a result is turned into text: for the bound, the record and the wire alike. Throws when it nests too deeply.
    const text = JSON.stringify(result);
    const resultBytes = Buffer.byteLength(text);
    if (resultBytes > snapshot.document.guard.resultBytes) return this.#tooLarge(call, verdict, resultBytes);
    const unfinished = result.resultType !== undefined && result.resultType !== 'complete';
    if (request.era === 'legacy' && backendEra === 'modern' && unfinished) {
      // Multi round-trip answers do not exist for this caller; forwarding one would look like a finished call.
      throw new Error(`resultType ${clip(JSON.stringify(result.resultType), 200)}`);
    }
    const keep = snapshot.document.audit.payloads === 'full';
    return {
      outcome: result.isError === true ? 'tool-error' : 'ok',
      details: { resultBytes, resultDigest: sha256Hex(text), ...(keep && { result: text }) },
      answer: {
        kind: 'result',
        text: request.era === 'modern' && result.resultType === undefined ? complete(text) : text,
      },
    };
  }

  #tooLarge(call: KnownCall, verdict: Verdict, resultBytes: number): End {
    const { server, tool } = call.named;
    const limit = call.snapshot.document.guard.resultBytes;
    const message = sentence(
      `The result of ${nameAction(tool, server.title)} was held back: it has ${resultBytes} bytes, and your organisation allows ${limit}. Ask for less at a time.`,
      askLine(verdict.contact),
    );
    const answer = this.#refusals.answer(call, 'result-refused', verdict, message);
    return { outcome: 'result-refused', details: { resultBytes, message }, answer };
  }

  #failed(call: KnownCall, verdict: Verdict, error: unknown): End {
    const { request, named, snapshot } = call;
    const action = nameAction(named.tool, named.server.title);
    const stop = stopReasonOf(request.signal);
    if (stop !== undefined) {
      const message = whyStopped(action, stop);
      const answer: CallAnswer =
        stop === 'caller' ? { kind: 'none' } : this.#refusals.answer(call, stopCode(stop), verdict, message);
      return { outcome: 'cancelled', details: { message }, answer };
    }
    const code = failureCode(error);
    this.#log.warn('backend-failed', { alias: named.server.alias, code, error: String(error) });
    const ends = (outcome: CallOutcome, wire: WireRefusalCode, what: string): End => {
      const message = sentence(what, 'It may have had an effect.', askLine(verdict.contact));
      return { outcome, details: { message }, answer: this.#refusals.answer(call, wire, verdict, message) };
    };
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
  async #record(
    call: KnownCall,
    verdict: Verdict,
    begun: number,
    { outcome, details, answer }: End,
  ): Promise<CallAnswer> {
    const durationMs = Math.max(0, this.#clock.now() - begun);
    try {
      await this.#audit.appendSoon({ kind: 'call.end', callId: call.callId, outcome, durationMs, ...details });
      return answer;
    } catch (error) {
      this.#log.error('call-end-not-recorded', { callId: call.callId, error: String(error) });
      if (answer.kind === 'none') return answer;
      const { server, tool } = call.named;
      const message = sentence(
        `${nameAction(tool, server.title)} ran, but its result is held back because the record of it could not be written. It may have had an effect: check before you try again.`,
        askLine(verdict.contact),
      );
      return this.#refusals.answer(call, 'record-unavailable', verdict, message);
    }
  }
}
