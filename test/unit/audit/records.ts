/** What the tests of the record share: a folder of their own, opened records, plausible calls. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditEvent, CallFacts, CallOutcome } from '../../../main/audit/record.ts';
import { type AuditOptions, type AuditStore, openAudit } from '../../../main/audit/store.ts';

/** A folder and the records opened in it; `remove` closes and deletes them. */
export function createFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-audit-'));
  const opened: AuditStore[] = [];
  return {
    path: (name = 'audit.db') => join(folder, name),
    open(options: Partial<AuditOptions> = {}): AuditStore {
      const result = openAudit({ file: join(folder, 'audit.db'), clock: { now: () => Date.now() }, ...options });
      if (!result.ok) throw new Error(result.message);
      opened.push(result.value);
      return result.value;
    },
    remove() {
      for (const store of opened) store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function factsOf(changes: Partial<CallFacts> = {}): CallFacts {
  return {
    callId: randomUUID(),
    user: 'alice',
    app: 'Cursor',
    era: 'modern',
    session: 'session-1',
    alias: 'github',
    tool: 'create_issue',
    argumentsDigest: 'b'.repeat(64),
    arguments: '{"title":"Hello"}',
    effect: 'allow',
    rules: [{ id: 'engineers', reason: 'Engineers may' }],
    reason: 'Engineers may',
    policyVersion: 3,
    policyDigest: 'c'.repeat(64),
    ...changes,
  };
}

export function beginOf(changes: Partial<CallFacts> = {}): AuditEvent & { kind: 'call.begin' } {
  return { kind: 'call.begin', ...factsOf(changes) };
}

export function endOf(callId: string, outcome: CallOutcome = 'ok'): AuditEvent {
  return { kind: 'call.end', callId, outcome, durationMs: 12, resultDigest: 'd'.repeat(64), result: '{"content":[]}' };
}

export function refusalOf(changes: Partial<CallFacts> = {}): AuditEvent {
  return {
    kind: 'call.refused',
    code: 'policy-denied',
    message: 'Your organisation does not allow this.',
    ...factsOf({ effect: 'deny', ...changes }),
  };
}

/** One finished call; answers its id. */
export function appendCall(store: AuditStore, changes: Partial<CallFacts> = {}, outcome: CallOutcome = 'ok'): string {
  const begin = beginOf(changes);
  store.writer.append(begin);
  store.writer.append(endOf(begin.callId, outcome));
  return begin.callId;
}
