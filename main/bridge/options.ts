import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseEndpoint } from './place.ts';

export const usage = `usage: gatehouse bridge [--token-file FILE] [--endpoint URL] [--profile NAME] [--data DIR] [--no-start] [--start COMMAND...]
  --token-file FILE   the app's key, in a file of yours alone; else the variable GATEHOUSE_TOKEN
  --endpoint URL      where Gatehouse answers on this computer, which is then not started (default: as its settings say)
  --profile NAME      only the set of tools the organisation calls by this name
  --data DIR          Gatehouse's data folder, where it is not the usual one
  --no-start          do not start Gatehouse when it is not running
  --start COMMAND...  what starts Gatehouse; takes the rest of the line`;

export interface BridgeOptions {
  /** Absent: as the settings in `data` say. */
  readonly endpoint?: URL;
  readonly profile?: string;
  readonly data?: string;
  readonly tokenFile?: string;
  readonly start: 'usual' | 'never' | readonly string[];
}

/** A sentence where the arguments cannot be used. Relative paths are against `cwd`. */
export function readBridgeOptions(argv: readonly string[], cwd: string): BridgeOptions | string {
  const at = argv.indexOf('--start');
  const command = at < 0 ? undefined : argv.slice(at + 1);
  if (command?.length === 0) return 'expected a command after --start, found none';
  if (argv.some((word) => /^--token(=|$)/.test(word)))
    return 'a key does not belong on a command line, where every program can read it: use --token-file or the variable GATEHOUSE_TOKEN';
  let values: { [name: string]: string | boolean | undefined };
  try {
    ({ values } = parseArgs({
      args: argv.slice(0, at < 0 ? undefined : at),
      options: {
        'token-file': { type: 'string' },
        endpoint: { type: 'string' },
        profile: { type: 'string' },
        data: { type: 'string' },
        'no-start': { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { endpoint: endpointText, profile, data, 'token-file': tokenFile, 'no-start': never } = values;
  const endpoint = typeof endpointText === 'string' ? parseEndpoint(endpointText) : undefined;
  if (typeof endpoint === 'string') return endpoint;
  if (typeof profile === 'string') {
    if (!/^~?[A-Za-z0-9._-]{1,64}$/.test(profile)) return `expected --profile with a name, found "${profile}"`;
    if (endpoint !== undefined && endpoint.pathname !== '/mcp')
      return `expected either --profile or an address that names one, found both ("${profile}" and "${endpoint.pathname}")`;
  }
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(typeof profile === 'string' && { profile }),
    ...(typeof data === 'string' && { data: resolve(cwd, data) }),
    ...(typeof tokenFile === 'string' && { tokenFile: resolve(cwd, tokenFile) }),
    start: command ?? (never === true ? 'never' : 'usual'),
  };
}

/** Gatehouse's own options that take a word: what follows one of them is not the word "bridge". */
const otherOptions = ['--data', '--port', '--org'];

/**
 * The bridge's arguments where a command line of Gatehouse asks for it: "bridge" as its first word beside switches. Never with a link: a web
 * page can write what the operating system passes on with one.
 */
export function bridgeArguments(words: readonly string[]): readonly string[] | undefined {
  if (words.some((word) => word.toLowerCase().startsWith('gatehouse://'))) return undefined;
  const at = words.findIndex((word) => !word.startsWith('-') || otherOptions.includes(word));
  return words[at] === 'bridge' ? words.slice(at + 1) : undefined;
}
