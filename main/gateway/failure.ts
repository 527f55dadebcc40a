import type { BackendFailureCode } from '../backends/backends.ts';

const codes: ReadonlySet<string> = new Set<BackendFailureCode>([
  'unavailable',
  'timeout',
  'cancelled',
  'protocol',
  'revoked',
]);

/** The code of a BackendFailure, recognised by its shape: this room imports only the types of the backends. */
export function failureCode(error: unknown): BackendFailureCode | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' && codes.has(code) ? (code as BackendFailureCode) : undefined;
}
