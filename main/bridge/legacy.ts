import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { type AppSide, cutOff, lost, mostAttempts, notReached } from './app-side.ts';
import { AskedOfApp } from './asked.ts';
import type { Flying } from './flying.ts';
import { discard, type Reply } from './http.ts';
import { errorOf, follow, type Link, type StreamEnd } from './link.ts';
import { isId, type Notification, type Request, type RpcId } from './message.ts';
import { SessionMemory } from './session-memory.ts';

const mostPauseMs = 10_000;

/** A session of the revisions with `initialize` (2024-11-05 to 2025-11-25), as Gatehouse knows it now. */
interface Session {
  readonly headers: Readonly<Record<string, string>>;
  /** Ends its standing stream. */
  readonly over: AbortController;
}

/** Relays for an app that opened a session. A session that is gone is opened again behind the app's back. */
export class LegacySide {
  readonly #link: Link;
  readonly #app: AppSide;
  readonly #asked = new AskedOfApp();
  #session: Session | undefined;
  #memory: SessionMemory | undefined;
  #renewing: Promise<JsonObject | undefined> | undefined;

  constructor(link: Link, app: AppSide) {
    this.#link = link;
    this.#app = app;
  }

  get opened(): boolean {
    return this.#session !== undefined;
  }

  async carry(flying: Flying): Promise<void> {
    const { gate } = this.#link;
    for (let attempt = 1; ; attempt++) {
      if (!(await gate.wait(flying.signal, 'bounded'))) return this.#app.fail(flying, notReached(gate));
      const session = flying.method === 'initialize' ? undefined : this.#session;
      const outcome = await this.#post(session, flying.message.text, flying.signal, () => flying.markSent());
      if (flying.signal.aborted) return;
      if (!outcome.ok) {
        if (outcome.why === 'lost' && !flying.repeatable) return this.#app.fail(flying, lost);
        if (outcome.why === 'cut' && attempt > 1) return this.#app.fail(flying, cutOff(flying));
        if (attempt >= mostAttempts) return this.#app.fail(flying, notReached(gate));
        continue;
      }
      const { reply } = outcome;
      if (reply.status === 404 && session !== undefined && attempt < mostAttempts) {
        // "Session Management": a session the server does not know. Nothing was done, so the request may go again.
        discard(reply.body);
        const why = await this.#renew(session);
        if (why !== undefined) return this.#app.fail(flying, why);
        if (flying.cancelled) return;
        continue;
      }
      if (reply.status < 200 || reply.status > 299) return this.#app.fail(flying, await errorOf(reply));
      let end = await this.#follow(reply, flying, session);
      if (!flying.answered && session !== undefined) end = await this.#resume(flying, session, end);
      if (flying.answered || flying.cancelled || flying.signal.aborted) return;
      if (!end.whole) gate.lost();
      if (!flying.repeatable || attempt >= mostAttempts) return this.#app.fail(flying, lost);
    }
  }

  /** Notifications are sent until they arrive; nothing happens twice by one that arrives twice. */
  async notify(message: Notification, signal: AbortSignal): Promise<void> {
    const { gate } = this.#link;
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      if (!(await gate.wait(signal, 'bounded'))) break;
      const session = this.#session;
      const outcome = await this.#post(session, message.text, signal);
      if (signal.aborted) return;
      if (!outcome.ok) continue;
      const { status, body } = outcome.reply;
      discard(body);
      if (status === 404 && session !== undefined) {
        // What was to be cancelled is gone with its session.
        if (message.method === 'notifications/cancelled') return;
        if ((await this.#renew(session)) !== undefined) break;
        continue;
      }
      if (status > 299) this.#app.say(`Gatehouse did not take ${message.method} (HTTP status ${status})`);
      if (message.method === 'notifications/initialized') this.#initialized(message.text);
      return;
    }
    this.#app.say(`${message.method} could not be delivered`);
  }

  /** The app's answer to a server's question. */
  async respond(text: string, json: JsonObject, id: RpcId, signal: AbortSignal): Promise<void> {
    const { gate } = this.#link;
    const session = this.#session;
    const answer = this.#asked.answer(text, json, id, session);
    if (answer === undefined) {
      this.#app.say('an answer of the app belongs to no question that is still open');
      return;
    }
    for (let attempt = 1; attempt <= mostAttempts && session === this.#session; attempt++) {
      if (!(await gate.wait(signal, 'bounded'))) return;
      const outcome = await this.#post(session, answer, signal);
      if (outcome.ok) return discard(outcome.reply.body);
      if (signal.aborted) return;
    }
  }

  /** Ends the session: what still runs in it has nobody left to answer. */
  async close(ms: number): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.over.abort();
    const outcome = await this.#link.ask('DELETE', session.headers, AbortSignal.timeout(ms));
    if (outcome.ok) discard(outcome.reply.body);
  }

