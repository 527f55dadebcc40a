import type { JsonObject, Problem } from './json.ts';
import type { Manifest } from './manifest.ts';

export interface CedarAnnotations {
  /** @id, or "policyN" where the author gave none. */
  readonly id: string;
  readonly reason?: string;
  readonly contact?: string;
  readonly effect: 'permit' | 'forbid';
}

export type Question = 'discover' | 'call' | 'unattended';

export interface CedarRequest {
  readonly question: Question;
  readonly user: { readonly id: string; readonly groups: readonly string[] };
  readonly alias: string;
  readonly tool: string;
  readonly context: JsonObject;
}

export interface CedarVerdict {
  readonly allowed: boolean;
  /** Policies that determined the verdict; empty when nothing permitted. */
  readonly rules: readonly CedarAnnotations[];
  /** Evaluation errors; any error makes the verdict a refusal. */
  readonly errors: readonly string[];
}

/** One compiled policy set. Immutable; `release` frees what the engine holds. */
export interface CedarEngine {
  readonly rules: readonly CedarAnnotations[];
  evaluate(request: CedarRequest): CedarVerdict;
  /** True when some rule that could apply to this tool and question reads context.args (or could: when in doubt, true). */
  dependsOnArguments(question: Question, alias: string, tool: string): boolean;
}

/** The Cedar schema generated from the pinned input schemas, and what in them could not be typed. */
export declare function generateSchema(manifest: Manifest): {
  readonly text: string;
  readonly untyped: readonly Problem[];
};

/** Strict validation against the generated schema. Problems carry file:line:column and the offending text. */
export declare function checkCedar(cedarText: string, manifest: Manifest): readonly Problem[];

/** Compiles; fails with the same problems `checkCedar` gives. Loads WebAssembly once; `loadCedar` must have resolved before. */
export declare function compileCedar(
  cedarText: string,
  manifest: Manifest,
):
  | { readonly ok: true; readonly value: CedarEngine }
  | { readonly ok: false; readonly code: 'invalid-cedar'; readonly problems: readonly Problem[] };
