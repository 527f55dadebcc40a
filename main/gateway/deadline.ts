/** A limit on how long a server may take over a request, that does not run while it waits for the caller to answer what it asked. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #cancel = () => this.#controller.abort(this.#outer.reason);
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #held = 0;
  #over = false;
  #passed = false;

  /** Runs from now on. Milliseconds. `outer` ends the request, too. */
  constructor(ms: number, outer: AbortSignal) {
    this.#left = ms;
    this.#outer = outer;
    if (outer.aborted) this.#cancel();
    else outer.addEventListener('abort', this.#cancel, { once: true });
    this.#run();
  }

  /** Aborts when the time is up, or with the outer one. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time was up. */
  get passed(): boolean {
    return this.#passed;
  }

  /** Stops the clock; call what it answers to let it run again. */
  hold(): () => void {
    this.#held++;
    if (this.#held === 1) {
      clearTimeout(this.#timer);
      this.#left -= performance.now() - this.#since;
    }
    let holding = true;
    return () => {
      if (!holding) return;
      holding = false;
      this.#held--;
      if (this.#held === 0 && !this.#over) this.#run();
    };
  }

  /** The request is over. */
  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#cancel);
  }

  #run(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(
      () => {
        this.#passed = true;
        this.#controller.abort();
      },
      Math.max(0, this.#left),
    );
  }
}
