import type { Launch } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import type { ClientSide } from './backends.ts';
import { BackendFailure } from './failure.ts';
import { HttpWire } from './http.ts';
import { type ClientInfo, EndedOnProbe, type Known, MaybeSse, negotiate } from './negotiate.ts';
import { Rpc } from './rpc.ts';
import { Session, type SessionHooks } from './session.ts';
import { SseWire } from './sse.ts';
import type { StderrTail } from './stderr-tail.ts';
import { StdioWire } from './stdio.ts';
import type { Wire } from './wire.ts';

export interface ConnectOptions {
  readonly alias: string;
  readonly launch: Launch;
  readonly clientInfo: ClientInfo;
  readonly clock: Clock;
  readonly log: Log;
  readonly stderr: StderrTail;
  /** What an earlier negotiation found. */
  readonly known: Known | undefined;
  readonly startTimeoutMs: number;
  /** Its reason must be a BackendFailure. */
  readonly signal: AbortSignal;
  readonly hooks: SessionHooks & { onLoss(failure: BackendFailure, atOnce: boolean): void };
  /** Who stands behind the session; nothing is declared and answered where nobody does. */
  readonly client: ClientSide | undefined;
  /** A wire is being closed after a failed start; awaited when everything is shut down. */
  readonly onClosing: (closing: Promise<void>) => void;
}

/** Starts one backend and negotiates, within `startTimeoutMs` over all. Rejects with BackendFailure and leaves nothing running. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const deadline = Date.now() + options.startTimeoutMs;
  const known = options.launch.transport === 'sse' ? SSE : options.known;
  if (known === undefined && options.client?.prefers === 'legacy') {
    try {
      return await attempt(options, LEGACY, deadline);
    } catch (error) {
      // It may know nothing but 2026-07-28, or nothing but HTTP+SSE: it is asked, as any server is.
      if (!(error instanceof MaybeSse) && !(error instanceof BackendFailure && error.code === 'protocol')) throw error;
    }
  }
  try {
    return await attempt(options, known, deadline);
  } catch (error) {
    if (error instanceof EndedOnProbe) return attempt(options, LEGACY, deadline);
    if (!(error instanceof MaybeSse)) throw error;
    return attempt(options, SSE, deadline).catch((second: unknown) => {
      // No event stream there either: what was said first is the reason. A stream that was refused for its own sake is another.
      if (second instanceof BackendFailure && second.code !== 'unavailable') throw second;
      throw error.failure;
    });
  }
}

/** A server of the transport before Streamable HTTP is of the era before 2026-07-28, and not asked for another. */
const SSE: Known = { era: 'legacy', sse: true };

const LEGACY: Known = { era: 'legacy', sse: false };

async function attempt(options: ConnectOptions, known: Known | undefined, deadline: number): Promise<Session> {
  const { alias, launch, log, stderr, signal, client, clock, clientInfo, hooks } = options;
  const wire = wireFor(options, known?.sse === true);
  const lastWords = () => (launch.transport === 'stdio' ? stderr.last() : undefined);
  const onRequest = client && ((request: Parameters<ClientSide['onRequest']>[0]) => client.onRequest(request));
  const rpc = new Rpc({ alias, wire, clock, log, lastWords, onRequest });
  let session: Session | undefined;
  const shaking = async () => {
    if (signal.aborted) throw signal.reason;
    await rpc.start({
      onNotification: (method, params, origin) =>
        session ? session.receive(method, params, origin) : client?.onNotification(method, params, origin),
      onLoss: (failure, atOnce) => {
        if (session) hooks.onLoss(failure, atOnce);
      },
    });
    const says = { clientInfo, capabilities: client?.capabilities ?? {} };
    const agreement = await negotiate(rpc, says, known?.era, options.startTimeoutMs);
    rpc.era = agreement.era;
    if (wire instanceof HttpWire && agreement.era === 'legacy') wire.openServerStream();
    session = new Session({ rpc, agreement, clientInfo, clock, log, hooks, client });
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
    throw error instanceof EndedOnProbe || error instanceof MaybeSse ? error : failure;
  }
}

function wireFor({ alias, launch, stderr, log }: ConnectOptions, sse: boolean): Wire {
  if (launch.transport === 'stdio') return new StdioWire(alias, launch, stderr, log);
  if (!URL.canParse(launch.url)) {
    const text = `The server "${alias}" cannot be reached: "${launch.url}" is not an address. Ask your IT department.`;
    throw new BackendFailure('unavailable', alias, text);
  }
  return sse ? new SseWire(alias, launch.url, log) : new HttpWire(alias, launch.url, log);
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
