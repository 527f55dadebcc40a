import type { BackendFailureCode } from './backends.ts';

/** The backend did not answer. Not the caller's fault and not a JSON-RPC error of the backend's. `message` is for the person. */
export class BackendFailure extends Error {
  readonly code: BackendFailureCode;
  readonly alias: string;

  constructor(code: BackendFailureCode, alias: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BackendFailure';
    this.code = code;
    this.alias = alias;
  }
}