  #post(session: Session | undefined, text: string, signal: AbortSignal, onSent?: () => void) {
    return this.#link.ask('POST', session?.headers ?? {}, signal, text, onSent);
  }

  #follow(reply: Reply, flying: Flying | undefined, session: Session | undefined): Promise<StreamEnd> {
    return follow(reply, async (text, json) => {
      const { id, method } = json;
      if (typeof method === 'string') {
        if (session === undefined) return this.#app.write(text);
        // A session that was replaced meanwhile has nothing to say any more.
        if (session !== this.#session) return;
        if (isId(id)) return this.#app.write(this.#asked.ask(text, json, id, session));
        if (method !== 'notifications/cancelled' || !isJsonObject(json.params)) return this.#app.write(text);
        return this.#app.write(this.#asked.withdraw(text, json, json.params, session));
      }
      if (!isId(id) || flying === undefined || flying.cancelled || !flying.answer(id)) return;
      if (flying.message.kind === 'request') this.#remember(flying.message, json, reply);
      return this.#app.write(text);
    });
  }

  /** "Resumability and Redelivery": what was missed of a request's own stream, as often as it takes. */
  async #resume(flying: Flying, session: Session, first: StreamEnd): Promise<StreamEnd> {
    const { gate } = this.#link;
    let end = first;
    let failures = 0;
    while (end.lastId !== undefined && failures < mostAttempts && session === this.#session) {
      if (flying.cancelled || flying.signal.aborted) break;
      if (!end.whole) gate.lost();
      await pause(end.retryMs ?? 100 * 2 ** failures, flying.signal);
      if (!(await gate.wait(flying.signal, 'bounded'))) break;
      const headers = { ...session.headers, 'last-event-id': end.lastId };
      const outcome = await this.#link.ask('GET', headers, flying.signal);
      failures++;
      if (!outcome.ok) continue;
      const { reply } = outcome;
      if (reply.status !== 200 || !reply.isStream) {
        discard(reply.body);
        // Too many streams, or too busy: later. Anything else says that there is nothing to take up.
        if (reply.status === 409 || reply.status === 429 || reply.status === 503) continue;
        break;
      }
      failures = 0;
      const next = await this.#follow(reply, flying, session);
      end = { ...next, lastId: next.lastId ?? end.lastId, retryMs: next.retryMs ?? end.retryMs };
      if (flying.answered) break;
    }
    return end;
  }

  #remember(request: Request, json: JsonObject, reply: Reply): void {
    const { result } = json;
    if (!isJsonObject(result)) return;
    if (request.method !== 'initialize') {
      this.#memory?.take(request);
      return;
    }
    if (this.#session !== undefined) void this.close(1_000);
    this.#memory = new SessionMemory(request, result);
    this.#session = newSession(reply.session, this.#memory.version);
  }

  #initialized(text: string): void {
    if (this.#memory === undefined || this.#session === undefined) return;
    this.#memory.initialized = text;
    void this.#stand(this.#session);
  }

  /** Opens a lost session again; several that found it lost share one attempt. undefined when it is there. */
  #renew(gone: Session): Promise<JsonObject | undefined> {
    if (this.#session !== gone) return Promise.resolve(undefined);
    this.#renewing ??= this.#renewNow(gone).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewNow(gone: Session): Promise<JsonObject | undefined> {
    const memory = this.#memory;
    if (memory === undefined) return lost;
    const { gate } = this.#link;
    const { signal } = gone.over;
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      if (!(await gate.wait(signal, 'bounded'))) return notReached(gate);
      const outcome = await this.#post(undefined, memory.initialize, signal);
      if (!outcome.ok) continue;
      const { reply } = outcome;
      if (reply.status !== 200) return errorOf(reply);
      let answer: JsonObject | undefined;
      await follow(reply, (_text, json) => {
        if (json.method === undefined) answer = json;
      });
      const result = answer?.result;
      if (!isJsonObject(result)) {
        if (isJsonObject(answer?.error)) return answer.error;
        continue;
      }
      if (result.protocolVersion !== memory.version) {
        this.#app.giveUp(
          'Gatehouse was replaced by a version that speaks to this app in another way. Start the app again.',
        );
        return lost;
      }
      const session = newSession(reply.session, memory.version);
      if (memory.initialized === undefined || (await this.#restore(session, memory))) {
        await this.#replace(gone, session, memory);
        return undefined;
      }
    }
    return notReached(gate);
  }

  /** Sets in a new session what the app had set in the old one. False when the connection broke again. */
  async #restore(session: Session, memory: SessionMemory): Promise<boolean> {
    for (const text of memory.texts()) {
      const outcome = await this.#post(session, text, session.over.signal);
      if (!outcome.ok) return false;
      // The app had its answer long ago; what these say now only concerns what is announced.
      await follow(outcome.reply, () => undefined);
    }
    return true;
  }

  async #replace(gone: Session, session: Session, memory: SessionMemory): Promise<void> {
    this.#session = session;
    gone.over.abort();
    this.#app.say('Gatehouse was restarted; the session was opened again');
    for (const text of this.#asked.lose(gone)) await this.#app.write(text);
    if (memory.initialized === undefined) return;
    void this.#stand(session);
    for (const text of memory.news()) await this.#app.write(text);
  }

  /** "Listening for Messages from the Server": one stream for as long as the session lasts. */
  async #stand(session: Session): Promise<void> {
    const { gate } = this.#link;
    const { signal } = session.over;
    let lastId: string | undefined;
    let pauseMs = 0;
    while (!signal.aborted) {
      if (pauseMs > 0) await pause(pauseMs, signal);
      pauseMs = Math.min(Math.max(pauseMs * 2, 100), mostPauseMs);
      if (!(await gate.wait(signal, 'endless'))) return;
      const headers = { ...session.headers, ...(lastId !== undefined && { 'last-event-id': lastId }) };
      const outcome = await this.#link.ask('GET', headers, signal);
      if (!outcome.ok) continue;
      const { reply } = outcome;
      if (reply.status !== 200 || !reply.isStream) {
        discard(reply.body);
        if (reply.status === 404 && (await this.#renew(session)) === undefined) return;
        // No such stream is offered here ("Listening": 405), now or later.
        if (reply.status === 405 || reply.status === 400 || reply.status === 406) return;
        continue;
      }
      const began = Date.now();
      const end = await this.#follow(reply, undefined, session);
      if (signal.aborted) return;
      if (end.whole) gate.ended();
      else gate.lost();
      lastId = end.lastId ?? lastId;
      if (Date.now() - began > mostPauseMs) pauseMs = 0;
      pauseMs = Math.max(pauseMs, end.retryMs ?? 0);
    }
  }
}

function newSession(id: string | undefined, version: string): Session {
  return {
    headers: { 'mcp-protocol-version': version, ...(id !== undefined && { 'mcp-session-id': id }) },
    over: new AbortController(),
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
