import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type ApprovalOutcome,
  type ApprovalRequest,
  type Approvals,
  createApprovals,
} from '../../../main/approvals/approvals.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

let now: number;
let approvals: Approvals;
const clock = { now: () => now };
const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
  now = 1_000_000;
  approvals = createApprovals({ clock });
});
afterEach(() => {
  approvals.closeAll('quit');
  vi.useRealTimers();
});

function requestOf(changes: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return {
    callId: 'call-1',
    app: 'Cursor',
    user: 'alice',
    session: 'session-1',
    alias: 'github',
    serverTitle: 'GitHub',
    tool: 'create_issue',
    definition: { name: 'create_issue', inputSchema: { type: 'object' } },
    definitionSha256: 'd'.repeat(64),
    args: { title: 'Hello' },
    labels: ['changes-state'],
    reason: 'It changes something.',
    rules: ['rule-1'],
    policyDigest: 'p'.repeat(64),
    message: '',
    remember: ['call', 'session'],
    timeoutMs: 60_000,
    ...changes,
  };
}

function keyOf(request: ApprovalRequest) {
  const { session, alias, tool, definitionSha256, policyDigest } = request;
  return { session, alias, tool, definitionSha256, policyDigest };
}

/** The only question waiting. */
function onlyQuestion() {
  const [question, ...more] = approvals.pending();
  if (question === undefined || more.length > 0) throw new Error(`${more.length + 1} questions wait.`);
  return question;
}

/** Asks, answers, and gives what came of it. */
async function askAndAnswer(request: ApprovalRequest, answer: 'allow-once' | 'allow-session' | 'deny') {
  const asked = approvals.ask(request, never);
  const { id, digest } = onlyQuestion();
  const answered = approvals.answer(id, digest, answer);
  return { answered, outcome: answered.ok ? await asked : undefined };
}

