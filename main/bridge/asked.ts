import type { JsonObject } from '../policy/json.ts';
import { idKey, isId, notificationText, type RpcId } from './message.ts';

/** Questions the app was told are over and may still answer; beyond this the oldest is forgotten. */
const staleLimit = 1_000;

interface Question {
  /** As Gatehouse knows it. */
  readonly id: RpcId;
  /** The session it was asked in: an answer belongs there and nowhere else. */
  readonly session: object;
}

/**
 * What servers ask the app (elicitation, sampling, roots) and it has not answered. Ids of two sessions may be the same: an answer to a
 * question from before a restart must never pass for the answer to one from after it.
 */
export class AskedOfApp {
  /** By the id the app knows. */
  readonly #open = new Map<string, Question>();
  #renamed = 0;

  /** The text for the app: under another id where an unanswered question has this one. */
  ask(text: string, json: JsonObject, id: RpcId, session: object): string {
    if (!this.#open.has(idKey(id))) {
      this.#open.set(idKey(id), { id, session });
      return text;
    }
    const own = this.#newId();
    this.#open.set(idKey(own), { id, session });
    return JSON.stringify({ ...json, id: own });
  }

  /** The app's answer for Gatehouse; undefined where nothing of this session waits for it. */
  answer(text: string, json: JsonObject, id: RpcId, session: object | undefined): string | undefined {
    const question = this.#open.get(idKey(id));
    this.#open.delete(idKey(id));
    if (question === undefined || question.session !== session) return undefined;
    return question.id === id ? text : JSON.stringify({ ...json, id: question.id });
  }

  /** A server takes its question back: the text for the app. */
  withdraw(text: string, json: JsonObject, params: JsonObject, session: object): string {
    const { requestId } = params;
    if (!isId(requestId)) return text;
    for (const [key, question] of this.#open) {
      if (question.session !== session || question.id !== requestId) continue;
      this.#open.delete(key);
      const own = idOfKey(key);
      return own === requestId ? text : JSON.stringify({ ...json, params: { ...params, requestId: own } });
    }
    return text;
  }

  /** A session is lost: what the app is told of its open questions. They stay known, so that a late answer goes nowhere. */
  lose(session: object): readonly string[] {
    const texts: string[] = [];
    for (const [key, question] of this.#open) {
      if (question.session !== session) continue;
      const reason = 'Gatehouse was restarted, and what asked this is gone.';
      texts.push(notificationText('notifications/cancelled', { requestId: idOfKey(key), reason }));
    }
    for (const key of this.#open.keys()) if (this.#open.size > staleLimit) this.#open.delete(key);
    return texts;
  }

  #newId(): string {
    for (;;) {
      this.#renamed++;
      const id = `gatehouse-bridge-${this.#renamed}`;
      if (!this.#open.has(idKey(id))) return id;
    }
  }
}

function idOfKey(key: string): RpcId {
  const text = key.slice(key.indexOf(':') + 1);
  return key.startsWith('number:') ? Number(text) : text;
}
