/** Appends calls to the record at argv[2] until it is killed or refused. Says "begin ID" or "end ID" once the append returned. */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openAudit } from '../../main/audit/store.ts';

const opened = openAudit({ file: process.argv[2] ?? '', clock: { now: () => Date.now() } });
if (!opened.ok) {
  writeSync(1, `unopened ${opened.code}\n`);
  process.exit(1);
}
const { writer } = opened.value;

try {
  const open: string[] = [];
  for (;;) {
    const callId = randomUUID();
    writer.append({
      kind: 'call.begin',
      callId,
      user: 'alice',
      app: 'Cursor',
      era: 'modern',
      session: 'session-1',
      alias: 'github',
      tool: 'create_issue',
      argumentsDigest: 'b'.repeat(64),
      arguments: JSON.stringify('x'.repeat(Math.floor(Math.random() * 4_000))),
      effect: 'allow',
      rules: [],
      reason: 'Engineers may',
      policyVersion: 1,
      policyDigest: 'c'.repeat(64),
    });
    writeSync(1, `begin ${callId}\n`);
    open.push(callId);
    // A few calls run at the same time, so that a kill leaves several of them open.
    const ended = open.length > 3 ? open.shift() : undefined;
    if (ended === undefined) continue;
    writer.append({ kind: 'call.end', callId: ended, outcome: 'ok', durationMs: 1 });
    writeSync(1, `end ${ended}\n`);
  }
} catch (error) {
  writeSync(1, `refused ${error instanceof Error ? error.name : ''}\n`);
}
