import { randomUUID } from 'node:crypto';
import type { ApprovalAnswer } from '../audit/record.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Label } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { freezeQuestion } from './question.ts';
import { RememberedAnswers, type RememberedKey } from './remembered.ts';

/** What the person is shown. `digest` binds the answer to exactly these values. */
export interface ApprovalQuestion {
  readonly id: string;
  readonly callId: string;
  readonly app: string;
  readonly user: string;
  /** Opaque id of the caller's session: the reach of "allow for this session". */
  readonly session: string;
  readonly alias: string;
  readonly serverTitle: string;
  /** What `tool` names. Absent for a tool. */
  readonly kind?: 'prompt' | 'resource';
  /** Name of the tool or prompt, or URI of the resource. */
  readonly tool: string;
  /** Pinned definition: titles and descriptions of the fields come from its input schema. Empty for a resource that none describes. */
  readonly definition: JsonObject;
  /** Empty where nothing was pinned. */
  readonly definitionSha256: string;
  readonly args: JsonObject;
  /** What is sent on beside name and arguments: other members of the params, and `_meta` without this hop's keys. Absent when there is nothing. */
  readonly extra?: JsonObject;
  readonly labels: readonly Label[];
  readonly reason: string;
  readonly rules: readonly string[];
  /** A remembered answer ends with the policy it was given under. */
  readonly policyDigest: string;
  readonly message: string;
  readonly remember: readonly ('call' | 'session')[];
  /** Hex SHA-256 of the canonical JSON of every field above, `id` and `callId` included. */
  readonly digest: string;
  readonly askedAt: number;
  readonly expiresAt: number;
}

export interface ApprovalOutcome {
  readonly answer: ApprovalAnswer;
  readonly allowed: boolean;
  /** Digest of the question; empty when it was never put because too many were waiting. */
  readonly digest: string;
  /** Present when nobody was asked because too many questions were waiting already; the answer is then "cancelled". */
  readonly unasked?: 'too-many-waiting';
}

/** The question as the gateway puts it; id, digest and times are given here. */
export type ApprovalRequest = Omit<ApprovalQuestion, 'id' | 'digest' | 'askedAt' | 'expiresAt'> & {
  readonly timeoutMs: number;
};

export interface Approvals {
  /**
   * Resolves exactly once. Timeout, abort, close and quit are "no". A remembered session answer resolves at once.
   * Rejects only when the question has no canonical form (it cannot be bound to a digest). At most 50 questions wait, 10
   * of one app: a further one is "cancelled" with `unasked`, so that a flood neither buries the person nor is ever a yes.
   */
  ask(question: ApprovalRequest, signal: AbortSignal): Promise<ApprovalOutcome>;
  /** The person's answer. Refused when the id is unknown, already answered, expired, the digest differs, or the answer is not offered. */
  answer(
    id: string,
    digest: string,
    answer: 'allow-once' | 'allow-session' | 'deny',
  ): { readonly ok: true } | { readonly ok: false; readonly code: 'unknown' | 'digest-mismatch' | 'not-offered' };
  /** True when the person already allowed this exact tool definition for this session. */
  isRemembered(key: RememberedKey): boolean;
  /** Oldest first. */
  pending(): readonly ApprovalQuestion[];
  /** The approval window was closed: every waiting question is answered "closed". After "quit" each new one is answered so too. */
  closeAll(answer: 'closed' | 'quit'): void;
  /** The session ended: what it was allowed is forgotten and what it still asks is "cancelled". */
  forgetSession(session: string): void;
  /** After each change of pending(). A listener that throws is logged and passed over. */
  onChange(listener: () => void): () => void;
}

/** Questions waiting for the person, in all and of one app. */
const maxWaiting = 50;
const maxWaitingPerApp = 10;
/** The longest a question may wait, ms: the policy's own bound. */
const maxTimeoutMs = 600_000;

interface Waiting {
  readonly question: ApprovalQuestion;
  /** Ends it once; later calls do nothing. */
  settle(answer: ApprovalAnswer): void;
}

