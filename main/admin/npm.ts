import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { resolveCommand } from '../backends/launch.ts';
import { type AdminResult, messageOf, refuse } from './result.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 8_000_000;

export interface NpmPackage {
  readonly name: string;
  /** Exact. */
  readonly version: string;
  /** Subresource integrity of the tarball, "sha512-…". */
  readonly integrity: string;
  readonly description: string;
  /** The registry name a package claims in its own package.json, if it does. */
  readonly mcpName?: string;
}

const View = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string().default(''),
  mcpName: z.string().optional(),
  dist: z.object({ integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]+={0,2}$/) }),
});

/** Asks npm, as configured on this machine, what PKG[@VERSION] is today. Starts npm itself, never a shell. */
export async function resolveNpmPackage(spec: string): Promise<AdminResult<NpmPackage>> {
  // A leading "-" would be an option to npm, a path or address something other than a package.
  if (!/^(@[a-z0-9~][\w.~-]*\/)?[a-z0-9~_][\w.~-]*(@[\w.^~<>=*+-]+)?$/i.test(spec)) {
    return refuse(
      'npm',
      `"${spec}" is not the name of an npm package; expected NAME@VERSION such as @modelcontextprotocol/server-memory@2026.8.31.`,
    );
  }
  const environment = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const command = resolveCommand('npm', ['view', spec, '--json'], environment);
  if (!command.ok) return refuse('npm', `npm cannot be started: ${command.message}.`);
  let output: string;
  try {
    ({ stdout: output } = await run(command.command, [...command.args], {
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT,
      windowsHide: true,
    }));
  } catch (error) {
    return refuse(
      'npm',
      `npm could not find ${spec} (${reasonOf(error)}). Check the name, the version and your registry.`,
    );
  }
  const views = readViews(output);
  const last = views.at(-1);
  if (!last) {
    return refuse(
      'npm',
      `npm knows no version of ${spec} with a sha512 integrity. Name an exact version that exists, such as ${spec.replace(/(?<=.)@.*$/, '')}@1.2.3.`,
    );
  }
  const { name, version, description, mcpName, dist } = last;
  return {
    ok: true,
    value: { name, version, description, integrity: dist.integrity, ...(mcpName ? { mcpName } : {}) },
  };
}

/** One object for one version, a list, oldest first, for a range. */
function readViews(output: string): z.infer<typeof View>[] {
  try {
    const json: unknown = JSON.parse(output);
    return (Array.isArray(json) ? json : [json]).flatMap((view) => View.safeParse(view).data ?? []);
  } catch {
    // npm prints nothing at all for a version that does not exist: the caller says so.
    return [];
  }
}

function reasonOf(error: unknown): string {
  const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
  try {
    const summary: unknown = JSON.parse(output).error.summary;
    if (typeof summary === 'string' && summary !== '') return summary.split('\n')[0] ?? summary;
  } catch {
    // Not npm's JSON: the process's own message is what there is.
  }
  return messageOf(error).split('\n')[0] ?? 'npm failed';
}
