import type { EventPayload } from '../../preload/contract.ts';

type What = EventPayload<'changed'>['what'];

/** A window needs no more than this many looks a second, however many calls run. */
const EVERY_MS = 100;

/** Gathers "something changed" into few events, so that a flood of calls does not become a flood of events. */
export function createChangeFeed(emit: (what: What) => void): { add(...whats: What[]): void; close(): void } {
  const waiting = new Set<What>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const flush = () => {
    timer = undefined;
    const whats = [...waiting];
    waiting.clear();
    for (const what of whats) emit(what);
  };
  return {
    add(...whats) {
      if (closed) return;
      for (const what of whats) waiting.add(what);
      timer ??= setTimeout(flush, EVERY_MS);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