describe('when a question is put', () => {
  it('waits with everything it was asked, bound to the digest of exactly that', async () => {
    const { timeoutMs, ...shown } = requestOf();
    void approvals.ask({ timeoutMs, ...shown }, never);
    const question = onlyQuestion();
    const { digest, askedAt, expiresAt, ...bound } = question;
    expect(question).toMatchObject({ ...shown, askedAt: now, expiresAt: now + timeoutMs });
    expect(question.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(digest).toBe(sha256OfJson({ ...bound } as unknown as JsonObject));
  });

  it('has another digest when any one field differs, and never the same twice', async () => {
    const others: Partial<ApprovalRequest>[] = [
      {},
      { callId: 'call-2' },
      { app: 'cursor' },
      { user: 'bob' },
      { session: 'session-2' },
      { alias: 'gitlab' },
      { serverTitle: 'GitHub ' },
      { tool: 'delete_issue' },
      { definition: { name: 'create_issue' } },
      { definitionSha256: 'e'.repeat(64) },
      { args: { title: 'Hello', __proto__: null } as unknown as JsonObject },
      { args: JSON.parse('{"title":"Hello","__proto__":{"admin":true}}') as JsonObject },
      { extra: {} },
      { extra: { _meta: { 'x/secret': 1 } } },
      { labels: [] },
      { reason: '' },
      { rules: [] },
      { policyDigest: 'q'.repeat(64) },
      { message: 'Be careful' },
      { remember: ['call'] },
    ];
    const digests = new Set<string>();
    for (const change of others) {
      void approvals.ask(requestOf({ ...change }), never);
      digests.add(onlyQuestion().digest);
      approvals.closeAll('closed');
    }
    expect(digests.size).toBe(others.length);
  });

  it('cannot be changed afterwards, by who asked or by who shows it', async () => {
    const args = JSON.parse('{"list":[{"deep":{"path":"/tmp"}}],"__proto__":{"polluted":true}}');
    void approvals.ask(requestOf({ args }), never);
    args.list[0].deep.path = '/etc/passwd';
    const question = onlyQuestion();
    expect(JSON.stringify(question.args)).toBe('{"list":[{"deep":{"path":"/tmp"}}],"__proto__":{"polluted":true}}');
    expect(Object.getPrototypeOf(question.args)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
    const list = question.args.list as unknown as { deep: { path: string } }[];
    expect(() => Object.assign(question, { tool: 'other' })).toThrow(TypeError);
    expect(() => Object.assign(question.definition, { name: 'other' })).toThrow(TypeError);
    expect(() => list.push({ deep: { path: '/' } })).toThrow(TypeError);
    expect(() => Object.assign(list[0]?.deep ?? {}, { path: '/' })).toThrow(TypeError);
    expect(() => (approvals.pending() as unknown[]).splice(0)).not.toThrow();
    expect(approvals.pending()).toHaveLength(1);
  });

  it('shows nothing that is not digested, whatever else a caller passes along', async () => {
    void approvals.ask(
      { ...requestOf(), id: 'mine', digest: 'mine', expiresAt: 9e15, more: 1 } as ApprovalRequest,
      never,
    );
    const question = onlyQuestion();
    expect(question).not.toHaveProperty('more');
    expect(question.id).not.toBe('mine');
    expect(question.digest).not.toBe('mine');
    expect(question.expiresAt).toBe(now + 60_000);
  });

  it('is refused, not shown, when it cannot be bound to a digest', async () => {
    await expect(approvals.ask(requestOf({ args: { n: Number.NaN } }), never)).rejects.toThrow();
    await expect(approvals.ask(requestOf({ args: { s: '\ud800' } }), never)).rejects.toThrow();
    let deep: JsonObject = {};
    for (let n = 0; n < 100_000; n++) deep = { deep };
    await expect(approvals.ask(requestOf({ args: deep }), never)).rejects.toThrow();
    expect(approvals.pending()).toEqual([]);
  });
});

describe('when the person answers', () => {
  it('passes the answer on', async () => {
    const expected = { 'allow-once': true, deny: false, 'allow-session': true } as const;
    for (const answer of ['allow-once', 'deny', 'allow-session'] as const) {
      const { outcome } = await askAndAnswer(requestOf(), answer);
      expect(outcome).toMatchObject({
        answer,
        allowed: expected[answer],
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
  });

  it('takes an answer once', async () => {
    const asked = approvals.ask(requestOf(), never);
    const { id, digest } = onlyQuestion();
    expect(approvals.answer(id, digest, 'deny')).toEqual({ ok: true });
    expect(approvals.answer(id, digest, 'allow-once')).toEqual({ ok: false, code: 'unknown' });
    expect(approvals.answer(id, digest, 'deny')).toEqual({ ok: false, code: 'unknown' });
    expect(await asked).toMatchObject({ answer: 'deny', allowed: false });
  });

  it('refuses an answer to anything but what was shown, and the question waits on', async () => {
    void approvals.ask(requestOf({ callId: 'a' }), never);
    void approvals.ask(requestOf({ callId: 'b' }), never);
    const [a, b] = approvals.pending();
    if (a === undefined || b === undefined) throw new Error('Two questions should wait.');
    for (const digest of [b.digest, '', a.digest.toUpperCase(), a.digest.slice(1), `${a.digest} `]) {
      expect(approvals.answer(a.id, digest, 'allow-once')).toEqual({ ok: false, code: 'digest-mismatch' });
    }
    for (const id of ['', 'nobody', '__proto__', 'constructor', a.callId, a.digest]) {
      expect(approvals.answer(id, a.digest, 'allow-once')).toEqual({ ok: false, code: 'unknown' });
    }
    expect(approvals.pending()).toHaveLength(2);
  });

  it('refuses an answer that the policy does not offer', async () => {
    void approvals.ask(requestOf({ remember: ['call'] }), never);
    const once = onlyQuestion();
    expect(approvals.answer(once.id, once.digest, 'allow-session')).toEqual({ ok: false, code: 'not-offered' });
    for (const odd of ['allow', 'timeout', '', 'constructor', null, undefined, 1, ['deny']]) {
      expect(approvals.answer(once.id, once.digest, odd as never)).toEqual({ ok: false, code: 'not-offered' });
    }
    approvals.closeAll('closed');
    void approvals.ask(requestOf({ remember: [] }), never);
    const none = onlyQuestion();
    expect(approvals.answer(none.id, none.digest, 'allow-once')).toEqual({ ok: false, code: 'not-offered' });
    expect(approvals.answer(none.id, none.digest, 'deny')).toEqual({ ok: true });
  });
});

describe('when nobody answers', () => {
  it('means no after the time given', async () => {
    const asked = approvals.ask(requestOf({ timeoutMs: 5_000 }), never);
    const { id, digest } = onlyQuestion();
    now += 5_000;
    vi.advanceTimersByTime(5_000);
    expect(await asked).toEqual({ answer: 'timeout', allowed: false, digest });
    expect(approvals.answer(id, digest, 'allow-once')).toEqual({ ok: false, code: 'unknown' });
  });

  it('means no by the clock on a laptop that slept, before its timer fires', async () => {
    const asked = approvals.ask(requestOf(), never);
    const { id, digest } = onlyQuestion();
    now += 60_000;
    expect(approvals.answer(id, digest, 'allow-once')).toEqual({ ok: false, code: 'unknown' });
    expect(await asked).toMatchObject({ answer: 'timeout' });
    const another = approvals.ask(requestOf(), never);
    now += 60_000;
    expect(approvals.pending()).toEqual([]);
    expect(await another).toMatchObject({ answer: 'timeout' });
  });

  it('takes an answer in the last millisecond', async () => {
    const asked = approvals.ask(requestOf(), never);
    const { id, digest } = onlyQuestion();
    now += 59_999;
    expect(approvals.answer(id, digest, 'allow-once')).toEqual({ ok: true });
    expect(await asked).toMatchObject({ allowed: true });
  });

  it('means no by the timer when the clock was set back meanwhile', async () => {
    const asked = approvals.ask(requestOf(), never);
    now -= 3_600_000;
    vi.advanceTimersByTime(60_000);
    expect(await asked).toMatchObject({ answer: 'timeout' });
  });

  it('keeps to sensible times whatever it is given', async () => {
    for (const timeoutMs of [0, -1, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
      const asked = approvals.ask(requestOf({ timeoutMs }), never);
      expect(approvals.pending()).toEqual([]);
      expect(await asked).toMatchObject({ answer: 'timeout' });
    }
    void approvals.ask(requestOf({ timeoutMs: 1e12 }), never);
    expect(onlyQuestion().expiresAt).toBe(now + 600_000);
  });
});

describe('when a question ends otherwise', () => {
  it('is cancelled with its call, before or after it was put', async () => {
    const controller = new AbortController();
    const asked = approvals.ask(requestOf(), controller.signal);
    const { id, digest } = onlyQuestion();
    controller.abort();
    expect(approvals.answer(id, digest, 'allow-once')).toEqual({ ok: false, code: 'unknown' });
    expect(await asked).toEqual({ answer: 'cancelled', allowed: false, digest });
    expect(await approvals.ask(requestOf(), controller.signal)).toMatchObject({ answer: 'cancelled' });
    expect(approvals.pending()).toEqual([]);
  });

  it('is decided by whichever came first when an answer and an abort race', async () => {
    const controller = new AbortController();
    const asked = approvals.ask(requestOf(), controller.signal);
    const { id, digest } = onlyQuestion();
    approvals.answer(id, digest, 'allow-session');
    controller.abort();
    expect(await asked).toMatchObject({ answer: 'allow-session', allowed: true });
    const aborting = new AbortController();
    const other = approvals.ask(requestOf({ tool: 'other' }), aborting.signal);
    const question = onlyQuestion();
    // Answered from within the abort itself: the question is gone by then or answered, never both.
    aborting.signal.addEventListener('abort', () => approvals.answer(question.id, question.digest, 'allow-session'));
    aborting.abort();
    expect(await other).toMatchObject({ answer: 'cancelled', allowed: false });
    expect(approvals.isRemembered(keyOf(requestOf({ tool: 'other' })))).toBe(false);
  });

  it('is closed with the window, and refused from then on when Gatehouse quits', async () => {
    const first = approvals.ask(requestOf(), never);
    approvals.closeAll('closed');
    expect(await first).toMatchObject({ answer: 'closed', allowed: false });
    const second = approvals.ask(requestOf(), never);
    approvals.closeAll('quit');
    expect(await second).toMatchObject({ answer: 'quit', allowed: false });
    expect(await approvals.ask(requestOf(), never)).toMatchObject({ answer: 'quit', allowed: false });
  });
});

describe('when the person allows a tool for a session', () => {
  it('does not ask again for exactly that', async () => {
    const request = requestOf();
    expect(approvals.isRemembered(keyOf(request))).toBe(false);
    await askAndAnswer(request, 'allow-session');
    expect(approvals.isRemembered(keyOf(request))).toBe(true);
    const again = await approvals.ask(requestOf({ callId: 'call-2', args: { title: 'Other' } }), never);
    expect(again).toMatchObject({
      answer: 'allow-session',
      allowed: true,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(approvals.pending()).toEqual([]);
  });

  it('asks again for another session, server, tool, definition or policy, or where it may not be remembered', async () => {
    await askAndAnswer(requestOf(), 'allow-session');
    const others: Partial<ApprovalRequest>[] = [
      { session: 'session-2' },
      { alias: 'gitlab' },
      { tool: 'delete_issue' },
      { definitionSha256: 'e'.repeat(64) },
      { policyDigest: 'q'.repeat(64) },
      { remember: ['call'] },
      { alias: 'github","create_issue', tool: '' },
    ];
    for (const change of others) {
      void approvals.ask(requestOf(change), never);
      expect(onlyQuestion()).toMatchObject(change);
      approvals.closeAll('closed');
    }
  });

  it('answers nothing that already waits: each was put with arguments of its own', async () => {
    const shown = approvals.ask(requestOf({ callId: 'a' }), never);
    const unseen = approvals.ask(requestOf({ callId: 'b', args: { title: 'Something else' } }), never);
    const [first] = approvals.pending();
    if (first === undefined) throw new Error('Questions should wait.');
    approvals.answer(first.id, first.digest, 'allow-session');
    expect(await shown).toMatchObject({ answer: 'allow-session' });
    const second = onlyQuestion();
    expect(second).toMatchObject({ callId: 'b', args: { title: 'Something else' } });
    approvals.answer(second.id, second.digest, 'deny');
    expect(await unseen).toMatchObject({ answer: 'deny', allowed: false });
    expect(await approvals.ask(requestOf({ callId: 'c' }), never)).toMatchObject({ answer: 'allow-session' });
  });

  it('forgets it with the session, whose waiting questions are cancelled', async () => {
    await askAndAnswer(requestOf(), 'allow-session');
    const waiting = approvals.ask(requestOf({ tool: 'other' }), never);
    const foreign = approvals.ask(requestOf({ session: 'session-2' }), never);
    approvals.forgetSession('session-1');
    expect(approvals.isRemembered(keyOf(requestOf()))).toBe(false);
    expect(await waiting).toMatchObject({ answer: 'cancelled', allowed: false });
    expect(onlyQuestion().session).toBe('session-2');
    approvals.closeAll('closed');
    expect(await foreign).toMatchObject({ answer: 'closed' });
  });

  it('does not remember a session answer that was refused, nor one given once', async () => {
    await askAndAnswer(requestOf(), 'allow-once');
    void approvals.ask(requestOf(), never);
    const { id } = onlyQuestion();
    approvals.answer(id, 'wrong', 'allow-session');
    expect(approvals.isRemembered(keyOf(requestOf()))).toBe(false);
  });
});

describe('when questions come in floods', () => {
  it('lets 10 of one app and 50 in all wait; the rest are cancelled and never a yes', async () => {
    const outcomes: Promise<{ readonly allowed: boolean; readonly unasked?: string }>[] = [];
    for (let n = 0; n < 10_000; n++) outcomes.push(approvals.ask(requestOf({ callId: `call-${n}` }), never));
    expect(approvals.pending()).toHaveLength(10);
    for (let app = 0; app < 20; app++) {
      for (let n = 0; n < 20; n++) outcomes.push(approvals.ask(requestOf({ app: `App ${app}` }), never));
    }
    expect(approvals.pending()).toHaveLength(50);
    approvals.closeAll('closed');
    const settled = await Promise.all(outcomes);
    expect(settled.some((outcome) => outcome.allowed)).toBe(false);
    expect(settled.filter((outcome) => outcome.unasked === 'too-many-waiting')).toHaveLength(10_400 - 50);
    void approvals.ask(requestOf(), never);
    expect(approvals.pending()).toHaveLength(1);
  });

  it('still lets through what was allowed for the session', async () => {
    await askAndAnswer(requestOf({ tool: 'allowed' }), 'allow-session');
    for (let n = 0; n < 20; n++) void approvals.ask(requestOf(), never);
    expect(await approvals.ask(requestOf({ tool: 'allowed' }), never)).toMatchObject({ allowed: true });
  });

  it('keeps its promises under any order of events: one outcome each, yes only where a person said so', async () => {
    const action = fc.constantFrom(
      'ask',
      'allow-once',
      'allow-session',
      'deny',
      'forge',
      'abort',
      'wait',
      'close',
      'forget',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(action, fc.nat({ max: 3 })), { maxLength: 60 }), async (steps) => {
        const subject = createApprovals({ clock });
        const asked: {
          readonly controller: AbortController;
          readonly outcome: Promise<ApprovalOutcome>;
          readonly tool: string;
        }[] = [];
        const allowedOnce = new Set<string>();
        const allowedForSession = new Set<string>();
        for (const [what, pick] of steps) {
          const question = subject.pending()[pick];
          switch (what) {
            case 'ask': {
              const controller = new AbortController();
              const tool = `tool-${pick}`;
              asked.push({
                controller,
                tool,
                outcome: subject.ask(requestOf({ tool, timeoutMs: 100 }), controller.signal),
              });
              break;
            }
            case 'allow-once':
            case 'allow-session':
            case 'deny':
              if (question !== undefined && subject.answer(question.id, question.digest, what).ok) {
                if (what === 'allow-once') allowedOnce.add(question.digest);
                if (what === 'allow-session') allowedForSession.add(question.tool);
              }
              break;
            case 'forge':
              if (question !== undefined)
                expect(subject.answer(question.id, 'f'.repeat(64), 'allow-once').ok).toBe(false);
              break;
            case 'abort':
              asked[pick]?.controller.abort();
              break;
            case 'wait':
              now += 40;
              vi.advanceTimersByTime(40);
              break;
            case 'close':
              subject.closeAll('closed');
              break;
            case 'forget':
              subject.forgetSession('session-1');
              expect(subject.pending()).toEqual([]);
              break;
            default:
              what satisfies never;
          }
        }
        subject.closeAll('quit');
        for (const { outcome, tool } of asked) {
          const { answer, allowed, digest } = await outcome;
          const agreed =
            (answer === 'allow-once' && allowedOnce.has(digest)) ||
            (answer === 'allow-session' && allowedForSession.has(tool));
          expect(allowed).toBe(agreed);
        }
        expect(subject.pending()).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('when somebody listens', () => {
  it('tells of each question that comes and goes, past a listener that throws', async () => {
    const seen: number[] = [];
    approvals.onChange(() => {
      throw new Error('broken listener');
    });
    const stop = approvals.onChange(() => seen.push(approvals.pending().length));
    await askAndAnswer(requestOf(), 'deny');
    stop();
    void approvals.ask(requestOf(), never);
    expect(seen).toEqual([1, 0]);
  });

  it('survives a listener that answers at once', async () => {
    approvals.onChange(() => {
      for (const { id, digest } of approvals.pending()) approvals.answer(id, digest, 'deny');
    });
    expect(await approvals.ask(requestOf(), never)).toMatchObject({ answer: 'deny' });
  });
});
