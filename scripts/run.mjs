// node scripts/run.mjs FILE [ARGUMENT]...   runs a file on Node 24, installing and building first where needed.
import { resolve } from 'node:path';
import { ensureBuilt, ensureInstalled, findNode, leanMemory, root, run, runMain, SetupError } from './setup.mjs';

await runMain(async () => {
  const [file, ...args] = process.argv.slice(2);
  if (!file) throw new SetupError('usage: node scripts/run.mjs FILE [ARGUMENT]...');
  await ensureInstalled();
  await ensureBuilt();
  // Relative paths in the arguments are the caller's; npm changes the folder and tells which it was.
  return run(findNode(), [resolve(root, file), ...args], {
    cwd: process.env.INIT_CWD || process.cwd(),
    env: { ...leanMemory, ...process.env },
  });
});
