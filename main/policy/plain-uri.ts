import { Unreadable } from './argument-values.ts';
import { show } from './problems.ts';

/**
 * Rules compare the text of an address, but a server reads what the address means, and "file:///public/%2E%2E/secret" means
 * another place than it says. An address that a rule looks at must therefore be in the one form that everybody reads alike
 * (RFC 3986 section 6.2.2). Says what is expected instead, or undefined for an address in that form.
 */
function notPlain(uri: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:[\w.~:/?#[\]@!$&'()*+,;=%-]*$/.test(uri)) {
    return 'an address with a scheme in lower case, all but the characters of RFC 3986 percent-encoded';
  }
  if (/%(?![0-9A-F]{2})/.test(uri)) return 'an address with its percent-encoding in upper case';
  // Letters, digits and - . _ ~ are never encoded (section 2.3).
  if (/%(?:2D|2E|3\d|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/.test(uri)) {
    return 'an address whose letters, digits, dots and hyphens are not percent-encoded';
  }
  // An encoded slash is no separator, but many a server decodes before it looks.
  const parts = uri.replaceAll(/%2F|%5C/g, '/').split(/[/?#&;:=]/);
  if (parts.some((part) => part === '.' || part === '..')) return 'an address without "." and ".." in its path';
  // To a disk, any number of slashes is one.
  if (/^file:\/\/.*\/(?:\/|%2F)/.test(uri)) return 'an address with one slash between two names';
  // What browsers' rules would make of it (WHATWG URL): host names in lower case, no standard port, "/" as the least path.
  const url = URL.canParse(uri) ? new URL(uri).href : undefined;
  return url === uri ? undefined : url === undefined ? 'an address' : `the address written ${show(url)}`;
}

/** Throws Unreadable for an address that a rule could misread. */
export function checkPlainUri(uri: string): void {
  const expected = notPlain(uri);
  if (expected !== undefined) throw new Unreadable(['uri'], expected, show(uri));
}
