import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { type RepositorySource, SourceFailure } from './source.ts';

/** The roles beside root, as tuf-js names their files. */
export const ROLES = ['timestamp', 'snapshot', 'targets', 'policy', 'servers'] as const;

/** Which delegated role answers for which file. The order is the order of VerifiedTargets.digest. */
export const TARGETS = [
  { path: 'policy.json', role: 'policy' },
  { path: 'policy.cedar', role: 'policy' },
  { path: 'manifest.json', role: 'servers' },
] as const;

/** tuf-js thinks in addresses; only their path is used. The name cannot exist (RFC 2606). */
export const BASE = 'https://repository.invalid';

const MAX_TARGET_BYTES = 64_000_000;

/** Gives tuf-js its files from a source, within bounds, and keeps what it needs to say why that failed. */
export class TufFetcher implements Fetcher {
  /** The first failure to get a file; tuf-js wraps and so loses it. */
  failure: SourceFailure | undefined;
  /** Root files handed out, in order. Verified or not is for tuf-js to say. */
  readonly roots: string[] = [];
  readonly #source: RepositorySource;
  readonly #download: string;

  /** `download` is a file of the working folder, written anew for each target. */
  constructor(source: RepositorySource, download: string) {
    this.#source = source;
    this.#download = download;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const path = pathOf(url);
    const isRoot = /^metadata\/\d+\.root\.json$/.test(path);
    try {
      const bytes = await this.#source.read(path, Math.min(maxLength, MAX_TARGET_BYTES));
      if (bytes === 'absent') {
        // How a client learns that it has the newest root (TUF 5.3.3).
        if (isRoot) throw new DownloadHTTPError(`${path} is not there`, 404);
        throw new SourceFailure(
          'unreachable',
          path === 'metadata/timestamp.json'
            ? `it has no ${path}, so nothing is published there`
            : `it is incomplete: ${path} is missing, so publishing may not have finished`,
        );
      }
      const text = decode(path, bytes);
      if (isRoot) this.roots.push(text);
      return Buffer.from(bytes);
    } catch (error) {
      if (error instanceof SourceFailure) this.failure ??= error;
      throw error;
    }
  }

  async downloadFile<T>(url: string, maxLength: number, handler: (file: string) => Promise<T>): Promise<T> {
    await writeFile(this.#download, await this.downloadBytes(url, maxLength), { mode: 0o600 });
    return handler(this.#download);
  }
}

/** The text of a role's metadata in the TUF client's folder. */
export function readRoleText(folder: string, role: string): string | undefined {
  const file = join(folder, `${role}.json`);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** Names come from signed metadata, yet a name never leads out of the two folders. */
function pathOf(url: string): string {
  const path = url.startsWith(`${BASE}/`) ? url.slice(BASE.length + 1) : '';
  if (!/^(metadata|targets)\/[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(path)) {
    throw new SourceFailure('tampered', `the metadata asks for a file outside the repository (${url})`);
  }
  return path;
}

/** tuf-js keeps metadata as text; bytes that do not survive that could never be verified again. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SourceFailure('tampered', `${path} is not UTF-8 text`);
  }
}
