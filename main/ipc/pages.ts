import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** No script, style, frame or connection but our own: for the app's windows and the console alike. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers that every page and asset carries. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/** What the system says of a path that names no file, however it is spelt. */
const NOT_THERE: ReadonlySet<unknown> = new Set([
  'ENOENT',
  'EISDIR',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ERR_INVALID_ARG_VALUE',
]);

/** One file of the built pages, or undefined: outside the folder, of a type we do not ship, or not there. */
export async function readPage(folder: string, path: string): Promise<{ type: string; bytes: Buffer } | undefined> {
  const file = normalize(join(folder, path));
  const type = TYPES[extname(file)];
  if (!type || !file.startsWith(normalize(folder) + sep)) return undefined;
  try {
    return { type, bytes: await readFile(file) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && NOT_THERE.has(error.code)) return undefined;
    throw error;
  }
}

/** Answers an HTTP request with one of the built pages. `pageKey` is put where renderer/bridge.ts looks for it. */
export async function sendPage(
  folder: string,
  path: string,
  response: ServerResponse,
  more: { readonly headers?: Readonly<Record<string, string>>; readonly pageKey?: string } = {},
): Promise<void> {
  const page = await readPage(folder, path);
  if (!page) {
    response
      .writeHead(404, { ...PAGE_HEADERS, 'content-type': 'text/plain; charset=utf-8' })
      .end('There is no such page.');
    return;
  }
  const bytes =
    more.pageKey === undefined
      ? page.bytes
      : page.bytes
          .toString('utf8')
          .replace('</head>', `<meta name="gatehouse-page-key" content="${more.pageKey}"></head>`);
  response.writeHead(200, { ...PAGE_HEADERS, ...more.headers, 'content-type': page.type }).end(bytes);
}
