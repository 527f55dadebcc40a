import type { JsonObject } from '../policy/json.ts';
import type { Flying } from './flying.ts';
import type { Gate } from './gate.ts';
import { code } from './message.ts';

/** What both eras need of the side that faces the app. */
export interface AppSide {
  /** One JSON-RPC message for the app. Resolves when it may be given more. */
  write(text: string): Promise<void>;
  /** Answers what is not answered of a request with an error, unless the app took it back. */
  fail(flying: Flying, error: JsonObject): Promise<void>;
  /** A sentence for the log. */
  say(sentence: string): void;
  /** Nothing can be relayed any more: ends this process with a sentence. */
  giveUp(sentence: string): void;
}

/** How often one message is sent before it is given up. */
export const mostAttempts = 5;

/** A request that Gatehouse may have had, whose answer will not come. */
export const lost: JsonObject = {
  code: code.failed,
  message:
    'Gatehouse stopped while this was under way, and its answer is lost. It may have been done: check before you try again.',
};

/** A message that Gatehouse would not read to its end, more than once. */
export function cutOff({ message }: Flying): JsonObject {
  const bytes = Buffer.byteLength(message.text);
  return {
    code: code.failed,
    message: `Gatehouse closed the connection before it had this message of ${bytes} bytes, and nothing was done. It may be too large: send less at a time.`,
  };
}

export function notReached(gate: Gate): JsonObject {
  return {
    code: code.failed,
    message: `Gatehouse is not running and did not answer within ${Math.round(gate.patienceMs / 1_000)} seconds. Start Gatehouse, then try again.`,
  };
}
