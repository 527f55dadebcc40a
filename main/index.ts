import { app } from 'electron';
import { readOptions } from './desktop/options.ts';
import { claimInstance, start } from './desktop/start.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const options = readOptions(process.argv.slice(1), process.cwd());
if (!options.ok) {
  process.stderr.write(`gatehouse: ${options.problems.join('; ')}\n`);
  app.exit(EXIT_USAGE);
} else {
  const instance = claimInstance(options.value);
  if (!instance) app.exit(0);
  // Awaiting "ready" at the top level of a module would never end (electron/electron#40719).
  else {
    app
      .whenReady()
      .then(() => start(options.value, instance))
      .catch((error: unknown) => {
        process.stderr.write(`gatehouse: cannot start: ${error instanceof Error ? error.stack : String(error)}\n`);
        app.exit(EXIT_FAILED);
      });
  }
}
