import { z } from 'zod';
import { type CallName, calls, type Handlers } from '../../preload/contract.ts';

export type DispatchResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: 'unknown-call' | 'invalid-arguments' | 'failed'; readonly message: string };

/** Answers one call of a window or of the console: name, then arguments, are checked against the contract. Never throws. */
export async function dispatch(handlers: Handlers, name: string, args: unknown): Promise<DispatchResult> {
  if (!isCallName(name))
    return { ok: false, code: 'unknown-call', message: `There is no call named "${name.slice(0, 60)}".` };
  const parsed = calls[name].args.safeParse(args);
  if (!parsed.success) return { ok: false, code: 'invalid-arguments', message: z.prettifyError(parsed.error) };
  try {
    return { ok: true, value: await answerCall(handlers, name, parsed.data) };
  } catch (error) {
    return { ok: false, code: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

function isCallName(name: string): name is CallName {
  return Object.hasOwn(calls, name);
}

// The schema has just been applied, so the arguments are this call's: the one place where the union is tied together.
function answerCall<N extends CallName>(handlers: Handlers, name: N, args: unknown): unknown {
  const handler = handlers[name] as (args: unknown) => unknown;
  return handler(args);
}
