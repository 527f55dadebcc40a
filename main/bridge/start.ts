import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import type { Environment } from './place.ts';

/**
 * Starts Gatehouse so that it outlives the app and this process: in a session of its own, with none of our streams, which an app may wait for.
 * Answers a sentence when the command cannot be run; that it then works is seen by its answering.
 */
export function startDetached(
  command: readonly string[],
  env: Environment,
  say: (sentence: string) => void,
): Promise<string | undefined> {
  const [program = '', ...args] = command;
  // The app's key is the bridge's, and an Electron app's own switch would make Gatehouse plain Node.
  const { GATEHOUSE_TOKEN: _token, ELECTRON_RUN_AS_NODE: _asNode, ...rest } = env;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: tmpdir(),
      env: rest,
      detached: true,
      stdio: 'ignore',
      windowsHide: true,
      shell: false,
    });
    child.once('error', (error) => resolve(`Gatehouse could not be started with "${program}": ${error.message}`));
    child.once('spawn', () => {
      child.unref();
      child.once('exit', (code) => {
        // A second Gatehouse hands over to the first and ends well; anything else is worth a word.
        if (code !== 0) say(`what was to start Gatehouse ended (${code === null ? 'by a signal' : `code ${code}`})`);
      });
      resolve(undefined);
    });
  });
}
