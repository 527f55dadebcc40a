import { app } from 'electron';
import { createApp } from './app.ts';
import { failToStart, failureOf } from './desktop/failure.ts';
import { type Options, readOptions } from './desktop/options.ts';
import { claimInstance, start } from './desktop/start.ts';
import { settleMemory } from './settle-memory.ts';

const EXIT_USAGE = 2;

// The app with its windows and tray: loaded where Electron was not started as a bridge.

/** Awaiting "ready" at the top level of a module would never end (electron/electron#40719): hence `then`. */
function main(options: Options): void {
  const instance = claimInstance(options);
  if (!instance) {
    app.exit(0);
    return;
  }
  app
    .whenReady()
    .then(() => start(options, instance, createApp))
    .catch(failureOf)
    .then((failure) => {
      if (failure) failToStart(failure);
      else settleMemory();
    });
}

const options = readOptions(process.argv.slice(1), process.cwd());
if (options.ok) {
  try {
    main(options.value);
  } catch (error) {
    failToStart(failureOf(error));
  }
} else {
  process.stderr.write(`gatehouse: ${options.problems.join('; ')}\n`);
  app.exit(EXIT_USAGE);
}
