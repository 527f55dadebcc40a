import { type HttpAnswer, readExcerpt } from './http-exchange.ts';
import { MessageRefused } from './message.ts';
import { WireFailure, type WireLoss } from './wire.ts';

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);
/** How long the body of an answer that says nothing is let come. */
const DISCARD_MS = 1_000;

/** What an exchange failed for, in words, and whether the whole connection is lost by it. */
export function explainHttp(
  error: unknown,
  origin: string,
): { readonly failure: WireFailure; readonly loss?: WireLoss } {
  if (error instanceof WireFailure) return { failure: error };
  if (error instanceof MessageRefused) {
    const { message } = error;
    return {
      failure: new WireFailure('protocol', message, undefined, { cause: error }),
      loss: { code: 'protocol', message },
    };
  }
  if (error instanceof SyntaxError) {
    const message = 'it answered with something that is not JSON';
    return { failure: new WireFailure('protocol', message, undefined, { cause: error }) };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNREACHABLE.has(code)) {
    const message = `${origin} cannot be reached (${code})`;
    return {
      failure: new WireFailure('unavailable', message, undefined, { cause: error }),
      loss: { code: 'unavailable', message },
    };
  }
  const why = error instanceof Error && error.message !== '' ? error.message : code;
  const message = `the connection to ${origin} failed (${why})`;
  return { failure: new WireFailure('unavailable', message, undefined, { cause: error }) };
}

/** Takes a body that nobody reads off the connection; one that does not end is cut off with it. */
export async function discardBody(answer: HttpAnswer): Promise<void> {
  const timer = setTimeout(() => answer.destroy(), DISCARD_MS);
  await readExcerpt(answer).finally(() => clearTimeout(timer));
}
