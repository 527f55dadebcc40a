import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { type AppSide, cutOff, lost, mostAttempts, notReached } from './app-side.ts';
import type { Flying } from './flying.ts';
import { ModernHeaders } from './headers.ts';
import { errorOf, follow, type Link } from './link.ts';
import { code, isId, notificationText, type Request, subscriptionKey } from './message.ts';

const listPages = 50;
const mostPauseMs = 10_000;
/** A subscription ended sooner than this after it was taken was not ended by a restart. */
const briefMs = 5_000;

/** Relays requests of 2026-07-28, each of which stands alone. */
export class ModernSide {
  readonly #link: Link;
  readonly #app: AppSide;
  readonly #headers = new ModernHeaders();

  constructor(link: Link, app: AppSide) {
    this.#link = link;
    this.#app = app;
  }

  async carry(flying: Flying): Promise<void> {
    const { message } = flying;
    if (message.kind !== 'request') return;
    if (message.method === 'subscriptions/listen') return this.#listen(flying, message);
    const { gate } = this.#link;
    let looked = false;
    for (let attempt = 1; ; attempt++) {
      if (!(await gate.wait(flying.signal, 'bounded'))) return this.#app.fail(flying, notReached(gate));
      const outcome = await this.#post(flying, message);
      if (flying.signal.aborted) return;
      if (!outcome.ok) {
        if (outcome.why === 'lost' && !flying.repeatable) return this.#app.fail(flying, lost);
        if (outcome.why === 'cut' && attempt > 1) return this.#app.fail(flying, cutOff(flying));
        if (attempt >= mostAttempts) return this.#app.fail(flying, notReached(gate));
        continue;
      }
      const { reply } = outcome;
      if (reply.status < 200 || reply.status > 299) {
        const error = await errorOf(reply);
        // "Custom Headers": a caller whose headers do not fit looks at the definition and asks once more. Nothing was done yet.
        if (error.code === code.headerMismatch && message.method === 'tools/call' && !looked) {
          looked = true;
          if (await this.#look(message, flying.signal)) continue;
        }
        return this.#app.fail(flying, error);
      }
      const end = await follow(reply, (text, json) => {
        if (typeof json.method === 'string') return this.#app.write(text);
        if (!isId(json.id) || flying.signal.aborted || !flying.answer(json.id)) return;
        if (message.method === 'tools/list') this.#headers.learn(json.result);
        return this.#app.write(text);
      });
      if (flying.answered || flying.signal.aborted) return;
      if (!end.whole) gate.lost();
      if (!flying.repeatable || attempt >= mostAttempts) return this.#app.fail(flying, lost);
    }
  }

  #post(flying: Flying, message: Request) {
    return this.#link.ask('POST', this.#headers.of(message), flying.signal, message.text, () => flying.markSent());
  }

  /** Reads the tools as this app sees them, to learn which arguments its calls have to repeat in headers. */
  async #look({ params }: Request, signal: AbortSignal): Promise<boolean> {
    const { progressToken: _token, ...meta } = isJsonObject(params._meta) ? params._meta : {};
    let cursor: string | undefined;
    for (let page = 0; page < listPages; page++) {
      const id = `gatehouse-bridge-${page}`;
      const ask = { _meta: meta, ...(cursor !== undefined && { cursor }) };
      const text = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list', params: ask });
      const request: Request = { kind: 'request', text, id, method: 'tools/list', params: ask, era: 'modern' };
      const outcome = await this.#link.ask('POST', this.#headers.of(request), signal, text);
      if (!outcome.ok) return false;
      let result: JsonObject | undefined;
      await follow(outcome.reply, (_text, json) => {
        if (json.id === id && isJsonObject(json.result)) result = json.result;
      });
      if (result === undefined) return false;
      this.#headers.learn(result);
      if (typeof result.nextCursor !== 'string') return true;
      cursor = result.nextCursor;
    }
    return false;
  }

  /**
   * "Subscriptions": a stream that stays open. When it ends because Gatehouse did, it is opened again, and the app is told that everything it
   * listens for may have changed. It hears of an end only when Gatehouse will not open it again.
   */
  async #listen(flying: Flying, message: Request): Promise<void> {
    const { gate } = this.#link;
    let honoured: JsonObject | undefined;
    let last: string | undefined;
    let failures = 0;
    while (!flying.signal.aborted) {
      if (failures > 0) await pause(Math.min(100 * 2 ** failures, mostPauseMs), flying.signal);
      if (!(await gate.wait(flying.signal, honoured === undefined ? 'bounded' : 'endless'))) {
        if (flying.signal.aborted) return;
        return this.#app.fail(flying, notReached(gate));
      }
      const outcome = await this.#post(flying, message);
      if (flying.signal.aborted) return;
      failures++;
      if (!outcome.ok) {
        if (honoured === undefined && failures >= mostAttempts) return this.#app.fail(flying, notReached(gate));
        continue;
      }
      const { reply } = outcome;
      if (reply.status === 429 || reply.status === 503) {
        const error = await errorOf(reply);
        if (honoured === undefined || failures >= mostAttempts) return this.#over(flying, honoured, last, error);
        continue;
      }
      if (reply.status < 200 || reply.status > 299) return this.#over(flying, honoured, last, await errorOf(reply));
      const began = Date.now();
      last = undefined;
      const end = await follow(reply, async (text, json) => {
        if (flying.signal.aborted) return;
        if (json.method === 'notifications/subscriptions/acknowledged') {
          const filter = isJsonObject(json.params) ? json.params.notifications : undefined;
          const again = honoured !== undefined;
          honoured = isJsonObject(filter) ? filter : {};
          return again ? this.#announce(message, honoured) : this.#app.write(text);
        }
        if (typeof json.method === 'string') return this.#app.write(text);
        if (json.id !== message.id) return;
        if ('error' in json || honoured === undefined || Object.keys(honoured).length === 0) {
          flying.answer(message.id);
          return this.#app.write(text);
        }
        last = text;
      });
      if (flying.answered || flying.signal.aborted) return;
      if (end.whole) gate.ended();
      else gate.lost();
      if (Date.now() - began > briefMs) failures = 0;
      else if (failures >= mostAttempts) return this.#over(flying, honoured, last, lost);
    }
  }

  /** On stdio the end of a subscription is told by `notifications/cancelled` ("Cancellation"), then by its answer. */
  async #over(flying: Flying, honoured: JsonObject | undefined, last: string | undefined, error: JsonObject) {
    const { message } = flying;
    if (honoured === undefined || message.kind !== 'request') return this.#app.fail(flying, error);
    await this.#app.write(notificationText('notifications/cancelled', { requestId: message.id }));
    if (last === undefined) return this.#app.fail(flying, error);
    flying.answer(message.id);
    return this.#app.write(last);
  }

  async #announce({ id }: Request, honoured: JsonObject): Promise<void> {
    const _meta = { [subscriptionKey]: id };
    const kinds = [
      ['toolsListChanged', 'tools'],
      ['promptsListChanged', 'prompts'],
      ['resourcesListChanged', 'resources'],
    ] as const;
    for (const [wish, kind] of kinds) {
      if (honoured[wish] !== true) continue;
      await this.#app.write(notificationText(`notifications/${kind}/list_changed`, { _meta }));
    }
    const uris = Array.isArray(honoured.resourceSubscriptions) ? honoured.resourceSubscriptions : [];
    for (const uri of uris) await this.#app.write(notificationText('notifications/resources/updated', { uri, _meta }));
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
