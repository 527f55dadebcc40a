import type { GatewayLimits } from '../policy/document.ts';
import type { InForce } from './gateway.ts';

/** What a policy that says nothing of limits sets; it holds, too, while none is in force. */
export const defaultLimits: GatewayLimits = {
  bodyBytes: 16_777_216,
  sessionsPerApp: 256,
  streamsPerSession: 4,
  streamsPerApp: 64,
  callsPerApp: 256,
  parkedPerApp: 32,
  parkedSeconds: 600,
  batch: 50,
  depth: 200,
};

export function limitsOf(inForce: InForce): GatewayLimits {
  return inForce.ok ? inForce.snapshot.document.gateway : defaultLimits;
}
