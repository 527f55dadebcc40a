import { isJsonObject } from '../policy/json.ts';
import type { Log } from '../ports.ts';
import type { BackendSides, Opened } from './backend-sides.ts';
import { definitionChanged, keptFromApp, notAsked, notReached } from './call-refusals.ts';
import { ended, type KnownCall, type Step, type Verdict } from './call-request.ts';
import type { Catalog } from './catalog.ts';
import type { Reply } from './conversation.ts';
import { failureCode } from './failure.ts';
import { roundTripKeyOf } from './forwarded.ts';
import type { Refusals } from './refuse.ts';
import { pinnedAs } from './subjects.ts';

/** Opens the session that is to carry a call, and looks whether it may. */
export class Opener {
  readonly #parts: {
    readonly log: Log;
    readonly catalog: Catalog;
    readonly sides: BackendSides;
    readonly refusals: Refusals;
  };

  constructor(parts: {
    readonly log: Log;
    readonly catalog: Catalog;
    readonly sides: BackendSides;
    readonly refusals: Refusals;
  }) {
    this.#parts = parts;
  }

  /** The session that will carry the call, if what it shows now is what was pinned. */
  async openVerified(call: KnownCall, decision: Verdict): Promise<Step<Opened>> {
    const { request, subject } = call;
    const { conversation } = request;
    const step = await this.open(call, decision);
    if (!step.ok) return step;
    const { session, release } = step.value;
    let keep = false;
    try {
      const refused = this.#notForThisEra(call, session.era);
      if (refused !== undefined) return ended(refused);
      const pinned = pinnedAs(subject);
      if (pinned !== undefined) {
        const { session: source, signal } = conversation;
        const { kind, name, pin } = pinned;
        const verdict = await this.#parts.catalog.verdictOf(session, subject.server, kind, name, source, signal);
        if (verdict === 'kept-from-app') return ended(keptFromApp(this.#parts.refusals, call));
        if (verdict?.state !== 'approved')
          return ended(definitionChanged(this.#parts.refusals, call, verdict ?? { state: 'missing', pin }));
      }
      keep = true;
      return step;
    } catch (error) {
      return ended(this.#notReached(call, decision, error));
    } finally {
      if (!keep) release();
    }
  }

  /** The session that will carry the call, whatever it shows. */
  async open(call: KnownCall, verdict: Verdict): Promise<Step<Opened>> {
    const { request, subject } = call;
    const { conversation } = request;
    try {
      const opened = await this.#parts.sides.open(conversation, subject.server.alias);
      if (conversation.logLevel !== undefined && conversation.era === 'modern') {
        await opened.side.wantLevel(opened.session, conversation.logLevel);
      }
      return { ok: true, value: opened };
    } catch (error) {
      return ended(this.#notReached(call, verdict, error));
    }
  }

  #notReached(call: KnownCall, verdict: Verdict, error: unknown): Reply {
    const { alias } = call.subject.server;
    this.#parts.log.warn('backend-not-reached', { alias, code: failureCode(error), error: String(error) });
    return notReached(this.#parts.refusals, call, verdict, error);
  }

  /** A 2025 server has no round trips that a request could continue, and tasks of its kind are not known to a 2026 caller. */
  #notForThisEra(call: KnownCall, backendEra: 'legacy' | 'modern'): Reply | undefined {
    const { conversation, method, params } = call.request;
    if (conversation.era !== 'modern' || backendEra !== 'legacy') return undefined;
    const key = roundTripKeyOf(params);
    if (key !== undefined && !method.startsWith('tasks/')) return notAsked(this.#parts.refusals, call, key);
    return method === 'tools/call' && isJsonObject(params.task)
      ? notAsked(this.#parts.refusals, call, 'task')
      : undefined;
  }
}
