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

  it('counts tokens as the tokenizer does, whatever the text', async () => {
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
    const words = 'The quick brown fox, "jumps" over {"the":[1,2.5,null]} – ünï¢ödé 😀 <|endoftext|>\n';
    const texts = ['', 'hello world', words, words.repeat(300)];
    const exact = texts.map((text) => countTokens(text, { disallowedSpecial: new Set() }));
    expect(await runOffThread({ kind: 'count-tokens', texts })).toEqual(exact);
    expect(exact.slice(0, 2)).toEqual([0, 2]);
    // One endless word, and half a character: an answer within the test's time is what counts.
    const [endless, half] = await runOffThread({ kind: 'count-tokens', texts: ['a'.repeat(200_000), '\ud800'] });
    expect(endless).toBeGreaterThan(20_000);
    expect(half).toBeGreaterThan(0);
  });

  it('rejects where the thread fails', async () => {
    await expect(runOffThread({ kind: 'check-documents' } as Job & { kind: 'check-documents' })).rejects.toThrow();
  });

  it('rejects what cannot be handed over', async () => {
    const job = { kind: 'verify-record', file: () => '' } as unknown as Job & { kind: 'verify-record' };
    await expect(runOffThread(job)).rejects.toThrow(/could not be cloned/);
  });
});
