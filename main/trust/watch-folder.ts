import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface FolderWatch {
  close(): void;
}

export interface FolderWatchOptions {
  /** What was there before the caller read the repository, so that nothing written since is missed. Default: what is there now. */
  readonly known?: Promise<string>;
  /** Quiet time after the last event before `onChange`. Default 250 ms. */
  readonly settleMs?: number;
  /** Fallback where events do not arrive: network shares, a folder replaced whole. Default 3000 ms. */
  readonly pollMs?: number;
  /** Reads the mark; never rejects. A share that hangs is acted in tests. */
  readonly mark?: (root: string) => Promise<string>;
}

/**
 * Calls `onChange` after metadata/timestamp.json of a repository folder, its last written file, was replaced. Never waits for the file system
 * on this thread, and has one look under way at most: a file share that hangs keeps one look hanging, and nothing else.
 */
export function watchRepository(root: string, onChange: () => void, options: FolderWatchOptions = {}): FolderWatch {
  const folder = join(root, 'metadata');
  const mark = options.mark ?? markOf;
  let watcher: FSWatcher | undefined;
  let settle: NodeJS.Timeout | undefined;
  let known: string | undefined;
  let looking = true;
  let again = false;
  let closed = false;

  const look = async (polled: boolean) => {
    if (looking) {
      again ||= !polled;
      return;
    }
    looking = true;
    const found = await mark(root);
    looking = false;
    if (closed) return;
    if (found !== known) {
      known = found;
      // The watch stays on a folder that was moved away; a change seen only by the poll means to listen anew.
      if (polled) drop();
      // A folder being taken away is for the next refresh to find out, not news.
      if (found !== '') onChange();
    }
    // What was written between the look and the listening shows in a second look.
    if (listen(found)) again = true;
    if (!again) return;
    again = false;
    await look(false);
  };
  const listen = (found: string): boolean => {
    // Listening waits for the file system, on this thread: only where it has just answered, and never on a network path.
    if (watcher || found === '' || isNetworkPath(root)) return false;
    try {
      watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(settle);
        settle = setTimeout(() => void look(false), options.settleMs ?? 250);
        settle.unref();
      });
      watcher.on('error', drop);
      return true;
    } catch {
      // The folder has just gone, or no events on this file system: the poll goes on and tries again.
      watcher = undefined;
      return false;
    }
  };
  const drop = () => {
    watcher?.close();
    watcher = undefined;
  };

  void (options.known ?? mark(root)).then((found) => {
    known = found;
    looking = false;
    return closed ? undefined : look(false);
  });
  const poll = setInterval(() => void look(true), options.pollMs ?? 3000);
  poll.unref();

  return {
    close() {
      closed = true;
      clearInterval(poll);
      clearTimeout(settle);
      drop();
    },
  };
}

/** \\server\share and //server/share. A drive letter may lead to a network too; nothing in its name tells. */
export function isNetworkPath(path: string): boolean {
  return /^(\\\\|\/\/)/.test(path);
}

/** Differs after each publish; empty where there is nothing to be read. Never rejects. */
export async function markOf(root: string): Promise<string> {
  try {
    const facts = await stat(join(root, 'metadata', 'timestamp.json'), { bigint: true });
    return `${facts.ino}:${facts.mtimeNs}:${facts.size}`;
  } catch {
    // Absent, or the share is away: the refresh, which says why, reads the same file.
    return '';
  }
}
