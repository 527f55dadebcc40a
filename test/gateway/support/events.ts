import type { JsonObject } from '../../../main/policy/json.ts';

/** Reads a text/event-stream as it comes, every field of it. */

export interface Event {
  readonly id?: string;
  readonly retry?: string;
  readonly data: string;
  /** The data as JSON, where there is any. */
  readonly json: JsonObject;
}

export class Events {
  readonly seen: Event[] = [];
  readonly response: Response;
  readonly #stop: AbortController;
  readonly #ended: Promise<void>;

  constructor(response: Response, stop: AbortController) {
    this.response = response;
    this.#stop = stop;
    this.#ended = this.#read();
  }

  get messages(): readonly JsonObject[] {
    return this.seen.filter(({ data }) => data !== '').map(({ json }) => json);
  }

  get lastId(): string {
    return this.seen.findLast(({ id }) => id !== undefined)?.id ?? '';
  }

  /** The first event that fits; waits for it. */
  async next(fits: (event: Event) => boolean, ms = 5_000): Promise<Event> {
    const end = Date.now() + ms;
    for (;;) {
      const found = this.seen.find(fits);
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`it never came; there was ${JSON.stringify(this.seen)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  message(method: string): Promise<Event> {
    return this.next(({ json }) => json.method === method);
  }

  answer(id: number | string): Promise<Event> {
    return this.next(({ json }) => json.id === id && json.method === undefined);
  }

  /** Breaks the connection, as a network would. */
  drop(): void {
    this.#stop.abort();
  }

  /** Resolves when the server ended the stream. */
  async ended(ms = 5_000): Promise<void> {
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the stream did not end')), ms).unref();
    });
    await Promise.race([this.#ended, late]);
  }

  async #read(): Promise<void> {
    if (this.response.body === null) return;
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const chunk of this.response.body) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          this.#take(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } catch {
      // Dropped by the test.
    }
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
    }
    const data = fields.get('data');
    if (data === undefined) return;
    const id = fields.get('id');
    const retry = fields.get('retry');
    const json = data === '' ? {} : (JSON.parse(data) as JsonObject);
    this.seen.push({ data, json, ...(id !== undefined && { id }), ...(retry !== undefined && { retry }) });
  }
}
