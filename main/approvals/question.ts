import { sha256OfJson } from '../policy/canonical.ts';
import type { Json } from '../policy/json.ts';
import type { ApprovalQuestion } from './approvals.ts';

type Shown = Omit<ApprovalQuestion, 'digest' | 'askedAt' | 'expiresAt'>;

/** A deep, frozen copy with its digest: what is shown, what is digested and what is answered cannot drift apart. Throws NotCanonical. */
export function freezeQuestion(shown: Shown, askedAt: number, expiresAt: number): ApprovalQuestion {
  // Picked one by one, so that nothing else a caller passes along is shown without being digested, or kept.
  const copy: Shown = structuredClone({
    id: shown.id,
    callId: shown.callId,
    app: shown.app,
    user: shown.user,
    session: shown.session,
    alias: shown.alias,
    serverTitle: shown.serverTitle,
    ...(shown.kind !== undefined && { kind: shown.kind }),
    tool: shown.tool,
    definition: shown.definition,
    definitionSha256: shown.definitionSha256,
    args: shown.args,
    ...(shown.extra !== undefined && { extra: shown.extra }),
    labels: shown.labels,
    reason: shown.reason,
    rules: shown.rules,
    policyDigest: shown.policyDigest,
    message: shown.message,
    remember: shown.remember,
  });
  const digest = sha256OfJson({ ...copy } satisfies { [key: string]: Json });
  const question: ApprovalQuestion = { ...copy, digest, askedAt, expiresAt };
  freezeDeep(question);
  return question;
}

/** Iterative: arguments may nest as deep as they like. */
function freezeDeep(root: object): void {
  const stack: object[] = [root];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    Object.freeze(next);
    for (const child of Object.values(next)) if (typeof child === 'object' && child !== null) stack.push(child);
  }
}
