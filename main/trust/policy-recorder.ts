import type { AuditEvent } from '../audit/record.ts';
import type { CurrentPolicy } from './current-policy.ts';
import type { Trust } from './trust.ts';

/** Writes each change of what is in force to the record, once. */
export function createPolicyRecorder(
  trust: Trust,
  policy: () => CurrentPolicy,
  record: (event: AuditEvent) => void,
): () => void {
  let lastVersion = '';
  let lastProblem = '';
  return () => {
    const state = trust.state();
    const current = policy();
    const version = current.ok
      ? `${current.snapshot.organisation}:${current.snapshot.version}:${current.snapshot.digest}`
      : '';
    if (version !== lastVersion) {
      if (current.ok && state.current) {
        const { organisation, version: number, digest, signers } = state.current;
        record({
          kind: 'policy.applied',
          organisation,
          version: number,
          digest,
          signers: [...signers.policy, ...signers.servers],
        });
      } else if (!current.ok) {
        record({ kind: 'policy.ended', code: current.code, message: current.message });
      }
      lastVersion = version;
    }
    const problem = state.problem && state.enrolment ? `${state.problem.code}: ${state.problem.message}` : '';
    if (problem && problem !== lastProblem && state.problem) {
      record({ kind: 'policy.rejected', code: state.problem.code, message: state.problem.message });
    }
    lastProblem = problem;
  };
}
