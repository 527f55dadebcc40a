import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const AFTER_MS = 1_000;

/**
 * Gives back what starting needed: compiling rules and reading the manifest leave tens of megabytes that V8 would keep
 * until something else wants them, in an app that mostly waits. Once, a second after the start, for some 60 ms.
 */
export function settleMemory(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    // The flavour that hands pages back to the system instead of keeping them for later.
    if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  }, AFTER_MS).unref();
}
