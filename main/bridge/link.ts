import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import { Events } from './events.ts';
import type { Gate } from './gate.ts';
import { type Outcome, type Reply, readText, send } from './http.ts';
import { parse } from './message.ts';

/** Largest message taken from Gatehouse. */
const mostBytes = 256 << 20;

export interface Key {
  token: string;
  /** Reads the key again where it came from a file; true when it is another one now. */
  readonly renew: () => boolean;
}

/** How an answer's stream ended. */
export interface StreamEnd {
  /** To its proper end; a connection that broke has none. */
  readonly whole: boolean;
  readonly lastId: string | undefined;
  readonly retryMs: number | undefined;
}

/** Everything that goes to Gatehouse, with the app's key. */
export class Link {
  readonly gate: Gate;
  readonly #key: Key;

  constructor(gate: Gate, key: Key) {
    this.gate = gate;
    this.#key = key;
  }

  /** One request. Tells the gate what became of it. */
  async ask(
    method: 'POST' | 'GET' | 'DELETE',
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: string,
    onSent?: () => void,
  ): Promise<Outcome> {
    const once = () =>
      send({
        url: this.gate.endpoint,
        method,
        headers: { ...headers, authorization: `Bearer ${this.#key.token}` },
        signal,
        ...(body !== undefined && { body }),
        ...(onSent !== undefined && { onSent }),
      });
    let outcome = await once();
    if (outcome.ok && outcome.reply.status === 401 && this.#key.renew()) {
      outcome.reply.body.resume();
      outcome = await once();
    }
    if (outcome.ok) this.gate.answered();
    else if (!signal.aborted) this.gate.lost();
    return outcome;
  }
}

/**
 * Hands out each JSON-RPC message of an answer, as its text and parsed. What is no JSON-RPC is not handed out: it may be that somebody else has
 * the port.
 */
export async function follow(
  reply: Reply,
  take: (text: string, json: JsonObject) => Promise<void> | void,
): Promise<StreamEnd> {
  const each = async (text: string) => {
    const json = parse(text);
    if (!Array.isArray(json)) return isRpc(json) ? take(text, json) : undefined;
    for (const one of json as readonly Json[]) if (isRpc(one)) await take(JSON.stringify(one), one);
  };
  if (!reply.isStream) {
    const text = await readText(reply.body, mostBytes);
    if (text !== undefined) await each(text);
    return { whole: text !== undefined, lastId: undefined, retryMs: undefined };
  }
  const events = new Events(mostBytes);
  let whole = false;
  try {
    for await (const chunk of reply.body as AsyncIterable<Buffer>) {
      for (const text of events.push(chunk)) await each(text);
      if (events.tooLarge) break;
    }
    whole = !events.tooLarge && reply.body.complete;
  } catch {
    // The connection broke, or the app took its request back: the caller looks at what is missing.
  }
  return { whole, lastId: events.lastId, retryMs: events.retryMs };
}

function isRpc(json: Json | undefined): json is JsonObject {
  return isJsonObject(json) && json.jsonrpc === '2.0';
}

/** The JSON-RPC error of an HTTP answer that is not 2xx, or one of our own that says what was found. */
export async function errorOf(reply: Reply): Promise<JsonObject> {
  const text = await readText(reply.body, 1 << 20);
  const json = text === undefined ? undefined : parse(text);
  if (isJsonObject(json) && isJsonObject(json.error)) return json.error;
  return { code: -32000, message: `Gatehouse answered with HTTP status ${reply.status} and no reason.` };
}
