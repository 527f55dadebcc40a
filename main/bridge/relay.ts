import type { JsonObject } from '../policy/json.ts';
import type { AppSide } from './app-side.ts';
import { Flying } from './flying.ts';
import { LegacySide } from './legacy.ts';
import type { Link } from './link.ts';
import { code, errorText, idKey, isId, type Message, type Notification, type RpcId, readMessage } from './message.ts';
import { ModernSide } from './modern.ts';
import type { Output } from './output.ts';

/** Requests of the app under way at once: twice what Gatehouse takes of one app by default. */
const flyingLimit = 512;
/** Messages read and not sent yet; beyond this nothing more is read. */
const queueLimit = 256;

type Queued = Flying | Exclude<Message, { kind: 'request' | 'batch' }>;

/**
 * Between one app's stdin and stdout and Gatehouse's endpoint, in both eras at once: each message says its own. What the app sends leaves in
 * the order it came; answers come as they come.
 */
export class Relay {
  readonly #link: Link;
  readonly #output: Output;
  readonly #say: (sentence: string) => void;
  readonly #giveUp: (sentence: string) => void;
  readonly #legacy: LegacySide;
  readonly #modern: ModernSide;
  readonly #flying = new Map<string, Flying>();
  readonly #stop = new AbortController();
  #queue: Queued[] = [];
  #sending = false;
  #wakeReader: (() => void) | undefined;

  constructor(parts: {
    readonly link: Link;
    readonly output: Output;
    readonly say: (sentence: string) => void;
    /** Ends this process with a sentence: nothing can be relayed any more. */
    readonly giveUp: (sentence: string) => void;
  }) {
    this.#link = parts.link;
    this.#output = parts.output;
    this.#say = parts.say;
    this.#giveUp = parts.giveUp;
    const app: AppSide = {
      write: (text) => this.#output.write(text),
      fail: (flying, error) => this.#fail(flying, error),
      say: parts.say,
      giveUp: parts.giveUp,
    };
    this.#legacy = new LegacySide(parts.link, app);
    this.#modern = new ModernSide(parts.link, app);
  }

  /** One line of the app. Resolves when the next may be read. */
  async take(line: string): Promise<void> {
    if (line.trim() === '') return;
    const read = readMessage(line);
    if (!read.ok) return this.#output.write(read.error);
    const { message } = read;
    switch (message.kind) {
      case 'request':
      case 'batch':
        await this.#takeRequest(message);
        break;
      case 'notification':
        if (!this.#cancelled(message)) this.#enqueue(message);
        break;
      case 'response':
        this.#enqueue(message);
        break;
      default:
        return message satisfies never;
    }
    if (this.#queue.length >= queueLimit) await new Promise<void>((resolve) => (this.#wakeReader = resolve));
  }

  /** A line longer than is read: its id is unknown, so nobody in particular can be answered. */
  tooLong(maxBytes: number): Promise<void> {
    const message = `Invalid request: a message may have at most ${maxBytes} bytes`;
    return this.#output.write(errorText(null, { code: code.invalid, message }));
  }

  /** The app sends nothing more: what is under way may end within `ms`, then the session is closed. */
  async finish(ms: number): Promise<void> {
    // A subscription is over with the one who listens.
    for (const flying of this.#flying.values()) if (flying.method === 'subscriptions/listen') flying.stop();
    const end = Date.now() + ms;
    while ((this.#flying.size > 0 || this.#sending) && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.stop(1_000);
  }

  /** Ends at once what is under way, and the session with it. */
  async stop(ms: number): Promise<void> {
    this.#queue = [];
    this.#stop.abort();
    for (const flying of this.#flying.values()) flying.stop();
    await this.#legacy.close(ms);
  }

  async #takeRequest(message: Extract<Message, { kind: 'request' | 'batch' }>): Promise<void> {
    const ids = message.kind === 'request' ? [message.id] : message.ids;
    const used = ids.find((id) => this.#flying.has(idKey(id)));
    if (used !== undefined) {
      const text = 'Invalid request: this id belongs to a request that is still under way';
      return this.#output.write(errorText(used, { code: code.invalid, message: text }));
    }
    if (this.#flying.size + ids.length > flyingLimit) {
      const text = `Too many requests at once: at most ${flyingLimit} may be under way. Wait until some are answered.`;
      for (const id of ids) await this.#output.write(errorText(id, { code: code.failed, message: text }));
      return;
    }
    const flying = new Flying(message);
    for (const id of ids) this.#flying.set(idKey(id), flying);
    this.#enqueue(flying);
  }

  /** True when a cancellation was carried out here; otherwise it is sent on. */
  #cancelled({ method, params }: Notification): boolean {
    if (method !== 'notifications/cancelled' || !isId(params.requestId)) return false;
    const flying = this.#flying.get(idKey(params.requestId));
    // A request that is over, of an era that has no such message over HTTP.
    if (flying === undefined) return !this.#legacy.opened;
    if (flying.message.kind === 'batch') return false;
    flying.cancelled = true;
    if (flying.left && !flying.modern) return false;
    this.#queue = this.#queue.filter((each) => each !== flying);
    // Not sent yet, or of 2026-07-28 ("Cancellation"): there, closing the answer's stream says it.
    flying.stop();
    this.#forget(flying);
    return true;
  }

  #enqueue(item: Queued): void {
    this.#queue.push(item);
    if (this.#sending) return;
    this.#sending = true;
    void this.#send();
  }

  async #send(): Promise<void> {
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      if (this.#queue.length < queueLimit) {
        this.#wakeReader?.();
        this.#wakeReader = undefined;
      }
      try {
        await this.#sendOne(item);
      } catch (error) {
        this.#giveUp(`The bridge failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
    this.#sending = false;
  }

  async #sendOne(item: Queued): Promise<void> {
    if (item instanceof Flying) {
      const done = this.#carry(item);
      // What follows "initialize" belongs to the session it opens.
      await (item.method === 'initialize' ? done : Promise.race([item.sent, done]));
      return;
    }
    const { signal } = this.#stop;
    if (item.kind === 'notification') return this.#legacy.notify(item, signal);
    return this.#legacy.respond(item.text, item.json, item.id, signal);
  }

  async #carry(flying: Flying): Promise<void> {
    try {
      await (flying.modern ? this.#modern.carry(flying) : this.#legacy.carry(flying));
    } catch (error) {
      this.#say(`a request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      await this.#fail(flying, { code: code.failed, message: 'The bridge to Gatehouse failed. Try again.' });
    } finally {
      this.#forget(flying);
    }
  }

  #forget(flying: Flying): void {
    for (const [key, each] of this.#flying) if (each === flying) this.#flying.delete(key);
  }

  async #fail(flying: Flying, error: JsonObject): Promise<void> {
    if (!flying.cancelled && !flying.signal.aborted) {
      for (const id of flying.waiting) {
        flying.answer(id);
        await this.#output.write(errorText(id as RpcId, error));
      }
    }
    if (!this.#link.gate.met && !flying.signal.aborted) this.#giveUp(String(error.message));
  }
}
