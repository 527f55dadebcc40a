// node scripts/run.mjs FILE [ARGUMENT]...   runs a file on Node 24, installing and building first where needed.
import { ensureBuilt, ensureInstalled, findNode, run, runMain, SetupError } from './setup.mjs';

await runMain(async () => {
  const [file, ...args] = process.argv.slice(2);
  if (!file) throw new SetupError('usage: node scripts/run.mjs FILE [ARGUMENT]...');
  await ensureInstalled();
  await ensureBuilt();
  // Relative paths in the arguments are the caller's: npm tells where it was called from.
  return run(findNode(), [file, ...args]);
});
