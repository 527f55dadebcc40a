import { Worker } from 'node:worker_threads';
import type { VerifyResult } from './audit/record.ts';
import type { SnapshotSource } from './policy/decide.ts';

/** Work that takes seconds where there is much of it, and must not hold up a call, the tray or a window. */
export type Job =
  | { readonly kind: 'check-documents'; readonly source: SnapshotSource }
  | { readonly kind: 'verify-record'; readonly file: string; readonly nativeBinding?: string };

interface Answers {
  'check-documents': string | undefined;
  'verify-record': VerifyResult;
}

const BOUND_MS = 300_000;

/** Runs a job in a thread of its own. Rejects when the thread fails or takes longer than five minutes. */
export function runOffThread<K extends Job['kind']>(job: Job & { readonly kind: K }): Promise<Answers[K]> {
  const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
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
