import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runBridge } from './bridge/run.ts';

/** Node entry of the bridge for AI apps that speak stdio only. The packaged app has the same behind its argument "bridge". */
const starter = join(resolve(import.meta.dirname, '../..'), 'scripts', 'start.mjs');

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
// Whoever reads the log may stop reading it.
process.stderr.on('error', () => undefined);
process.exit(
  await runBridge({
    argv: process.argv.slice(2),
    cwd: process.env.INIT_CWD || process.cwd(),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stop: stop.signal,
    say: (sentence) => process.stderr.write(`gatehouse bridge: ${sentence}\n`),
    start: existsSync(starter) ? [process.execPath, starter, '--hidden'] : undefined,
  }),
);
