import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { BackendReply } from './backends.ts';

const INTERNAL_ERROR = -32603;

/** What a JSON-RPC answer says, raw; undefined where it is none. */
export function replyOf(message: JsonObject): BackendReply | undefined {
  if (isJsonObject(message.error)) {
    const { code, message: text } = message.error;
    const error = {
      ...message.error,
      // Not a whole number, it is none to a client that looks (JSON-RPC 2.0 §5.1).
      code: typeof code === 'number' && Number.isSafeInteger(code) ? code : INTERNAL_ERROR,
      message: typeof text === 'string' ? text : 'The server gave no message.',
    };
    return { ok: false, error };
  }
  return isJsonObject(message.result) ? { ok: true, result: message.result } : undefined;
}
