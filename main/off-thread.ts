import { Worker } from 'node:worker_threads';
import type { Checkpoint } from './audit/checkpoints.ts';
import type { VerifyResult } from './audit/record.ts';
import type { SnapshotSource } from './policy/decide.ts';

/** Work that takes seconds where there is much of it, and must not hold up a call, the tray or a window. */
export type Job =
  | { readonly kind: 'check-documents'; readonly source: SnapshotSource }
  | { readonly kind: 'verify-record'; readonly file: string; readonly nativeBinding?: string }
  | { readonly kind: 'count-tokens'; readonly texts: readonly string[] };

interface Answers {
  'check-documents': string | undefined;
  'verify-record': VerifyResult;
  /** One count per text, by OpenAI's o200k tokenizer. */
  'count-tokens': readonly number[];
}

/** Work that is asked for again and again: its thread stays for a while. */
export type Service = { readonly kind: 'checkpoints'; readonly file: string; readonly nativeBinding?: string };

const BOUND_MS = 300_000;
const CHECKPOINT_BOUND_MS = 60_000;
const CHECKPOINTS_IDLE_MS = 30_000;

const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** Runs a job in a thread of its own. Rejects when the thread fails or takes longer than five minutes. */
export function runOffThread<K extends Job['kind']>(job: Job & { readonly kind: K }): Promise<Answers[K]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(entry, { workerData: job });
    const timer = setTimeout(() => {
      reject(new Error(`The work "${job.kind}" took longer than ${BOUND_MS / 60_000} minutes and was stopped.`));
      void worker.terminate();
    }, BOUND_MS);
    worker.once('message', (answer: Answers[K]) => resolve(answer));
    worker.once('error', reject);
    worker.once('messageerror', reject);
    worker.once('exit', (code) => {
      clearTimeout(timer);
      // After an answer this changes nothing.
      reject(new Error(`The work "${job.kind}" ended with ${code} and no answer.`));
    });
  });
}

/** A thread that moves a record's log into its file when asked. It starts with the first time and ends when it was not asked for half a minute. */
export function createCheckpointThread(
  file: string,
  nativeBinding: string | undefined,
): { readonly run: Checkpoint; readonly close: () => Promise<void> } {
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;

  function start(): Worker {
    const service: Service = { kind: 'checkpoints', file, ...(nativeBinding === undefined ? {} : { nativeBinding }) };
    // Nothing but SQLite runs in it.
    const worker = new Worker(entry, { workerData: service, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
    worker.unref();
    worker.on('exit', () => {
      if (thread === worker) thread = undefined;
    });
    // Whoever waits is told; between two times it is only an end like any other.
    worker.on('error', () => undefined);
    return worker;
  }

  const close = async () => {
    clearTimeout(idle);
    const worker = thread;
    thread = undefined;
    if (!worker) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage('end');
    await ended;
  };

  return {
    close,
    run: () =>
      new Promise((resolve, reject) => {
        thread ??= start();
        const worker = thread;
        clearTimeout(idle);
        idle = setTimeout(() => void close(), CHECKPOINTS_IDLE_MS).unref();
        const settle = (act: () => void) => {
          clearTimeout(timer);
          worker.off('message', answered).off('error', failed).off('exit', ended);
          act();
        };
        const answered = (counts: Awaited<ReturnType<Checkpoint>>) => settle(() => resolve(counts));
        const failed = (error: Error) => settle(() => reject(error));
        const ended = () => failed(new Error('The thread for checkpoints ended.'));
        const timer = setTimeout(() => {
          failed(new Error(`A checkpoint took longer than ${CHECKPOINT_BOUND_MS / 1_000} seconds.`));
          void worker.terminate();
        }, CHECKPOINT_BOUND_MS).unref();
        worker.on('message', answered).on('error', failed).on('exit', ended);
        worker.postMessage('checkpoint');
      }),
  };
}
