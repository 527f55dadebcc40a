import type { BackendSession, Backends, ClientSide } from '../backends/backends.ts';
import { everyOffer } from '../policy/every-offer.ts';
import { rpcCode } from './wire.ts';

/** The house's own session with each backend, for looking only. */
export const houseKey = 'gatehouse';

const message = 'Nobody is here to answer: Gatehouse only looks at what this server shows.';

const houseSide: ClientSide = {
  capabilities: everyOffer,
  onRequest: async () => ({ ok: false, error: { code: rpcCode.internalError, message } }),
  onNotification: () => {},
};

/** Opened with the offer that servers are pinned with, so that it is shown what was pinned. Rejects with BackendFailure. */
export function openHouseSession(backends: Backends, alias: string, signal: AbortSignal): Promise<BackendSession> {
  return backends.open(alias, houseKey, signal, houseSide);
}
