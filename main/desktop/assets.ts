import { PAGE_HEADERS } from '../ipc/pages.ts';

/** The address windows load from: an origin of our own, so that `file:` keeps no privileges. */
export const SCHEME = 'app';
export const ORIGIN = `${SCHEME}://gatehouse`;

/** Tighter than the console's: a window talks over IPC only, and no string ever becomes code. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** The path below the built pages that an address of ours names; nothing for another origin or a strange path. */
export function assetPath(address: string): string | undefined {
  let path: string;
  try {
    const url = new URL(address);
    if (url.protocol !== `${SCHEME}:` || url.host !== 'gatehouse' || url.username !== '' || url.password !== '') {
      return undefined;
    }
    path = decodeURIComponent(url.pathname);
  } catch {
    // Not an address, or not UTF-8 once decoded: there is no such file.
    return undefined;
  }
  if (path === '/' || path === '') return '/index.html';
  // A decoded separator, drive letter, stream name, dot file or NUL never names a file we built.
  return /^(?:\/[A-Za-z0-9_@-][A-Za-z0-9._@-]*)+$/.test(path) ? path : undefined;
}

/** Response headers of every file a window loads. */
export function assetHeaders(type: string): Record<string, string> {
  return { ...PAGE_HEADERS, 'content-type': type, 'content-security-policy': CONTENT_SECURITY_POLICY };
}
