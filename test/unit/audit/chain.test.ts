import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChainRow, genesis, hashRow, verifyRows } from '../../../main/audit/chain.ts';

const start = genesis('0f'.repeat(32));

type Content = Pick<ChainRow, 'at' | 'kind' | 'callId' | 'body'>;

function chainOf(contents: readonly Content[], from = start): ChainRow[] {
  let { seq, hash } = from;
  return contents.map((content) => {
    const row = { ...content, seq: seq + 1, prev: hash };
    seq = row.seq;
    hash = hashRow(row);
    return { ...row, hash };
  });
}

const content = fc.record({
  at: fc.integer({ min: 0, max: 4e12 }),
  kind: fc.constantFrom('call.begin', 'call.end', 'gateway.started'),
  callId: fc.option(fc.string({ maxLength: 12 }), { nil: null }),
  body: fc.json({ maxDepth: 2 }),
});
const contents = fc.array(content, { minLength: 1, maxLength: 12 });
const place = fc.nat({ max: 1_000_000 });

function replaceAt(rows: readonly ChainRow[], index: number, change: Partial<ChainRow>): ChainRow[] {
  return rows.map((row, i) => (i === index ? { ...row, ...change } : row));
}

describe('when a chain is as it was written', () => {
  it('is accepted, with its length and head', () => {
    fc.assert(
      fc.property(contents, (list) => {
        const rows = chainOf(list);
        expect(verifyRows(rows, start)).toMatchObject({ ok: true, rows: rows.length, head: rows.at(-1)?.hash });
      }),
    );
  });

  it('is accepted from any point in it, given the row before', () => {
    fc.assert(
      fc.property(contents, place, (list, at) => {
        const rows = chainOf(list);
        const cut = at % rows.length;
        const before = rows[cut - 1];
        expect(verifyRows(rows.slice(cut), before ?? start)).toMatchObject({ ok: true, rows: rows.length - cut });
      }),
    );
  });

  it('is accepted when empty, with the genesis hash as its head', () => {
    expect(verifyRows([], start)).toEqual({ ok: true, rows: 0, head: start.hash, clockSteps: 0 });
  });

  it('is the same whether text is given as text or as its bytes', () => {
    fc.assert(
      fc.property(contents, (list) => {
        const rows = chainOf(list).map((row) => ({
          ...row,
          kind: Buffer.from(row.kind as string),
          callId: row.callId === null ? null : Buffer.from(row.callId as string),
          body: Buffer.from(row.body as string),
        }));
        expect(verifyRows(rows, start).ok).toBe(true);
      }),
    );
  });

  it('counts a clock that was set back and accepts it', () => {
    const list = [3, 1, 2, 2, 0].map((at) => ({ at, kind: 'call.begin', callId: null, body: '{}' }));
    expect(verifyRows(chainOf(list), start)).toMatchObject({ ok: true, clockSteps: 2 });
  });
});

describe('when one thing in a chain is changed', () => {
  const fields = ['at', 'kind', 'callId', 'body', 'prev', 'hash'] as const;

  it('names the row, whichever field and row it was', () => {
    fc.assert(
      fc.property(contents, place, fc.constantFrom(...fields), (list, at, field) => {
        const rows = chainOf(list);
        const index = at % rows.length;
        const row = rows[index];
        if (row === undefined) throw new Error('unreachable');
        const value = field === 'at' ? row.at + 1 : `${row[field] ?? ''}!`;
        expect(verifyRows(replaceAt(rows, index, { [field]: value }), start)).toMatchObject({
          ok: false,
          seq: index + 1,
          rows: index,
          fault: field === 'prev' ? 'prev' : 'hash',
        });
      }),
    );
  });

  it('names the row for any single bit of its body', () => {
    fc.assert(
      fc.property(contents, place, place, fc.nat({ max: 7 }), (list, at, where, bit) => {
        const rows = chainOf(list);
        const index = at % rows.length;
        const body = Buffer.from(rows[index]?.body as string);
        const byte = where % body.length;
        body.writeUInt8(body.readUInt8(byte) ^ (1 << bit), byte);
        expect(verifyRows(replaceAt(rows, index, { body }), start)).toMatchObject({
          ok: false,
          seq: index + 1,
          fault: 'hash',
        });
      }),
    );
  });

  it('tells an absent call id from an empty one', () => {
    const [row] = chainOf([{ at: 1, kind: 'call.end', callId: null, body: '{}' }]);
    expect(verifyRows([{ ...(row as ChainRow), callId: '' }], start)).toMatchObject({ ok: false, seq: 1 });
  });

  it('does not let bytes move from one field to the next', () => {
    const [row] = chainOf([{ at: 1, kind: 'ab', callId: 'c', body: '{}' }]);
    expect(verifyRows([{ ...(row as ChainRow), kind: 'a', callId: 'bc' }], start)).toMatchObject({ ok: false });
    expect(verifyRows([{ ...(row as ChainRow), kind: 'ab\n1:c', callId: '' }], start)).toMatchObject({ ok: false });
  });

  it('sees bytes that are not text but would decode to the same text', () => {
    const [row] = chainOf([{ at: 1, kind: 'call.end', callId: null, body: '"\ufffd"' }]);
    const body = Buffer.from([0x22, 0xf0, 0x9f, 0x98, 0x22]);
    expect(body.toString()).toBe('"\ufffd"');
    expect(verifyRows([{ ...(row as ChainRow), body }], start)).toMatchObject({ ok: false, fault: 'hash' });
  });
});

