import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../policy/json.ts';
import { EventStreamParser } from './event-stream.ts';
import { answers, EMPTY_END, mediaType, parse, type StreamEnd } from './http-answer.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { MessageRefused, OTHER_BYTES } from './message.ts';
import { type CameOn, WireFailure } from './wire.ts';

/** Waits before a stream is asked for again, where the server names no time. */
const RESUME_MS = { first: 1_000, most: 30_000 };
const FRUITLESS = 5;
/** However short the server wants the wait to be: streams that end without a message are asked for ever more slowly. */
const QUIET_MS = { first: 100, forRequest: 1_000, forServer: 30_000 };

/** One Streamable HTTP endpoint, as its event streams need it. */
export interface StreamSource {
  /** GET with the session's headers. */
  get(headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer>;
  deliver(value: unknown, bytes: number, cameOn: CameOn): void;
  /** A try that failed, and may be followed by another. */
  note(event: string, error: unknown): void;
}

/** What one stream is for: the answer to a request of ours, or what the server says beside all requests. */
export interface StreamFor {
  readonly id: Json | undefined;
  readonly cameOn: CameOn;
  /** Largest event, in bytes. */
  readonly most: number;
  /** The server ended the stream on purpose, and says when to come back. */
  readonly onPolling?: ((retryMs: number) => void) | undefined;
}

export const serverStream: StreamFor = { id: undefined, cameOn: 'server', most: OTHER_BYTES };

/** Reads an event stream to its end; one that ended or broke off before the answer is resumed if it had event ids. */
export async function followStream(
  source: StreamSource,
  answer: HttpAnswer,
  what: StreamFor,
  signal: AbortSignal,
): Promise<void> {
  const stream = await readStream(source, answer, what);
  if (stream.answered || signal.aborted) return;
  const onPurpose = stream.lastEventId !== undefined && stream.broken === undefined;
  if (onPurpose && stream.retryMs !== undefined) what.onPolling?.(stream.retryMs);
  if (stream.lastEventId !== undefined) await resumeStream(source, stream, what, signal);
  else if (stream.broken !== undefined) throw stream.broken;
}

async function readStream(source: StreamSource, answer: HttpAnswer, what: StreamFor): Promise<StreamEnd> {
  let answered = false;
  let events = 0;
  const parser = new EventStreamParser(({ type, data }) => {
    events += 1;
    if (type !== 'message') return;
    const value = parse(data);
    answered ||= what.id !== undefined && answers(value, what.id);
    source.deliver(value, data.length, what.cameOn);
  }, what.most);
  let broken: unknown;
  try {
    await answer.each((chunk) => parser.push(chunk));
  } catch (error) {
    if (error instanceof MessageRefused) {
      answer.destroy();
      throw error;
    }
    broken = error;
  }
  return { answered, events, broken, lastEventId: parser.lastEventId, retryMs: parser.retryMs };
}

/**
 * GET with Last-Event-ID (2025-11-25, Streamable HTTP, §Resumability), or without for the server's own stream (`from` undefined), which is opened
 * again whenever it ends. A server may end a stream on purpose and name the time to come back (`retry`), as often as it likes. Gives up after 5
 * tries in a row that brought nothing at all; for a stream of the server's own that was open once, it does not give up while the server cannot be
 * reached. Resolves with the status that refused the server's own stream, if one did.
 */
export async function resumeStream(
  source: StreamSource,
  from: StreamEnd | undefined,
  what: StreamFor,
  signal: AbortSignal,
): Promise<number | undefined> {
  const forRequest = what.id !== undefined;
  let last = from;
  let quiet = 0;
  let opened = false;
  for (let fruitless = 0; fruitless < FRUITLESS; ) {
    if (last !== undefined) await sleep(waitMs(last, what, { fruitless, quiet }), undefined, { signal, ref: false });
    const lastId: Record<string, string> = last?.lastEventId === undefined ? {} : { 'last-event-id': last.lastEventId };
    const answer = await source.get({ accept: 'text/event-stream', ...lastId }, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      source.note('backend-resume', error);
      return undefined;
    });
    if (answer === undefined || isPassing(answer.statusCode)) {
      answer?.destroy();
      if (answer !== undefined) source.note('backend-resume', new Error(`HTTP ${answer.statusCode}`));
      fruitless = opened && !forRequest ? Math.min(fruitless + 1, FRUITLESS - 1) : fruitless + 1;
      last ??= EMPTY_END;
      continue;
    }
    if (answer.statusCode !== 200 || mediaType(answer) !== 'text/event-stream') {
      const { statusCode } = answer;
      answer.destroy();
      if (!forRequest) return statusCode;
      throw new WireFailure('unavailable', `its answer broke off and could not be resumed (HTTP ${statusCode})`);
    }
    opened = true;
    const end = await readStream(source, answer, what);
    if (end.answered || signal.aborted) return undefined;
    fruitless = end.events > 0 || end.lastEventId !== undefined ? 0 : fruitless + 1;
    quiet = end.events > 0 ? 0 : Math.min(quiet + 1, 30);
    last = { ...end, lastEventId: end.lastEventId ?? last?.lastEventId, retryMs: end.retryMs ?? last?.retryMs };
  }
  if (forRequest) throw new WireFailure('unavailable', 'its answer broke off and could not be resumed');
  return undefined;
}

/** The time the server named, or else longer after each failure; and never so short that a server could keep us busy. */
function waitMs(
  { retryMs }: StreamEnd,
  { id }: StreamFor,
  { fruitless, quiet }: { readonly fruitless: number; readonly quiet: number },
): number {
  const asked = retryMs ?? Math.min(RESUME_MS.first * 2 ** fruitless, RESUME_MS.most);
  const most = id === undefined ? QUIET_MS.forServer : QUIET_MS.forRequest;
  return Math.max(asked, Math.min(QUIET_MS.first * 2 ** quiet, most));
}

/** The server, or what stands before it, is busy or being started. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 429;
}
