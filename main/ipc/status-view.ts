import type { StatusView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';

/** The one line that Home, the tray and every page's frame share. */
export function readStatus(rooms: Rooms): StatusView {
  const { trust, approvals, gateway, pause, ports } = rooms;
  const trusted = trust.state();
  const policy = rooms.policy();
  const until = pause.until();
  const waiting = approvals.pending().length;
  const endpoint = rooms.endpoint();
  const problem = trusted.enrolment
    ? (trusted.problem ??
      (policy.ok ? undefined : { code: policy.code, message: policy.message, since: ports.clock.now() }))
    : undefined;
  const changed = gateway.heldBack().some(({ state }) => state === 'changed');
  const state = !trusted.enrolment
    ? 'not-enrolled'
    : until !== undefined
      ? 'paused'
      : !policy.ok
        ? 'problem'
        : waiting > 0
          ? 'asking'
          : problem || changed
            ? 'problem'
            : 'calm';
  return {
    state,
    user: ports.account,
    waiting,
    version: ports.version,
    ...(trusted.enrolment ? { organisation: trusted.enrolment.name } : {}),
    ...(policy.ok ? { contact: policy.snapshot.document.contact } : {}),
    ...(trusted.current
      ? {
          policy: {
            version: trusted.current.version,
            digest: trusted.current.digest,
            signers: [...new Set([...trusted.current.signers.policy, ...trusted.current.signers.servers])],
            expires: trusted.current.expires,
            ...(trusted.checkedAt === undefined ? {} : { checkedAt: trusted.checkedAt }),
          },
        }
      : {}),
    ...(problem ? { problem: { code: problem.code, message: problem.message, since: problem.since } } : {}),
    ...(until === undefined ? {} : { pausedUntil: until }),
    ...(endpoint ? { endpoint } : {}),
  };
}
