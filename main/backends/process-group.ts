import { type ChildProcess, execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const POSIX = process.platform !== 'win32';
const POLL_MS = 20;

/** Leaders of groups that still run, so that none outlives this process however it ends. */
const living = new Set<number>();
let guarded = false;

/** Call right after a detached spawn: from here on the group ends with this process. */
export function watchGroup(pid: number): void {
  living.add(pid);
  if (guarded) return;
  guarded = true;
  process.once('exit', () => {
    for (const leader of living) signalGroup(leader, 'SIGKILL');
  });
}

/** False when no process of the group is left. */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(POSIX ? -leader : leader, signal);
    return true;
  } catch (error) {
    // ESRCH: all gone. EPERM: some member took another identity; it still runs and is beyond our reach.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Ends a server with everything it started (npx → node → …): its input is closed first (MCP lifecycle, stdio shutdown), then SIGTERM
 * to the group after `politeMs`, SIGKILL after `termMs` more. Resolves when the group is gone or was killed.
 */
export async function endGroup(child: ChildProcess, politeMs: number, termMs: number): Promise<void> {
  const leader = child.pid;
  child.stdin?.end();
  if (leader === undefined) return;
  if (await gone(leader, child, politeMs)) return;
  if (POSIX) {
    signalGroup(leader, 'SIGTERM');
    if (await gone(leader, child, termMs)) return;
    signalGroup(leader, 'SIGKILL');
  } else {
    await new Promise<void>((resolve) => {
      execFile('taskkill', ['/pid', String(leader), '/T', '/F'], { windowsHide: true }, () => resolve());
    });
  }
  await gone(leader, child, 1_000);
  living.delete(leader);
}

async function gone(leader: number, child: ChildProcess, withinMs: number): Promise<boolean> {
  for (let waited = 0; ; waited += POLL_MS) {
    const exited = child.exitCode !== null || child.signalCode !== null;
    if (exited && (!POSIX || !signalGroup(leader, 0))) {
      living.delete(leader);
      return true;
    }
    if (waited >= withinMs) return false;
    await sleep(POLL_MS);
  }
}
