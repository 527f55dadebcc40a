import { type ArgumentValidator, compileArguments } from '../policy/arguments.ts';
import { isJsonObject, type Json, type Problem } from '../policy/json.ts';
import type { Pin } from '../policy/manifest.ts';
import { checkParamHeaders, type McpHeaders, type ParamHeader, paramHeadersOf } from './mcp-headers.ts';
import type { RpcError } from './wire.ts';

/** What pinned input schemas ask of a call, worked out once per pin. */
export class PinnedInput {
  readonly #validators = new WeakMap<Pin, ArgumentValidator>();
  readonly #headers = new WeakMap<Pin, readonly ParamHeader[]>();

  /** What does not fit, field by field. No arguments at all are an empty object (MCP, Tools, "Calling Tools"). */
  problems(pin: Pin, given: Json | undefined): readonly Problem[] {
    if (given !== undefined && !isJsonObject(given)) {
      const found = given === null ? 'null' : Array.isArray(given) ? 'a list' : typeof given;
      return [{ path: '/arguments', expected: 'an object', found }];
    }
    let validate = this.#validators.get(pin);
    if (validate === undefined) {
      const schema = pin.definition.inputSchema;
      validate = compileArguments(isJsonObject(schema) ? schema : { type: 'object' });
      this.#validators.set(pin, validate);
    }
    return validate(given ?? {});
  }

  /** MCP 2026-07-28, "Server Validation" of `Mcp-Param-*`; undefined when headers and body agree. */
  headersDisagree(pin: Pin, headers: McpHeaders, given: Json | undefined): RpcError | undefined {
    const declared = this.#headers.get(pin) ?? paramHeadersOf(pin.definition.inputSchema);
    this.#headers.set(pin, declared);
    return declared.length === 0 ? undefined : checkParamHeaders(declared, headers, given);
  }
}
