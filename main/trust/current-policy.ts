import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileSnapshot, type PolicySnapshot, type SnapshotSource } from '../policy/decide.ts';
import type { Log } from '../ports.ts';
import { writeFileAtomically } from './files.ts';
import type { TrustState, VerifiedTargets } from './trust.ts';

/** The compiled form of what trust holds in force, or the one sentence why there is none. */
export type CurrentPolicy =
  | { readonly ok: true; readonly snapshot: PolicySnapshot }
  | { readonly ok: false; readonly code: 'no-policy' | 'policy-expired'; readonly message: string };

export interface PolicyCompiler {
  /** For TrustOptions.accept: undefined when the signed documents compile, else a sentence with every problem. */
  accept(targets: VerifiedTargets): Promise<string | undefined>;
  current(state: TrustState): CurrentPolicy;
}

export interface PolicyCompilerOptions {
  /** Folder of our own, where it is noted which documents passed the check. */
  readonly dir: string;
  /** This build: another one checks by other rules, so it checks anew. */
  readonly version: string;
  readonly log: Log;
  /** Checks documents completely, away from the thread that answers calls. Undefined when they are valid. */
  readonly check: (source: SnapshotSource) => Promise<string | undefined>;
}

/** Every problem of signed documents in one sentence; undefined when there is none. */
export function checkDocuments(source: SnapshotSource, rules: 'check' | 'checked' = 'check'): PolicySnapshot | string {
  const result = compileSnapshot(source, { rules });
  if (result.ok) return result.value;
  const lines = result.problems.map(
    ({ file, path, expected, found }) => `${file}${path ? ` at ${path}` : ''}: expected ${expected}, found ${found}`,
  );
  return `Version ${source.version} of ${source.organisation} is signed but not valid. ${lines.join('; ')}`;
}

/**
 * Compiles each signed version once. Its rules are validated once per computer and build; a later start only parses them.
 * The note of that is not signed and need not be: it spares a check of documents that are, and are verified at each start.
 */
export function createPolicyCompiler(options: PolicyCompilerOptions): PolicyCompiler {
  const compiled = new Map<string, PolicySnapshot>();
  const note = join(options.dir, 'checked');
  const mark = (targets: VerifiedTargets) =>
    `${options.version} ${targets.organisation} ${targets.version} ${targets.digest}\n`;

  const isChecked = (targets: VerifiedTargets): boolean => {
    try {
      return readFileSync(note, 'utf8') === mark(targets);
    } catch {
      // No note, or none that can be read: the documents are checked.
      return false;
    }
  };

  const compile = (targets: VerifiedTargets): PolicySnapshot | string => {
    const key = `${targets.version}:${targets.digest}`;
    const known = compiled.get(key);
    if (known) return known;
    const result = checkDocuments(targets, 'checked');
    if (typeof result === 'string') return result;
    // Two versions live at most: the one in force and the one about to replace it.
    for (const old of [...compiled.keys()].slice(0, -1)) compiled.delete(old);
    compiled.set(key, result);
    return result;
  };

  return {
    async accept(targets) {
      if (!isChecked(targets)) {
        const wrong = await options.check(targets);
        if (wrong !== undefined) return wrong;
        try {
          writeFileAtomically(note, mark(targets));
        } catch (error) {
          options.log.warn('check-not-noted', { message: error instanceof Error ? error.message : String(error) });
        }
      }
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
