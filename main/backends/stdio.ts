import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { Launch } from '../policy/manifest.ts';
import type { Log } from '../ports.ts';
import { environmentFor, resolveCommand, workingFolder } from './launch.ts';
import { LineCutter } from './lines.ts';
import { MESSAGE_BYTES, MessageRefused, OTHER_BYTES, parseMessage } from './message.ts';
import { endGroup, watchGroup } from './process-group.ts';
import type { StderrTail } from './stderr-tail.ts';
import { type Wire, type WireEvents, WireFailure, type WireLoss } from './wire.ts';

export type StdioLaunch = Extract<Launch, { transport: 'stdio' }>;

const POLITE_MS = 1_000;
const TERM_MS = 2_000;

/**
 * One server process, newline-delimited JSON (MCP transports, stdio). Not the SDK's StdioClientTransport, for three reasons: its message
 * schema drops unknown keys of error objects and of serverInfo and swallows an answer whose envelope has an extra key (the
 * request would hang); its buffer copies a long message again for each chunk, which takes seconds at tens of megabytes; and it signals only the
 * direct child, so that what `npx` started lives on.
 */
export class StdioWire implements Wire {
  readonly transport = 'stdio';
  readonly answersWithinSend = false;
  readonly #alias: string;
  readonly #launch: StdioLaunch;
  readonly #stderr: StderrTail;
  readonly #log: Log;
  readonly #lines = new LineCutter(() => this.#events?.mostBytes() ?? OTHER_BYTES);
  #child: ChildProcess | undefined;
  #ending: Promise<void> | undefined;
  #events: WireEvents | undefined;

  constructor(alias: string, launch: StdioLaunch, stderr: StderrTail, log: Log) {
    this.#alias = alias;
    this.#launch = launch;
    this.#stderr = stderr;
    this.#log = log;
  }

  /** Resolves once the process runs; rejects with WireFailure when it cannot be executed. */
  async start(events: WireEvents): Promise<void> {
    const environment = environmentFor(this.#launch.env);
    const resolved = resolveCommand(this.#launch.command, this.#launch.args, environment);
    if (!resolved.ok) throw new WireFailure('unavailable', `it cannot be started: ${resolved.message}`);
    const child = this.#spawn(resolved.command, resolved.args, environment);
    this.#events = events;
    this.#child = child;
    if (child.pid !== undefined) watchGroup(child.pid);
    // A pipe broken by the server's end shows as its exit; without a listener it would end this process.
    child.stdin.on('error', (error) => this.#log.debug('backend-stdin', { alias: this.#alias, error: error.message }));
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    child.stdout.on('end', () => this.#lose({ code: 'unavailable', message: 'it closed its output' }, 200));
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => this.#stderr.push(text));
    child.on('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      this.#lose({ code: 'unavailable', message: `its process ended (${how})` }, 0);
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      this.#events = undefined;
      throw this.#notExecuted(error);
    }
    // After the start an 'error' event only says that a signal could not be sent; the exit is what counts.
    child.on('error', (error) => this.#log.debug('backend-process', { alias: this.#alias, error: error.message }));
  }

  #spawn(command: string, args: readonly string[], env: Record<string, string>) {
    try {
      return spawn(command, args, {
        env,
        cwd: workingFolder(),
        stdio: ['pipe', 'pipe', 'pipe'],
        shell: false,
        windowsHide: true,
        // An own process group, so that children of the server can be ended with it. On Windows taskkill ends the tree.
        detached: process.platform !== 'win32',
      });
    } catch (error) {
      // Some arguments (a NUL character, say) are refused before anything runs.
      throw this.#notExecuted(error);
    }
  }

  #notExecuted(error: unknown): WireFailure {
    const why = error instanceof Error ? error.message : String(error);
    return new WireFailure('unavailable', `"${this.#launch.command}" cannot be executed (${why})`, undefined, {
      cause: error,
    });
  }

  async send(message: JsonObject): Promise<void> {
    const stdin = this.#child?.stdin;
    if (!stdin?.writable || this.#ending) throw new WireFailure('unavailable', 'its process has ended');
    if (stdin.writableLength > MESSAGE_BYTES) throw new WireFailure('unavailable', 'it does not read what it is sent');
    // Servers that read with Node's readline take U+2028 and U+2029 for line ends; escaped, the JSON says the same.
    const text = JSON.stringify(message).replace(/[\u2028\u2029]/g, (c) => (c === '\u2028' ? '\\u2028' : '\\u2029'));
    stdin.write(`${text}\n`);
  }

  agreed(): void {
    // Nothing on this wire depends on the revision.
  }

  close(): Promise<void> {
    this.#events = undefined;
    this.#ending ??= this.#child
      ? endGroup(this.#child, POLITE_MS, TERM_MS)
          .catch((error: unknown) => this.#log.warn('backend-process', { alias: this.#alias, error: String(error) }))
          .then(() => this.#drop())
      : Promise.resolve();
    return this.#ending;
  }

  #drop(): void {
    // A process that left the group may hold the pipes; they must not keep this process alive.
    this.#child?.stdout?.destroy();
    this.#child?.stderr?.destroy();
    this.#stderr.end();
  }

  #read(chunk: Buffer): void {
    try {
      this.#lines.push(chunk, (line) => this.#parse(line));
    } catch (error) {
      // Whatever else a message brought about: it ends this one session, not the reading of all others.
      const message =
        error instanceof MessageRefused ? error.message : `it sent a message that cannot be read (${String(error)})`;
      this.#lose({ code: 'protocol', message }, 0);
    }
  }

  #parse(line: Buffer): void {
    if (line.length === 0 || !this.#events) return;
    let value: unknown;
    try {
      value = parseMessage(line.toString('utf8'));
    } catch (error) {
      if (error instanceof MessageRefused) throw error;
      // Servers print banners to stdout by mistake; the specification forbids it, and one bad line proves nothing about the next.
      this.#log.debug('backend-not-json', { alias: this.#alias, bytes: line.length });
      return;
    }
    for (const message of Array.isArray(value) ? value : [value]) {
      if (isJsonObject(message)) this.#events?.onMessage(message, line.length, 'shared');
    }
  }

  /** Waits `ms` for an exit code that tells more, then a moment for stderr's last words. */
  #lose(loss: WireLoss, ms: number): void {
    const events = this.#events;
    const child = this.#child;
    if (!events || !child) return;
    const tell = () => {
      if (this.#events !== events) return;
      if (loss.code === 'protocol') child.stdout?.destroy();
      void this.close();
      events.onLoss(loss);
    };
    if (loss.code === 'protocol') tell();
    else if (ms > 0) setTimeout(tell, ms).unref();
    else void Promise.race([once(child, 'close'), sleep(100)]).then(tell, tell);
  }
}
