import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

const setup = pathToFileURL(resolve(import.meta.dirname, '../../../scripts/setup.mjs')).href;

/** A command of ours that runs `program` in a Node of its own, as start, run and test do. */
function runProgram(program: string) {
  const command = `
    import { run, runMain } from ${JSON.stringify(setup)};
    await runMain(() => run(process.execPath, ['-e', ${JSON.stringify(program)}]));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk;
  });
  return { child, said, closed: once(child, 'close') };
}

describe('when a command runs another program', () => {
  it('ends with its exit code and adds nothing to its output', async () => {
    const { said, closed } = runProgram("process.stdout.write('clean'); process.exitCode = 7");
    expect(await closed).toEqual([7, null]);
    expect(said).toEqual({ out: 'clean', err: '' });
  });

  it('hands on SIGTERM and waits until the program has put its things away', async () => {
    const program =
      "process.on('SIGTERM', () => setTimeout(() => { console.log('tidied'); process.exit(3) }, 100)); setInterval(() => {}, 1000); console.log('up')";
    const { child, said, closed } = runProgram(program);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await closed).toEqual([3, null]);
    expect(said.out).toBe('up\ntidied\n');
  });

  it('tells a program that a signal ended from one that ended well', async () => {
    const { closed } = runProgram("process.kill(process.pid, 'SIGKILL')");
    expect(await closed).toEqual([137, null]);
  });
});
