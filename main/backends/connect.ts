import type { Launch } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { BackendFailure } from './failure.ts';
import { HttpWire } from './http.ts';
import { type ClientInfo, EndedOnProbe, negotiate } from './negotiate.ts';
import { Rpc } from './rpc.ts';
import { Session, type SessionHooks } from './session.ts';
import type { StderrTail } from './stderr-tail.ts';
import { StdioWire } from './stdio.ts';

export interface ConnectOptions {
  readonly alias: string;
  readonly launch: Launch;
  readonly clientInfo: ClientInfo;
  readonly clock: Clock;
  readonly log: Log;
  readonly stderr: StderrTail;
  /** The era an earlier negotiation found. */
  readonly known: 'legacy' | 'modern' | undefined;
  readonly startTimeoutMs: number;
  /** Its reason must be a BackendFailure. */
  readonly signal: AbortSignal;
  readonly hooks: SessionHooks & { onLoss(failure: BackendFailure, atOnce: boolean): void };
  /** A wire is being closed after a failed start; awaited when everything is shut down. */
  readonly onClosing: (closing: Promise<void>) => void;
}

/** Starts one backend and negotiates, within `startTimeoutMs` over all. Rejects with BackendFailure and leaves nothing running. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const deadline = Date.now() + options.startTimeoutMs;
  try {
    return await attempt(options, options.known, deadline);
  } catch (error) {
    if (!(error instanceof EndedOnProbe)) throw error;
    return attempt(options, 'legacy', deadline);
  }
}

async function attempt(
  options: ConnectOptions,
  known: 'legacy' | 'modern' | undefined,
  deadline: number,
): Promise<Session> {
  const { alias, launch, log, stderr, signal } = options;
  if (launch.transport === 'http' && !URL.canParse(launch.url)) {
    const text = `The server "${alias}" cannot be reached: "${launch.url}" is not an address. Ask your IT department.`;
    throw new BackendFailure('unavailable', alias, text);
  }
  const wire =
    launch.transport === 'stdio' ? new StdioWire(alias, launch, stderr, log) : new HttpWire(alias, launch.url, log);
  const rpc = new Rpc(alias, wire, log, () => (launch.transport === 'stdio' ? stderr.last() : undefined));
  let session: Session | undefined;
  const shaking = async () => {
    if (signal.aborted) throw signal.reason;
    await rpc.start({
      onNotification: (method, params) => session?.receive(method, params),
      onLoss: (failure, atOnce) => {
        if (session) options.hooks.onLoss(failure, atOnce);
      },
    });
    const agreement = await negotiate(rpc, options.clientInfo, known, options.startTimeoutMs);
    rpc.era = agreement.era;
    if (wire instanceof HttpWire && agreement.era === 'legacy') wire.openServerStream();
    session = new Session(rpc, agreement, options.clientInfo, options.clock, options.hooks);
    return session;
  };
  try {
    return await within(shaking(), options, deadline);
  } catch (error) {
    const failure =
      error instanceof BackendFailure
        ? error
        : new BackendFailure('unavailable', alias, String(error), { cause: error });
    options.onClosing(rpc.close(failure));
    throw error instanceof EndedOnProbe ? error : failure;
  }
}

/** Whatever hangs in a start, the waiting ends at the deadline or when the start is called off. */
function within(work: Promise<Session>, options: ConnectOptions, deadline: number): Promise<Session> {
  return new Promise((resolve, reject) => {
    const { alias, signal, startTimeoutMs, stderr } = options;
    const timer = setTimeout(
      () => {
        const words = stderr.last();
        const last = words === undefined ? '' : ` Its last message: "${words}".`;
        const text = `The server "${alias}" did not start within ${Math.round(startTimeoutMs / 100) / 10} seconds.${last}`;
        reject(new BackendFailure('timeout', alias, text));
      },
      Math.max(0, deadline - Date.now()),
    );
    const callOff = () => reject(signal.reason);
    signal.addEventListener('abort', callOff, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', callOff);
    });
  });
}
