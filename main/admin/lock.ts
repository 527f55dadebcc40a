import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type AdminResult, messageOf, refuse } from './result.ts';

const NAME = '.publishing';

/** Runs `work` while no other publish runs in this folder: two at once would mix two versions. A lock left by a crash here is taken over. */
export async function whilePublishing<T>(dir: string, work: () => Promise<AdminResult<T>>): Promise<AdminResult<T>> {
  const file = join(dir, NAME);
  const mine = `${process.pid} ${hostname()}`;
  const holder = takeLock(file, mine);
  if (holder !== undefined) {
    return refuse(
      'busy',
      `Another publish is under way in ${dir} (${holder}). Wait for it; if none is, delete ${file}.`,
    );
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Undefined when taken, else who holds it. */
function takeLock(file: string, mine: string): string | undefined {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, mine, { flag: 'wx' });
      return undefined;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) return messageOf(error);
      const [pid = '', host = ''] = readFileSync(file, 'utf8').split(' ');
      if (host !== hostname() || isRunning(Number(pid))) return `process ${pid} on ${host}`;
      rmSync(file, { force: true });
    }
  }
  return 'another process';
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // "Not permitted" means it runs under another account.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
