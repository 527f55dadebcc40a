/** Calls listeners in order of arrival. One that throws disturbs neither the others nor whoever announced. */
export class Listeners<T> {
  /** Replaced, never changed: whoever is being told goes on with the list it began with. */
  #listeners: readonly ((item: T) => void)[] = [];
  readonly #waiting: T[] = [];
  readonly #failed: (error: unknown) => void;
  #announcing = false;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  add(listener: (item: T) => void): () => void {
    // Wrapped, so that the same function added twice is two listeners with two ends.
    const own = (item: T) => listener(item);
    this.#listeners = [...this.#listeners, own];
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== own);
    };
  }

  /** A listener may itself cause the next item; that one is announced after this one has reached everybody. */
  announce(item: T): void {
    this.#waiting.push(item);
    if (this.#announcing) return;
    this.#announcing = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      for (const listener of this.#listeners) {
        try {
          listener(next);
        } catch (error) {
          this.#failed(error);
        }
      }
    }
    this.#announcing = false;
  }
}
