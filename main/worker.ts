import { parentPort, workerData } from 'node:worker_threads';
import { verifyAuditFile } from './audit/verify.ts';
import type { Job } from './off-thread.ts';
import { checkDocuments } from './trust/current-policy.ts';

/** Entry of the worker thread: one long job, then it ends and gives its memory back. */
function work(job: Job): unknown {
  switch (job.kind) {
    case 'check-documents': {
      const result = checkDocuments(job.source);
      return typeof result === 'string' ? result : undefined;
    }
    case 'verify-record':
      return verifyAuditFile(job.file, job.nativeBinding === undefined ? {} : { nativeBinding: job.nativeBinding });
    default: {
      const never: never = job;
      return never;
    }
  }
}

parentPort?.postMessage(work(workerData));
