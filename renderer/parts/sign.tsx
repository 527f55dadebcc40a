import type { StatusView } from '../../preload/contract.ts';
import './sign.css';

export type SignState = 'calm' | 'care' | 'asking' | 'paused' | 'problem';

/** Problems beside which the policy in force goes on: what could not be fetched, or was offered and not accepted. */
const bearable: readonly string[] = ['unreachable', 'rollback', 'bad-signature'];

/** A problem bars the gate only where nothing runs; while the policy is in force it asks for care. */
export function signState(status: StatusView | undefined): SignState {
  const state = status?.state ?? 'calm';
  if (state === 'not-enrolled') return 'calm';
  if (state !== 'problem' || !status) return state;
  const inForce = status.policy !== undefined && status.policy.expires > Date.now();
  return inForce && (status.problem === undefined || bearable.includes(status.problem.code)) ? 'care' : 'problem';
}

/** An arch within an arch, beside words that say the same. Open: calm. With a dot at its side: needs care. A dot in the gate: asking. Two bars: paused. Barred: problem. */
export function Sign({ state, size = 24 }: { state: SignState; size?: number }) {
  return (
    <svg className={`sign ${state}`} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 21V11a8 8 0 0 1 16 0v10" />
      {(state === 'calm' || state === 'care') && <path className="sign-gate" d="M9 21v-8a3 3 0 0 1 6 0v8" />}
      {state === 'care' && <circle className="sign-badge" cx="19.8" cy="4.6" r="3.4" />}
      {state === 'asking' && <circle className="sign-dot" cx="12" cy="14.5" r="2.6" />}
      {state === 'paused' && <path d="M9.75 12.5V21M14.25 12.5V21" />}
      {state === 'problem' && <path d="M4 12.5h16M4 17.5h16M9.3 4.6V21M14.7 4.6V21" className="sign-bars" />}
    </svg>
  );
}
