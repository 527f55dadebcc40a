import { describe, expect, it } from 'vitest';
import { changesInWords } from '../../../main/gateway/held-back.ts';
import { boundVerdicts } from '../../../main/gateway/shown-definition.ts';
import { sha256OfJson } from '../../../main/policy/canonical.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { compareTools, type Pin } from '../../../main/policy/manifest.ts';

const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}"secret"${'}'.repeat(levels)}`) as JsonObject;
const pinOf = (definition: JsonObject): Pin => ({ sha256: sha256OfJson(definition), definition, labels: [] });

const plain: JsonObject = { name: 'tool', inputSchema: { type: 'object' } };
const judge = (shown: JsonObject, pinned = plain) =>
  boundVerdicts(compareTools({ tools: { tool: pinOf(pinned) } }, [shown]));

describe('when a shown definition is too deep or too large to be taken apart', () => {
  it('is changed in fixed words, at whatever depth', () => {
    for (const levels of [64, 500, 100_000]) {
      const verdict = judge({ ...plain, inputSchema: nested(levels) }).get('tool');
      if (verdict?.state !== 'changed') throw new Error(`${verdict?.state}`);
      expect(JSON.stringify(verdict.changes)).not.toContain('secret');
      expect(JSON.stringify(verdict.shown)).toBe('{"name":"tool"}');
      expect(changesInWords(verdict)).toContain('nested deeper than 64 levels, so not shown');
    }
  });

  it('is changed in fixed words above 256 KB', () => {
    const verdict = judge({ ...plain, description: 'secret'.repeat(50_000) }).get('tool');
    if (verdict?.state !== 'changed') throw new Error(`${verdict?.state}`);
    expect(changesInWords(verdict)).toContain('larger than 256 KB, so not shown');
    expect(JSON.stringify(verdict).length).toBeLessThan(2_000);
  });

  it('is new under a bounded name where nothing was pinned', () => {
    const name = 'n'.repeat(300_000);
    const verdicts = [...judge({ name, inputSchema: nested(100_000) })];
    const unpinned = verdicts.find(([, verdict]) => verdict.state === 'unpinned');
    expect(unpinned?.[0].length).toBeLessThan(300);
    expect(JSON.stringify(unpinned).length).toBeLessThan(1_000);
  });
});

describe('when a shown definition can be taken apart', () => {
  it('shows each difference as it is', () => {
    const verdict = judge({ ...plain, inputSchema: nested(50) }).get('tool');
    expect(verdict?.state === 'changed' && JSON.stringify(verdict.changes)).toContain('secret');
  });

  it('is approved whatever its size where it equals its pin', () => {
    const large = { ...plain, description: 'x'.repeat(400_000) };
    expect(judge(large, large).get('tool')?.state).toBe('approved');
  });
});
