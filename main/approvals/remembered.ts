/** What "allow for this session" reaches: this exact tool definition, in this session, under this policy. */
export interface RememberedKey {
  readonly session: string;
  readonly alias: string;
  readonly kind?: 'prompt' | 'resource';
  readonly tool: string;
  readonly definitionSha256: string;
  readonly policyDigest: string;
}

/** Session answers, in memory only: they end with the session, the policy, the definition, or the program. */
export class RememberedAnswers {
  readonly #sessions = new Map<string, Set<string>>();

  add(key: RememberedKey): void {
    const known = this.#sessions.get(key.session) ?? new Set();
    known.add(nameOf(key));
    this.#sessions.set(key.session, known);
  }

  has(key: RememberedKey): boolean {
    return this.#sessions.get(key.session)?.has(nameOf(key)) ?? false;
  }

  forget(session: string): void {
    this.#sessions.delete(session);
  }
}

/** JSON keeps the parts apart whatever characters they hold. */
function nameOf(key: RememberedKey): string {
  return JSON.stringify([key.alias, key.kind ?? 'tool', key.tool, key.definitionSha256, key.policyDigest]);
}
