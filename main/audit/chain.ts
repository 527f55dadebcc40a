import { createHash, hash } from 'node:crypto';

/**
 * The hash chain over the record. Pure: rows in, verdict out.
 *
 * hash = SHA-256 over these fields in this order, each as netstring-like `<byte length>:<UTF-8 bytes>\n`, so that no two
 * different rows share a byte string; an absent call id is `-\n`:
 *   tag "gatehouse-audit-row-1", seq (decimal), at (decimal ms), kind, callId, prev, body
 * The first row's prev is the genesis hash of this file's random chain id, so a file swapped as a whole is another chain.
 *
 * What a chain cannot show: rows cut from its END (the rest is a valid, shorter chain), and a file rewritten completely by
 * someone who can compute SHA-256. Both show against a checkpoint kept elsewhere: the number of rows and the head hash,
 * which every good verdict carries.
 *
 * Time may go backwards between rows: clocks are corrected. That is counted, not refused; order is `seq`.
 */

/** A row as it lies in the file. Text that was read back may be bytes, so that what is hashed is what is stored. */
export interface ChainRow {
  readonly seq: number;
  readonly at: number;
  readonly kind: string | Uint8Array;
  readonly callId: string | Uint8Array | null;
  readonly body: string | Uint8Array;
  readonly prev: string;
  readonly hash: string;
}

/** Where a stretch of chain begins: the number and hash of the row before it. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

export type ChainFault = 'gap' | 'prev' | 'hash';

export type ChainVerdict =
  | { readonly ok: true; readonly rows: number; readonly head: string; readonly clockSteps: number }
  | {
      readonly ok: false;
      /** Good rows before the bad one. */
      readonly rows: number;
      readonly seq: number;
      readonly fault: ChainFault;
      readonly problem: string;
    };

/** The point before row 1 of the chain with this id (64 hex characters). */
export function genesis(chainId: string): ChainPoint {
  return { seq: 0, hash: hash('sha256', netstring('gatehouse-audit-chain-1') + netstring(chainId), 'hex') };
}

/** Hex SHA-256 of a row's content and of the hash before it. */
export function hashRow(row: Omit<ChainRow, 'hash'>): string {
  const fields = [row.kind, row.callId, row.prev, row.body];
  let bytes: ReturnType<typeof createHash> | undefined;
  let text = netstring('gatehouse-audit-row-1') + netstring(String(row.seq)) + netstring(String(row.at));
  for (const field of fields) {
    if (field === null) text += '-\n';
    else if (typeof field === 'string') text += netstring(field);
    else {
      bytes ??= createHash('sha256');
      bytes.update(`${text}${field.byteLength}:`).update(field);
      text = '\n';
    }
  }
  // Text alone, which is what the writer has, is hashed in one step: a quarter of the time.
  return bytes === undefined ? hash('sha256', text, 'hex') : bytes.update(text).digest('hex');
}

/** Follows the chain from `start`; stops at the first bad row and says how it is bad. */
export function verifyRows(rows: Iterable<ChainRow>, start: ChainPoint): ChainVerdict {
  let seq = start.seq;
  let head = start.hash;
  let good = 0;
  let clockSteps = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    const expected = seq + 1;
    const bad = (fault: ChainFault, problem: string): ChainVerdict => ({
      ok: false,
      rows: good,
      seq: expected,
      fault,
      problem,
    });
    if (row.seq !== expected) {
      return bad('gap', `Row ${expected} is missing or out of place: found row ${row.seq} where ${expected} belongs.`);
    }
    if (row.prev !== head) {
      const before = seq === 0 ? "this file's beginning" : `row ${seq}`;
      return bad('prev', `Row ${expected} does not follow ${before}: its link to what came before was changed.`);
    }
    if (row.hash !== hashRow(row)) {
      return bad('hash', `Row ${expected} was changed: its content does not match its hash.`);
    }
    if (row.at < lastAt) clockSteps++;
    lastAt = row.at;
    seq = expected;
    head = row.hash;
    good++;
  }
  return { ok: true, rows: good, head, clockSteps };
}

function netstring(text: string): string {
  return `${Buffer.byteLength(text)}:${text}\n`;
}
