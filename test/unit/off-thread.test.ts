import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Job, runOffThread } from '../../main/off-thread.ts';

describe('when work is done in a thread of its own', () => {
  it('answers what is wrong with documents, and nothing where all is well', async () => {
    const source = {
      organisation: 'Acme',
      version: 3,
      policyJson: '{"schema":1,"organisation":"Acme","contact":"it"}',
      policyCedar: '',
      manifestJson: '{"schema":1,"servers":[]}',
    };
    expect(await runOffThread({ kind: 'check-documents', source })).toBeUndefined();
    const wrong = await runOffThread({ kind: 'check-documents', source: { ...source, policyCedar: 'permit (' } });
    expect(wrong).toMatch(/^Version 3 of Acme is signed but not valid\. policy\.cedar/);
  });

  it('answers about a record that is none, without a thread that stays', async () => {
    const home = mkdtempSync(join(tmpdir(), 'gatehouse-thread-'));
    try {
      writeFileSync(join(home, 'audit.db'), 'no database');
      expect(await runOffThread({ kind: 'verify-record', file: join(home, 'audit.db') })).toMatchObject({ ok: false });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  it('rejects where the thread fails', async () => {
    await expect(runOffThread({ kind: 'check-documents' } as Job & { kind: 'check-documents' })).rejects.toThrow();
  });

  it('rejects what cannot be handed over', async () => {
    const job = { kind: 'verify-record', file: () => '' } as unknown as Job & { kind: 'verify-record' };
    await expect(runOffThread(job)).rejects.toThrow(/could not be cloned/);
  });
});
