import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A repository file could not be had. Not a verdict about signatures: those come from the TUF client. */
export class SourceFailure extends Error {
  readonly code: 'unreachable' | 'tampered';
  constructor(code: 'unreachable' | 'tampered', message: string) {
    super(message);
    this.name = 'SourceFailure';
    this.code = code;
  }
}

/** Where repository files come from. Paths are "metadata/…" or "targets/…". Rejects with SourceFailure. */
export interface RepositorySource {
  read(path: string, maxBytes: number): Promise<Uint8Array | 'absent'>;
}

export interface SourceOptions {
  /** Milliseconds one file may take. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The desktop app passes one that knows the system's proxy. */
  readonly fetch?: typeof globalThis.fetch;
}

/** Opens the repository an enrolment names. The address was checked by parseEnrolment. */
export function openSource(repository: string, options: SourceOptions): RepositorySource {
  const url = new URL(repository.endsWith('/') ? repository : `${repository}/`);
  return url.protocol === 'file:' ? folderSource(fileURLToPath(url), options) : webSource(url, options);
}

/** Files already in memory: the last good copy, or what is about to be published. */
export function memorySource(files: ReadonlyMap<string, string>): RepositorySource {
  return {
    async read(path, maxBytes) {
      const text = files.get(path);
      if (text === undefined) return 'absent';
      const bytes = Buffer.from(text, 'utf8');
      if (bytes.length > maxBytes) throw tooLarge(path, maxBytes);
      return bytes;
    },
  };
}

/** Looks in `first`, then in `second`. For targets, whose names carry their digest. */
export function layeredSource(first: RepositorySource, second: RepositorySource): RepositorySource {
  return {
    async read(path, maxBytes) {
      const found = await first.read(path, maxBytes);
      return found === 'absent' ? second.read(path, maxBytes) : found;
    },
  };
}

function folderSource(root: string, options: SourceOptions): RepositorySource {
  return {
    async read(path, maxBytes) {
      // A file share that hangs cannot be interrupted, only left behind.
      return within(options, path, readFolderFile(root, path, maxBytes));
    },
  };
}

async function readFolderFile(root: string, path: string, maxBytes: number): Promise<Uint8Array | 'absent'> {
  try {
    const file = await open(`${root}/${path}`, 'r');
    try {
      const { size } = await file.stat().then((facts) => {
        if (!facts.isFile()) throw new SourceFailure('tampered', `${path} is not a file`);
        return facts;
      });
      if (size > maxBytes) throw tooLarge(path, maxBytes);
      // One byte more than allowed shows a file that grows while it is read.
      const buffer = Buffer.alloc(Math.min(size, maxBytes) + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
        if (bytesRead === 0) return buffer.subarray(0, length);
        length += bytesRead;
      }
      throw new SourceFailure('unreachable', `${path} was still being written while it was read`);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    if (codeOf(error) !== 'ENOENT')
      throw new SourceFailure('unreachable', `${path} could not be read: ${textOf(error)}`);
    const folder = await stat(root).catch(() => undefined);
    if (!folder?.isDirectory()) throw new SourceFailure('unreachable', `there is no folder ${root}`);
    return 'absent';
  }
}

function webSource(base: URL, options: SourceOptions): RepositorySource {
  const fetchFile = options.fetch ?? globalThis.fetch;
  return {
    async read(path, maxBytes) {
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
      try {
        const response = await fetchFile(new URL(path, base), {
          signal,
          // Followed, a redirect could lead to a server inside the company or away from https.
          redirect: 'manual',
          cache: 'no-store',
          credentials: 'omit',
          headers: { 'user-agent': 'gatehouse' },
        });
        return await readResponse(response, path, maxBytes);
      } catch (error) {
        if (error instanceof SourceFailure) throw error;
        if (options.signal.aborted) throw new SourceFailure('unreachable', 'the attempt was given up');
        if (signal.aborted) throw new SourceFailure('unreachable', tooSlow(path, options.timeoutMs));
        throw new SourceFailure('unreachable', reasonOf(error));
      }
    },
  };
}

async function readResponse(response: Response, path: string, maxBytes: number): Promise<Uint8Array | 'absent'> {
  const drop = async () => {
    await response.body?.cancel();
  };
  // Object stores answer 403 for a name that does not exist.
  if (response.status === 404 || response.status === 403 || response.status === 410) {
    await drop();
    return 'absent';
  }
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    const target = response.headers.get('location');
    await drop();
    throw new SourceFailure(
      'unreachable',
      `${path} is redirected${target ? ` to ${target}` : ''}, and redirects are not followed; the enrolment must name the final address`,
    );
  }
  if (response.status !== 200 || !response.body) {
    await drop();
    throw new SourceFailure('unreachable', `the server answered ${response.status} for ${path}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw tooLarge(path, maxBytes);
    }
    chunks.push(value);
  }
}

async function within<T>(options: SourceOptions, path: string, work: Promise<T>): Promise<T> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  let stop = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    stop = () => reject(new SourceFailure('unreachable', tooSlow(path, options.timeoutMs)));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const tooSlow = (path: string, ms: number) => `${path} did not arrive within ${Math.ceil(ms / 1000)} seconds`;

function tooLarge(path: string, maxBytes: number): SourceFailure {
  return new SourceFailure('tampered', `${path} is larger than the ${maxBytes} bytes it may have`);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** fetch says only "fetch failed"; the reason is its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codeOf(cause);
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing answers at that address (connection refused)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name of the server could not be found (no network, or a wrong address)';
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection was cut';
    default:
      return textOf(cause) || code || 'the connection failed';
  }
}
