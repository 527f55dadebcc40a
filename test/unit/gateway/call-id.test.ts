import { describe, expect, it } from 'vitest';
import { newCallId } from '../../../main/gateway/call-id.ts';

describe('the id of a call', () => {
  it('is a UUID of version 7 whose beginning is the time', () => {
    const id = newCallId(Date.UTC(2026, 10, 20));
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(Date.UTC(2026, 10, 20));
  });

  it('is another one each time, and sorts by time', () => {
    const ids = Array.from({ length: 2_000 }, (_, n) => newCallId(1_700_000_000_000 + n));
    expect(new Set(ids).size).toBe(2_000);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(Array.from({ length: 2_000 }, () => newCallId(5))).size).toBe(2_000);
  });

  it('is one whatever the clock says', () => {
    for (const now of [0, -5, 1.5, 2 ** 48, Number.MAX_SAFE_INTEGER]) {
      expect(newCallId(now)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });
});
