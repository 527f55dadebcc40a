import { openDatabase } from './database.ts';

/** How long a checkpoint waits for another one, ms. */
const waitMs = 1_000;

/** The other thread's side of checkpoints.ts: a connection of its own that moves what it can without making the writer wait. */
export function openCheckpoints(
  file: string,
  nativeBinding: string | undefined,
): { readonly run: () => { log: number; moved: number }; readonly close: () => void } {
  const db = openDatabase(file, { nativeBinding, timeout: waitMs });
  const checkpoint = db.prepare<[], { log: number; checkpointed: number }>('PRAGMA wal_checkpoint(PASSIVE)');
  return {
    run: () => {
      const { log = 0, checkpointed = 0 } = checkpoint.get() ?? {};
      return { log, moved: checkpointed };
    },
    close: () => db.close(),
  };
}