describe('when rows are moved about', () => {
  it('notices a row taken out of the middle', () => {
    fc.assert(
      fc.property(fc.array(content, { minLength: 2, maxLength: 12 }), place, (list, at) => {
        const rows = chainOf(list);
        const index = at % (rows.length - 1);
        expect(verifyRows(rows.toSpliced(index, 1), start)).toMatchObject({ ok: false, seq: index + 1, fault: 'gap' });
      }),
    );
  });

  it('notices a row taken out even when the later ones are renumbered', () => {
    fc.assert(
      fc.property(fc.array(content, { minLength: 2, maxLength: 12 }), place, (list, at) => {
        const rows = chainOf(list);
        const index = at % (rows.length - 1);
        const renumbered = rows.toSpliced(index, 1).map((row, i) => ({ ...row, seq: i + 1 }));
        expect(verifyRows(renumbered, start)).toMatchObject({ ok: false, seq: index + 1, fault: 'prev' });
      }),
    );
  });

  it('notices two rows swapped, renumbered or not', () => {
    fc.assert(
      fc.property(fc.array(content, { minLength: 2, maxLength: 12 }), place, fc.boolean(), (list, at, renumber) => {
        const rows = chainOf(list);
        const index = at % (rows.length - 1);
        const [a, b] = [rows[index], rows[index + 1]];
        if (a === undefined || b === undefined) throw new Error('unreachable');
        const swapped = rows.toSpliced(index, 2, b, a).map((row, i) => (renumber ? { ...row, seq: i + 1 } : row));
        expect(verifyRows(swapped, start)).toMatchObject({ ok: false, seq: index + 1 });
      }),
    );
  });

  it('notices a row put in, at the place where the old chain goes on', () => {
    fc.assert(
      fc.property(contents, content, place, (list, extra, at) => {
        const rows = chainOf(list);
        const index = at % rows.length;
        const forged = chainOf([extra], rows[index - 1] ?? start);
        const renumbered = rows.toSpliced(index, 0, ...forged).map((row, i) => ({ ...row, seq: i + 1 }));
        expect(verifyRows(renumbered, start)).toMatchObject({ ok: false, seq: index + 2 });
      }),
    );
  });

  it('notices rows of another file, and a file swapped as a whole', () => {
    const list = [{ at: 1, kind: 'call.begin', callId: 'c', body: '{}' }];
    const other = chainOf(list, genesis('aa'.repeat(32)));
    expect(verifyRows(other, start)).toMatchObject({ ok: false, seq: 1, fault: 'prev' });
  });

  it('cannot see a cut tail, and says so by the head and length it returns', () => {
    const rows = chainOf([1, 2, 3].map((at) => ({ at, kind: 'call.begin', callId: null, body: '{}' })));
    const whole = verifyRows(rows, start);
    const cut = verifyRows(rows.slice(0, 2), start);
    expect(cut).toMatchObject({ ok: true, rows: 2, head: rows[1]?.hash });
    expect(cut).not.toEqual(whole);
  });
});

describe('the byte string that is hashed', () => {
  it('is the documented one, so that anyone can check a record with other tools', () => {
    const row = { seq: 7, at: 1_700_000_000_000, kind: 'call.end', callId: 'ü', body: '{"a":1}', prev: 'p' };
    // printf '21:gatehouse-audit-row-1\n1:7\n13:1700000000000\n8:call.end\n2:ü\n1:p\n7:{"a":1}\n' | sha256sum
    expect(hashRow(row)).toBe('b4d76937957a66ef81e6abb2cd920d89bde3cc834c27e97e9cc5ecb26b30e6d9');
    // printf '23:gatehouse-audit-chain-1\n64:0f…0f\n' | sha256sum
    expect(start).toEqual({ seq: 0, hash: '03e35a77ea87271d6167810dfc518e3fb3d8573afbe8024745455e09f102db64' });
  });
});
