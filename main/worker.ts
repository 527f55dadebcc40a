import { parentPort, workerData } from 'node:worker_threads';
import type { Job, Service } from './off-thread.ts';

/** Entry of the worker threads. Each loads what its work needs, no more: one long job, after which it ends and gives its memory back, or checkpoints until it is told to end. */
async function work(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'check-documents': {
      const { checkDocuments } = await import('./trust/current-policy.ts');
      const result = checkDocuments(job.source);
      return typeof result === 'string' ? result : undefined;
    }
    case 'verify-record': {
      const { verifyAuditFile } = await import('./audit/verify.ts');
      return verifyAuditFile(job.file, job.nativeBinding === undefined ? {} : { nativeBinding: job.nativeBinding });
    }
    case 'count-tokens': {
      const { countTokensOf } = await import('./count-tokens.ts');
      return countTokensOf(job.texts);
    }
    default: {
      const never: never = job;
      return never;
    }
  }
}

async function serveCheckpoints({ file, nativeBinding }: Service): Promise<void> {
  const { openCheckpoints } = await import('./audit/checkpoints-thread.ts');
  const checkpoints = openCheckpoints(file, nativeBinding);
  parentPort?.on('message', (word: 'checkpoint' | 'end') => {
    if (word === 'checkpoint') {
      parentPort?.postMessage(checkpoints.run());
      return;
    }
    checkpoints.close();
    parentPort?.close();
  });
}

const asked: Job | Service = workerData;
if (asked.kind === 'checkpoints') await serveCheckpoints(asked);
else parentPort?.postMessage(await work(asked));
