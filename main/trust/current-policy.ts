import { compileSnapshot, type PolicySnapshot } from '../policy/decide.ts';
import type { TrustState, VerifiedTargets } from './trust.ts';

/** The compiled form of what trust holds in force, or the one sentence why there is none. */
export type CurrentPolicy =
  | { readonly ok: true; readonly snapshot: PolicySnapshot }
  | { readonly ok: false; readonly code: 'no-policy' | 'policy-expired'; readonly message: string };

export interface PolicyCompiler {
  /** For TrustOptions.accept: undefined when the signed documents compile, else a sentence with every problem. */
  accept(targets: VerifiedTargets): string | undefined;
  current(state: TrustState): CurrentPolicy;
}

/** Keeps the compiled snapshot of the targets in force, so that one signed version is compiled once. */
export function createPolicyCompiler(): PolicyCompiler {
  const compiled = new Map<string, PolicySnapshot>();

  const compile = (targets: VerifiedTargets): PolicySnapshot | string => {
    const key = `${targets.version}:${targets.digest}`;
    const known = compiled.get(key);
    if (known) return known;
    const result = compileSnapshot(targets);
    if (!result.ok) {
      const lines = result.problems.map(
        (problem) =>
          `${problem.file}${problem.path ? ` at ${problem.path}` : ''}: expected ${problem.expected}, found ${problem.found}`,
      );
      return `Version ${targets.version} of ${targets.organisation} is signed but not valid. ${lines.join('; ')}`;
    }
    // Two versions live at most: the one in force and the one about to replace it.
    for (const old of [...compiled.keys()].slice(0, -1)) compiled.delete(old);
    compiled.set(key, result.value);
    return result.value;
  };

  return {
    accept(targets) {
      const result = compile(targets);
      return typeof result === 'string' ? result : undefined;
    },
    current(state) {
      if (state.current) {
        const result = compile(state.current);
        if (typeof result !== 'string') return { ok: true, snapshot: result };
        return { ok: false, code: 'no-policy', message: result };
      }
      const problem = state.problem;
      const code = problem?.code === 'expired' ? 'policy-expired' : 'no-policy';
      const message =
        problem?.message ??
        (state.enrolment
          ? `No verified policy of ${state.enrolment.name} is on this computer yet.`
          : 'This computer has not joined an organisation yet. Open Gatehouse and join one.');
      return { ok: false, code, message };
    },
  };
}
