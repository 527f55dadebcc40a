export interface Turns {
  /** Runs after everything asked for before it has ended, well or badly. */
  take<T>(work: () => Promise<T>): Promise<T>;
}

/** One piece of work at a time, in the order asked. */
export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return {
    take(work) {
      const turn = last.then(work);
      last = turn.catch(() => {
        // Reported to whoever asked for that turn; the queue only needs to know it is over.
      });
      return turn;
    },
  };
}
