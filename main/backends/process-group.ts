import { type ChildProcess, execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const POSIX = process.platform !== 'win32';
const POLL_MS = 20;
/** For what outlives the server to notice that by itself. */
const LEFTOVERS_MS = 200;
const KILLED_MS = 1_000;

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
 * to the group after `politeMs`, or soon after the server itself has gone, and SIGKILL after `termMs` more. Resolves when the group is gone or was killed.
 */
export async function endGroup(child: ChildProcess, politeMs: number, termMs: number): Promise<void> {
  const leader = child.pid;
  child.stdin?.end();
  if (leader === undefined) return;
  const exited = () => child.exitCode !== null || child.signalCode !== null;
  const gone = () => exited() && (!POSIX || !signalGroup(leader, 0));
  await until(exited, politeMs);
  if (!POSIX) {
    // The whole tree at once; where the server has gone by itself there is no tree left to find.
    if (!exited()) await endTree(leader);
  } else if (!(await until(gone, LEFTOVERS_MS))) {
    signalGroup(leader, 'SIGTERM');
    if (!(await until(gone, termMs))) signalGroup(leader, 'SIGKILL');
  }
  await until(gone, KILLED_MS);
  living.delete(leader);
}

function endTree(pid: number): Promise<void> {
  return new Promise((resolve) => {
    execFile('taskkill', ['/pid', String(pid), '/T', '/F'], { windowsHide: true }, () => resolve());
  });
}

async function until(done: () => boolean, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited < withinMs; waited += POLL_MS) {
    if (done()) return true;
    await sleep(POLL_MS);
  }
  return done();
}
