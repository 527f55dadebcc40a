import { existsSync } from 'node:fs';
import path from 'node:path';
import { inheritedEnvironment } from './inherited-environment.ts';

/**
 * Which certificate authorities this computer trusts. Public, and without them a server behind an inspecting proxy waits
 * for ever on retries of a TLS handshake it can never finish.
 */
const TRUST_ANCHORS = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

/**
 * The environment of a server process: the short safe list, where this computer's certificate authorities are, and
 * the variables the manifest names; nothing else of ours.
 */
export function environmentFor(names: readonly string[]): Record<string, string> {
  const environment = inheritedEnvironment();
  for (const name of [...TRUST_ANCHORS, ...names]) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/**
 * Where server processes start. Not the temporary folder: npx and Node look for .npmrc and node_modules in the working
 * folder and above it, so it must be one that other accounts of this machine cannot write to.
 */
export function workingFolder(): string {
  return process.platform === 'win32' ? (process.env.SystemRoot ?? 'C:\\Windows') : '/';
}

export type ResolvedCommand =
  | { readonly ok: true; readonly command: string; readonly args: readonly string[] }
  | { readonly ok: false; readonly message: string };

/**
 * What to execute. On Windows npx and npm are batch files, which only a shell can run, and quoting for cmd.exe is not safe for
 * arbitrary arguments; npm's own JavaScript beside them is run with the node.exe of the same folder instead.
 */
export function resolveCommand(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  platform: NodeJS.Platform = process.platform,
  exists: (file: string) => boolean = existsSync,
): ResolvedCommand {
  if (platform !== 'win32') return { ok: true, command, args };
  const name = path.win32.basename(command).toLowerCase();
  const npm = /^(npx|npm)(\.cmd)?$/.exec(name)?.[1];
  if (npm !== undefined) {
    const search = environment.PATH ?? environment.Path ?? '';
    const folders = path.win32.isAbsolute(command) ? [path.win32.dirname(command)] : search.split(';');
    for (const folder of folders) {
      const script = path.win32.join(folder, 'node_modules', 'npm', 'bin', `${npm}-cli.js`);
      const node = path.win32.join(folder, 'node.exe');
      if (folder !== '' && exists(script) && exists(node)) return { ok: true, command: node, args: [script, ...args] };
    }
    return { ok: false, message: `${npm} was not found beside a node.exe on this computer; ask IT to install Node.js` };
  }
  if (/\.(cmd|bat)$/.test(name)) {
    return {
      ok: false,
      message: `"${command}" is a batch file, which only a shell can run; IT must name the program itself in the manifest`,
    };
  }
  return { ok: true, command, args };
}
