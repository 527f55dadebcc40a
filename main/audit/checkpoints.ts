/** Moves pages from the write-ahead log into the file, away from this thread. Answers how many the log holds, and how many of them are in the file. */
export type Checkpoint = () => Promise<{ readonly log: number; readonly moved: number }>;

/** Pages of 4 KB in the log that are worth moving: 16 MB. */
const often = 4_000;
/** Pages at which the writing waits, so that the log can begin anew: 64 MB. Under constant writing it would otherwise only grow. */
const most = 16_000;
/** Longest such wait, ms. */
const waitMs = 500;
const pageBytes = 4_096;

/**
 * Checkpoints of the record on another thread. Each takes some tens of milliseconds of waiting for the disk, in which this
 * thread has calls, a tray and a window to serve.
 */
export class Checkpoints {
  readonly #run: Checkpoint;
  readonly #holdRows: () => () => void;
  readonly #failed: (error: unknown) => void;
  #pages = 0;
  #running = false;

  /** `holdRows` keeps rows waiting until what it returns is called. `failed` hears, once, that SQLite has to do it itself. */
  constructor(run: Checkpoint, holdRows: () => () => void, failed: (error: unknown) => void) {
    this.#run = run;
    this.#holdRows = holdRows;
    this.#failed = failed;
  }

  /** A transaction was committed: it rewrote a page or two beside what it added. */
  wrote(bytes: number): void {
    this.#pages += 2 + Math.ceil(bytes / pageBytes);
    if (this.#pages < often || this.#running) return;
    this.#pages = 0;
    this.#running = true;
    this.#checkpoint().then(
      () => {
        this.#running = false;
      },
      // It stays "running", and is not tried again.
      (error: unknown) => this.#failed(error),
    );
  }

  async #checkpoint(): Promise<void> {
    const { log, moved } = await this.#run();
    if (log < most || moved === log) return;
    // What is left is little. With no row added meanwhile, all of it is moved, and the next row begins the log anew.
    const release = this.#holdRows();
    const timer = setTimeout(release, waitMs);
    try {
      await this.#run();
    } finally {
      clearTimeout(timer);
      release();
    }
  }
}
