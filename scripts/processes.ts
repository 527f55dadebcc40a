import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program of ours that prints one JSON line when it is ready, and ends on SIGTERM. */
export interface Running<Ready> {
  readonly process: ChildProcess;
  readonly ready: Ready;
  /** Milliseconds from spawn to the ready line. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const BOUND_MS = 60_000;

/** Starts a script with this Node and waits for its first line of JSON. */
export async function startScript<Ready>(
  file: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<Running<Ready>> {
  const started = performance.now();
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const errors: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => {
    errors.push(chunk.toString());
    if (errors.length > 50) errors.shift();
  });
  if (!child.stdout) throw new Error('expected a pipe for stdout');
  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => child.kill('SIGKILL'), BOUND_MS);
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`${file} ended with ${code} before it was ready: ${errors.join('').slice(-2000)}`);
  });
  // Reported through the race below; later it is the ordinary end.
  exited.catch(() => undefined);
  const [line]: string[] = await Promise.race([once(lines, 'line'), exited]);
  clearTimeout(timer);
  const startMs = performance.now() - started;
  return {
    process: child,
    ready: JSON.parse(line ?? '') as Ready,
    startMs,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
      child.kill('SIGTERM');
      await gone;
      clearTimeout(force);
    },
  };
}

/** What the headless mode prints when it is ready. */
export interface HeadlessReady {
  readonly ready: true;
  readonly endpoint: string;
  readonly console: string;
  readonly clients: Readonly<Record<string, string>>;
  readonly policy: { readonly org: string; readonly version: number } | null;
}
