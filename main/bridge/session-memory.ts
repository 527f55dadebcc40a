import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { notificationText, type Request } from './message.ts';

/** Subscriptions remembered over a restart. */
const subscriptionLimit = 1_000;

/** What a session is made of, to make it again after Gatehouse was restarted: its beginning, and what the app set in it. */
export class SessionMemory {
  /** The app's own `initialize`. */
  readonly initialize: string;
  readonly version: string;
  readonly #capabilities: JsonObject;
  readonly #subscriptions = new Map<string, string>();
  /** The app's own `notifications/initialized`; before it there is nothing else to remember. */
  initialized: string | undefined;
  #level: string | undefined;

  constructor({ text }: Request, result: JsonObject) {
    this.initialize = text;
    this.version = typeof result.protocolVersion === 'string' ? result.protocolVersion : '';
    this.#capabilities = isJsonObject(result.capabilities) ? result.capabilities : {};
  }

  /** A request of the app succeeded. */
  take({ method, params, text }: Request): void {
    if (method === 'logging/setLevel') this.#level = text;
    if (typeof params.uri !== 'string') return;
    if (method === 'resources/unsubscribe') this.#subscriptions.delete(params.uri);
    if (method === 'resources/subscribe' && this.#subscriptions.size < subscriptionLimit)
      this.#subscriptions.set(params.uri, text);
  }

  /** What is sent to a new session after `initialize`, in order. */
  texts(): readonly string[] {
    return [this.initialized, this.#level, ...this.#subscriptions.values()].filter((text) => text !== undefined);
  }

  /** What the app is told then: whatever changed meanwhile, nobody could tell it. */
  news(): readonly string[] {
    const lists = ['tools', 'prompts', 'resources'].filter((kind) => {
      const capability = this.#capabilities[kind];
      return isJsonObject(capability) && capability.listChanged === true;
    });
    return [
      ...lists.map((kind) => notificationText(`notifications/${kind}/list_changed`)),
      ...[...this.#subscriptions.keys()].map((uri) => notificationText('notifications/resources/updated', { uri })),
    ];
  }
}