export function createApprovals(options: { readonly clock: Clock; readonly log?: Log }): Approvals {
  const { clock, log } = options;
  const waiting = new Map<string, Waiting>();
  const remembered = new RememberedAnswers();
  const listeners = new Set<() => void>();
  let quitting = false;

  function changed(): void {
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch (error) {
        log?.error('approvals-listener-failed', { error: String(error) });
      }
    }
  }

  /** A laptop that slept fires its timers late: silence is judged by the clock whenever anybody looks. */
  function expireOverdue(): void {
    const now = clock.now();
    for (const { question, settle } of [...waiting.values()]) if (now >= question.expiresAt) settle('timeout');
  }

  function settleWhere(matches: (question: ApprovalQuestion) => boolean, answer: ApprovalAnswer): void {
    for (const { question, settle } of [...waiting.values()]) if (matches(question)) settle(answer);
  }

  function isFull(app: string): boolean {
    if (waiting.size >= maxWaiting) return true;
    let ofApp = 0;
    for (const { question } of waiting.values()) if (question.app === app) ofApp++;
    return ofApp >= maxWaitingPerApp;
  }

  function wait(question: ApprovalQuestion, timeoutMs: number, signal: AbortSignal): Promise<ApprovalOutcome> {
    return new Promise((resolve) => {
      const settle = (answer: ApprovalAnswer): void => {
        if (!waiting.delete(question.id)) return;
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
        resolve(outcome(answer, question.digest));
        changed();
      };
      const cancel = (): void => settle('cancelled');
      // The timer counts real time and the clock may be set back: whichever is first ends the question.
      const timer = setTimeout(() => settle('timeout'), timeoutMs);
      signal.addEventListener('abort', cancel, { once: true });
      waiting.set(question.id, { question, settle });
      changed();
    });
  }

  return {
    async ask(request, signal) {
      expireOverdue();
      const { timeoutMs, ...shown } = request;
      const patience = Math.min(maxTimeoutMs, Math.max(0, Number.isFinite(timeoutMs) ? timeoutMs : 0));
      if (quitting || signal.aborted) return outcome(quitting ? 'quit' : 'cancelled', '');
      const isAllowed = request.remember.includes('session') && remembered.has(request);
      // Judged before the question is copied and digested, so that a flood costs next to nothing.
      if (!isAllowed && isFull(request.app)) {
        return { ...outcome('cancelled', ''), unasked: 'too-many-waiting' };
      }
      const askedAt = clock.now();
      const question = freezeQuestion({ ...shown, id: randomUUID() }, askedAt, askedAt + patience);
      return isAllowed ? outcome('allow-session', question.digest) : wait(question, patience, signal);
    },

    answer(id, digest, answer) {
      expireOverdue();
      const found = waiting.get(id);
      if (found === undefined) return { ok: false, code: 'unknown' };
      const { question, settle } = found;
      if (digest !== question.digest) return { ok: false, code: 'digest-mismatch' };
      if (!isOffered(question, answer)) return { ok: false, code: 'not-offered' };
      if (answer === 'allow-session') {
        // For what is asked from now on. Others that wait were put with arguments of their own, and stay questions.
        remembered.add(question);
      }
      settle(answer);
      return { ok: true };
    },

    isRemembered: (key) => remembered.has(key),

    pending() {
      expireOverdue();
      return [...waiting.values()].map(({ question }) => question);
    },

    closeAll(answer) {
      if (answer === 'quit') quitting = true;
      expireOverdue();
      settleWhere(() => true, answer);
    },

    forgetSession(session) {
      remembered.forget(session);
      settleWhere((question) => question.session === session, 'cancelled');
    },

    onChange(listener) {
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },
  };
}

function outcome(answer: ApprovalAnswer, digest: string): ApprovalOutcome {
  return { answer, allowed: answer === 'allow-once' || answer === 'allow-session', digest };
}

/** Exact words only: an answer that is none of the three, whatever it is, is not offered. */
function isOffered(question: ApprovalQuestion, answer: 'allow-once' | 'allow-session' | 'deny'): boolean {
  switch (answer) {
    case 'deny':
      return true;
    case 'allow-once':
      return question.remember.includes('call');
    case 'allow-session':
      return question.remember.includes('session');
    default:
      answer satisfies never;
      return false;
  }
}
