import { resolve } from 'node:path';

/** What the command line may say. Chromium's and Electron's own switches stand beside these and are left alone. */
export interface Options {
  /** Absolute path of the data folder. */
  readonly data?: string;
  /** TCP port on 127.0.0.1; 0 picks a free one. */
  readonly port?: number;
  /** Absolute path of an enrolment file (org.json). */
  readonly org?: string;
  /** Starts in the tray, without the main window. */
  readonly hidden: boolean;
  /** A gatehouse:// link the operating system handed over. */
  readonly link?: string;
}

export type ReadOptions =
  | { readonly ok: true; readonly value: Options }
  | { readonly ok: false; readonly problems: readonly string[] };

const LINK = 'gatehouse://';
const MAX_LINK = 4096;

/**
 * Reads `--data DIR --port N --org FILE --hidden` (also `--data=DIR`), relative paths against `cwd`. Beside a
 * gatehouse:// link every option is ignored: a web page can write what the operating system passes on with a link.
 *
 * `--org` joins without showing the fingerprints. It stays for the scripts of IT: whoever can write a plain command
 * line here already runs programs as this person.
 */
export function readOptions(argv: readonly string[], cwd: string): ReadOptions {
  const links = argv.filter((word) => word.toLowerCase().startsWith(LINK));
  if (links.length > 0) {
    const link = links.findLast((word) => word.length <= MAX_LINK);
    return { ok: true, value: { hidden: false, ...(link === undefined ? {} : { link }) } };
  }
  const problems: string[] = [];
  const values = new Map<string, string>();
  let hidden = false;

  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    const [name = '', inline] = splitOnce(word);
    if (name === '--hidden') hidden = true;
    else if (name === '--data' || name === '--port' || name === '--org') {
      const value = inline ?? argv[index + 1];
      if (value === undefined || value === '' || (inline === undefined && value.startsWith('--'))) {
        problems.push(`${name} needs a value, for example ${EXAMPLES[name]}`);
        continue;
      }
      values.set(name, value);
      if (inline === undefined) index += 1;
    }
  }

  const port = readPort(values.get('--port'), problems);
  if (problems.length > 0) return { ok: false, problems };
  const data = values.get('--data');
  const org = values.get('--org');
  return {
    ok: true,
    value: {
      hidden,
      ...(data === undefined ? {} : { data: resolve(cwd, data) }),
      ...(port === undefined ? {} : { port }),
      ...(org === undefined ? {} : { org: resolve(cwd, org) }),
    },
  };
}

const EXAMPLES = { '--data': '--data ~/gatehouse', '--port': '--port 7717', '--org': '--org acme.org.json' } as const;

function splitOnce(word: string): [string, string?] {
  const at = word.indexOf('=');
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

function readPort(text: string | undefined, problems: string[]): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  problems.push(`--port: expected a number from 0 to 65535, found ${JSON.stringify(text)}`);
  return undefined;
}
