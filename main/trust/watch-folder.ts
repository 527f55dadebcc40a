import { type FSWatcher, statSync, watch } from 'node:fs';
import { join } from 'node:path';

export interface FolderWatch {
  close(): void;
}

export interface FolderWatchOptions {
  /** Quiet time after the last event before `onChange`. Default 250 ms. */
  readonly settleMs?: number;
  /** Fallback where events do not arrive: network shares, a folder replaced whole. Default 3000 ms. */
  readonly pollMs?: number;
}

/** Calls `onChange` after metadata/timestamp.json of a repository folder, its last written file, was replaced. */
export function watchRepository(root: string, onChange: () => void, options: FolderWatchOptions = {}): FolderWatch {
  const folder = join(root, 'metadata');
  let watcher: FSWatcher | undefined;
  let settle: NodeJS.Timeout | undefined;
  let known = markOf(folder);

  const look = () => {
    const mark = markOf(folder);
    if (mark === known) return;
    known = mark;
    // A folder being taken away is for the next refresh to find out, not news.
    if (mark) onChange();
  };
  const listen = () => {
    if (watcher) return;
    try {
      watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(settle);
        settle = setTimeout(look, options.settleMs ?? 250);
        settle.unref();
      });
      watcher.on('error', drop);
    } catch {
      // No such folder yet, or no events on this file system: the poll goes on and tries again.
      watcher = undefined;
    }
  };
  const drop = () => {
    watcher?.close();
    watcher = undefined;
  };

  listen();
  const poll = setInterval(() => {
    // The watch stays on a folder that was moved away; a change seen only by the poll means to listen anew.
    if (markOf(folder) !== known) drop();
    look();
    listen();
  }, options.pollMs ?? 3000);
  poll.unref();

  return {
    close() {
      clearInterval(poll);
      clearTimeout(settle);
      drop();
    },
  };
}

function markOf(folder: string): string {
  const facts = statSync(join(folder, 'timestamp.json'), { throwIfNoEntry: false, bigint: true });
  return facts ? `${facts.ino}:${facts.mtimeNs}:${facts.size}` : '';
}
