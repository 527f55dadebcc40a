import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FolderWatch, isNetworkPath, markOf, watchRepository } from '../../../main/trust/watch-folder.ts';

let root: string;
let watched: FolderWatch | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-watch-'));
  mkdirSync(join(root, 'metadata'));
});
afterEach(() => {
  watched?.close();
  watched = undefined;
  rmSync(root, { recursive: true, force: true });
});

const publish = (text: string) => writeFileSync(join(root, 'metadata', 'timestamp.json'), text);
const turns = () => new Promise((resolve) => setTimeout(resolve, 60));

describe('when the file share of the repository hangs', () => {
  it('has one look under way, waits for it on no thread of ours, and goes on when the share does', async () => {
    const answers: ((mark: string) => void)[] = [];
    let news = 0;
    watched = watchRepository(root, () => (news += 1), {
      pollMs: 5,
      mark: () => new Promise((resolve) => answers.push(resolve)),
    });
    await turns();
    expect(answers).toHaveLength(1);
    answers[0]?.('one');
    await turns();
    expect(answers).toHaveLength(2);
    answers[1]?.('two');
    await turns();
    expect(news).toBe(1);
    watched.close();
    answers.at(-1)?.('three');
    await turns();
    expect(news).toBe(1);
  });

  it('takes a share that is away for no news', async () => {
    publish('1');
    expect(await markOf(root)).not.toBe('');
    expect(await markOf(join(root, 'away'))).toBe('');
  });
});

describe('when the repository is watched', () => {
  it('hears of what was written since the caller looked', async () => {
    const known = markOf(root);
    await known;
    publish('1');
    const heard = new Promise<void>((resolve) => {
      watched = watchRepository(root, resolve, { known, pollMs: 1_000_000 });
    });
    await heard;
  });

  it.each(['\\\\server\\share', '//server/share'])('knows %s for a network path', (path) =>
    expect(isNetworkPath(path)).toBe(true),
  );

  it.each(['/srv/acme', 'C:\\acme', '/mnt//x'])('takes %s for a local one', (path) =>
    expect(isNetworkPath(path)).toBe(false),
  );
});
