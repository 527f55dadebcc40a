import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../main/audit/record.ts';
import type { PolicySnapshot } from '../../../main/policy/decide.ts';
import type { CurrentPolicy } from '../../../main/trust/current-policy.ts';
import { createPolicyRecorder } from '../../../main/trust/policy-recorder.ts';
import type { Trust, TrustState } from '../../../main/trust/trust.ts';

const enrolment = { name: 'Acme', repository: 'file:///x/', rootKeyIds: ['k'], managed: false };

function stage() {
  const events: AuditEvent[] = [];
  let state: TrustState = {};
  let current: CurrentPolicy = { ok: false, code: 'no-policy', message: 'none' };
  const trust = { state: () => state } as Trust;
  const look = createPolicyRecorder(
    trust,
    () => current,
    (event) => events.push(event),
  );
  return {
    events,
    look,
    inForce(version: number, problem?: { code: 'unreachable' | 'bad-signature'; message: string }) {
      const targets = {
        organisation: 'Acme',
        version,
        digest: `d${version}`,
        signers: { policy: ['p'], servers: ['s'] },
      };
      state = {
        enrolment,
        current: targets,
        ...(problem ? { problem: { ...problem, since: 0 } } : {}),
      } as unknown as TrustState;
      current = { ok: true, snapshot: targets as unknown as PolicySnapshot };
      look();
    },
    none(code: 'no-policy' | 'policy-expired') {
      state = { enrolment };
      current = { ok: false, code, message: 'why' };
      look();
    },
  };
}

describe('when what is in force changes', () => {
  it('records nothing where nothing was and nothing is', () => {
    const { events, look } = stage();
    look();
    look();
    expect(events).toEqual([]);
  });

  it('records each version once, with who signed it, and its end once', () => {
    const { events, look, inForce, none } = stage();
    inForce(1);
    look();
    inForce(2);
    none('policy-expired');
    look();
    inForce(2);
    expect(events).toEqual([
      { kind: 'policy.applied', organisation: 'Acme', version: 1, digest: 'd1', signers: ['p', 's'] },
      { kind: 'policy.applied', organisation: 'Acme', version: 2, digest: 'd2', signers: ['p', 's'] },
      { kind: 'policy.ended', code: 'policy-expired', message: 'why' },
      { kind: 'policy.applied', organisation: 'Acme', version: 2, digest: 'd2', signers: ['p', 's'] },
    ]);
  });

  it('records a refused update once, and again when it comes back', () => {
    const { events, inForce } = stage();
    const problem = { code: 'bad-signature', message: 'wrong' } as const;
    inForce(1, problem);
    inForce(1, problem);
    inForce(1);
    inForce(1, problem);
    expect(events.filter(({ kind }) => kind === 'policy.rejected')).toHaveLength(2);
  });
});
