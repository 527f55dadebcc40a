import { BackendFailure } from './failure.ts';

/** `work`, or a 'cancelled' failure as soon as `signal` aborts; the work itself goes on for others. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, alias: string): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const cancel = () =>
      reject(new BackendFailure('cancelled', alias, `The request to the server "${alias}" was cancelled.`));
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
  });
}
