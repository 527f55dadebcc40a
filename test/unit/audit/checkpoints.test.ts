import { statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Checkpoint, Checkpoints } from '../../../main/audit/checkpoints.ts';
import { verifyAuditFile } from '../../../main/audit/verify.ts';
import { createCheckpointThread } from '../../../main/off-thread.ts';
import { beginOf, createFolder } from './records.ts';

let folder: ReturnType<typeof createFolder>;
beforeEach(() => {
  folder = createFolder();
});
afterEach(() => folder.remove());

const unexpected = (error: unknown): never => expect.fail(String(error));
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A disk that answers when the test says so. */
function slowDisk() {
  const asked: ((counts: Awaited<ReturnType<Checkpoint>>) => void)[] = [];
  const run: Checkpoint = () => new Promise((resolve) => asked.push(resolve));
  return { run, asked };
}

describe('when the log of the record has grown', () => {
  it('is asked to be moved once, and again when it has grown anew', async () => {
    const { run, asked } = slowDisk();
    const checkpoints = new Checkpoints(run, () => expect.fail('nothing has to wait'), unexpected);
    for (let commits = 0; commits < 1_999; commits += 1) checkpoints.wrote(1);
    expect(asked).toHaveLength(1);
    for (let commits = 0; commits < 5_000; commits += 1) checkpoints.wrote(1);
    expect(asked).toHaveLength(1);
    asked[0]?.({ log: 4_000, moved: 3_990 });
    await turn();
    checkpoints.wrote(1);
    expect(asked).toHaveLength(2);
  });

  it('lets rows wait only when the log is very large, until the rest of it is moved', async () => {
    const { run, asked } = slowDisk();
    let held = 0;
    const hold = () => {
      held += 1;
      return () => {
        held = 0;
      };
    };
    const checkpoints = new Checkpoints(run, hold, unexpected);
    checkpoints.wrote(100_000_000);
    asked[0]?.({ log: 24_000, moved: 23_000 });
    await turn();
    expect([held, asked.length]).toEqual([1, 2]);
    asked[1]?.({ log: 24_000, moved: 24_000 });
    await turn();
    expect(held).toBe(0);
  });

  it('does not let rows wait forever for a disk that hangs', async () => {
    const { run, asked } = slowDisk();
    let held = false;
    const hold = () => {
      held = true;
      return () => {
        held = false;
      };
    };
    new Checkpoints(run, hold, unexpected).wrote(100_000_000);
    asked[0]?.({ log: 24_000, moved: 0 });
    await turn();
    expect(held).toBe(true);
    await expect.poll(() => held, { timeout: 2_000 }).toBe(false);
  });

  it('says once that the other thread failed, and leaves it alone from then on', async () => {
    const failures: string[] = [];
    const checkpoints = new Checkpoints(
      () => Promise.reject(new Error('no thread')),
      () => () => {},
      (error) => failures.push(String(error)),
    );
    for (let times = 0; times < 3; times += 1) {
      checkpoints.wrote(100_000_000);
      await turn();
    }
    expect(failures).toEqual(['Error: no thread']);
  });
});

describe('when rows are kept waiting', () => {
  it('writes them, in order, as soon as they may go on, and those of a closing record at once', async () => {
    const { run, asked } = slowDisk();
    const store = folder.open({ checkpoint: run });
    const large = { arguments: 'x'.repeat(20_000_000) };
    store.writer.append(beginOf(large));
    asked[0]?.({ log: 24_000, moved: 23_000 });
    await turn();
    const order: number[] = [];
    const later = [1, 2].map(() => store.writer.appendSoon(beginOf()).then(({ seq }) => order.push(seq)));
    await turn();
    expect(order).toEqual([]);
    // What cannot wait is written all the same.
    expect(store.writer.append(beginOf()).seq).toBe(2);
    asked[1]?.({ log: 24_000, moved: 24_000 });
    await Promise.all(later);
    expect(order).toEqual([3, 4]);
    store.close();
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 4 });
  });
});

describe('the thread that moves the log', () => {
  it('moves what is committed beside a record that goes on, and leaves one whole file', async () => {
    const thread = createCheckpointThread(folder.path(), undefined);
    const store = folder.open({ checkpoint: thread.run });
    try {
      const before = statSync(folder.path()).size;
      for (let rows = 0; rows < 200; rows += 1) store.writer.append(beginOf({ arguments: 'x'.repeat(10_000) }));
      const { log, moved } = await thread.run();
      expect([log > 100, moved]).toEqual([true, log]);
      expect(statSync(folder.path()).size).toBeGreaterThan(before + 1_000_000);
      store.writer.append(beginOf());
      expect(store.reader.verify()).toMatchObject({ ok: true, rows: 201 });
    } finally {
      await thread.close();
    }
    store.close();
    expect(verifyAuditFile(folder.path())).toMatchObject({ ok: true, rows: 201 });
    expect(() => statSync(`${folder.path()}-wal`)).toThrow('ENOENT');
  });

  it('says so when the record cannot be opened, and can be closed without having been used', async () => {
    const thread = createCheckpointThread(`${folder.path('missing')}/audit.db`, undefined);
    await expect(thread.run()).rejects.toThrow();
    await thread.close();
    await createCheckpointThread(folder.path(), undefined).close();
  });
});
