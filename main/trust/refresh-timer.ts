export interface RefreshTimer {
  /** Counts from now again; after failures in a row the wait starts short and doubles up to the ordinary one. */
  schedule(failures: number): void;
  close(): void;
}

const FIRST_RETRY_MS = 15_000;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Calls `refresh` every `seconds()`, a tenth earlier or later so that a company's laptops do not all ask at once. */
export function createRefreshTimer(seconds: () => number, refresh: () => void): RefreshTimer {
  let timer: NodeJS.Timeout | undefined;
  return {
    schedule(failures) {
      clearTimeout(timer);
      const ordinary = seconds() * 1000;
      const wait = failures === 0 ? ordinary : Math.min(ordinary, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
      timer = setTimeout(refresh, Math.min(LONGEST_TIMEOUT_MS, wait * (0.9 + Math.random() * 0.2)));
      timer.unref();
    },
    close() {
      clearTimeout(timer);
    },
  };
}
