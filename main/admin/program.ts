import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { Clock, Log } from '../ports.ts';
import { checkOrganisation } from './check.ts';
import { initOrganisation } from './init.ts';
import { readPassphrase } from './passphrase.ts';
import { pinServers } from './pin.ts';
import { counted, countPins, pinLines } from './pin-lines.ts';
import { publishOrganisation } from './publish.ts';
import { dayOf, EXIT, printable, report } from './report.ts';
import { type AdminResult, messageOf, type Progress, refuse, silent } from './result.ts';
import { addServer, removeServer, type ServerSource } from './servers.ts';
import { verifyPublished } from './verify-published.ts';

const clock: Clock = { now: () => Date.now() };
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Runs gatehouse-admin with these arguments and gives its exit code: 0 done, 1 refused with reasons, 2 wrong usage. */
export async function runAdmin(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    return report(
      '',
      args.includes('--json'),
      refuse('unreadable', `Something went wrong that should not: ${messageOf(error)}.`),
      () => [],
    );
  }
}

function createProgram(done: (code: number) => void): Command {
  const program = new Command('gatehouse-admin')
    .description('Make, check and publish the signed policy of an organisation.')
    .exitOverride()
    .showHelpAfterError('Run with --help to see how it is used.')
    .helpCommand(false);
  // Subcommands take over exitOverride only when it is set before they are added.
  const command = (parent: Command, usage: string, description: string, example: string) =>
    parent
      .command(usage)
      .description(description)
      .option('--json', 'print one JSON object for scripts')
      .addHelpText('after', `\nExample:\n  ${example}`);
  const group = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .helpCommand(false)
      .action((_options: unknown, self: Command) => {
        self.outputHelp({ error: true });
        done(EXIT.usage);
      });

  addOrganisationCommands(program, command, done);
  const server = group('server', 'Add or remove approved servers.');
  addServerCommands(server, command, done);
  addPinCommand(program, command, done);
  const policy = group('policy', 'Look at the rules.');
  command(
    policy,
    'check <org>',
    'Check policy.json, policy.cedar and manifest.json, and say everything that is wrong.',
    'gatehouse-admin policy check ./acme',
  ).action(async (org: string, { json = false }: JsonOption) => {
    done(
      report('policy check', json, await checkOrganisation(org), ({ servers, notes, ...pinned }) => [
        `Valid: ${counted(servers, 'server')}, ${countPins(pinned, 'pinned ')}.`,
        ...notes.map((note) => `Note: ${note}`),
      ]),
    );
  });
  const audit = group('audit', 'Look at a record.');
  command(
    audit,
    'verify <file>',
    'Follow the hash chain of a record from its first row to its last.',
    'gatehouse-admin audit verify ./audit.db',
  ).action(async (file: string, { json = false }: JsonOption) => {
    done(
      report('audit verify', json, await verifyRecord(file), ({ rows, head }) => [
        `Unbroken: ${counted(rows, 'row')}, last hash ${head}.`,
      ]),
    );
  });
  return program;
}

interface JsonOption {
  readonly json?: boolean;
}

type MakeCommand = (parent: Command, usage: string, description: string, example: string) => Command;
type Done = (code: number) => void;

function addOrganisationCommands(program: Command, command: MakeCommand, done: Done): void {
  command(
    program,
    'init <org>',
    'Make a new organisation: keys, a starter policy and the first signed version.',
    'gatehouse-admin init ./acme --name "Acme" --contact it@acme.example',
  )
    .requiredOption('--name <name>', 'what staff see as the organisation')
    .option('--url <url>', 'where laptops will find the repository (default: its folder as a file: address)')
    .option('--contact <who>', 'whom staff ask')
    .action(async (org: string, options: JsonOption & { name: string; url?: string; contact?: string }) => {
      const { json = false, name, url, contact } = options;
      const passphrase = await readPassphrase(true);
      const result = passphrase.ok
        ? await initOrganisation({
            dir: org,
            name,
            passphrase: passphrase.value,
            clock,
            progress: progressOf(json),
            ...(url === undefined ? {} : { url }),
            ...(contact === undefined ? {} : { contact }),
          })
        : passphrase;
      done(
        report('init', json, result, ({ dir, version, expires, orgJsonPath, fingerprints }) => [
          `Made ${name} in ${dir}. Version ${version} is published; publish again before ${dayOf(expires)}.`,
          `Staff join with ${orgJsonPath}, and compare this fingerprint of its root key first:`,
          ...fingerprints.map((fingerprint) => `  ${fingerprint}`),
          'Keep a copy of the folder and the passphrase apart from each other: without both, nothing can be published.',
        ]),
      );
    });

  command(
    program,
    'publish <org>',
    'Sign what the folder says and write the repository.',
    'gatehouse-admin publish ./acme --out /srv/www/gatehouse',
  )
    .option('--out <dir>', 'also write the finished repository here')
    .option('--expires-days <days>', 'days until laptops without news lose their tools', wholeNumber)
    .action(
      async (org: string, { json = false, out, expiresDays }: JsonOption & { out?: string; expiresDays?: number }) => {
        const passphrase = await readPassphrase(false);
        const result = passphrase.ok
          ? await publishOrganisation({
              dir: org,
              passphrase: passphrase.value,
              clock,
              progress: progressOf(json),
              ...(out === undefined ? {} : { out }),
              ...(expiresDays === undefined ? {} : { expiresDays }),
            })
          : passphrase;
        done(
          report('publish', json, result, ({ version, expires, signed, repository, notes }) => [
            `Published version ${version} in ${repository}. Publish again before ${dayOf(expires)}.`,
            `Signed anew: ${signed.join(', ')}.`,
            ...notes.map((note) => `Note: ${note}`),
          ]),
        );
      },
    );

  command(
    program,
    'verify <repository>',
    'Say what a laptop would accept from a folder or an address, and why not.',
    'gatehouse-admin verify https://policy.acme.example --root ./acme/org.json',
  )
    .requiredOption('--root <file>', 'the root.json or org.json a laptop trusts')
    .action(async (repository: string, { json = false, root }: JsonOption & { root: string }) => {
      done(
        report(
          'verify',
          json,
          await verifyPublished({ repository, root, clock }),
          ({ version, digest, expires, signers, servers }) => [
            `A laptop would accept version ${version}, in force until ${dayOf(expires)}.`,
            `Digest ${digest}`,
            `Policy signed by ${signers.policy.join(', ')}`,
            `Servers signed by ${signers.servers.join(', ')}`,
            ...servers.map(({ alias, state, ...pins }) => `  ${alias}: ${countPins(pins)}, ${state}`),
          ],
        ),
      );
    });
}

interface AddOptions extends JsonOption {
  readonly npm?: string;
  readonly stdio?: string;
  readonly http?: string;
  readonly sse?: string;
  readonly alias?: string;
  readonly title?: string;
  readonly owner?: string;
  readonly group?: readonly string[];
  readonly env?: readonly string[];
  readonly replace?: boolean;
}

function addServerCommands(server: Command, command: MakeCommand, done: Done): void {
  command(
    server,
    'add <org> [args...]',
    'Approve a server. What follows "--" is passed to it.',
    'gatehouse-admin server add ./acme --npm @modelcontextprotocol/server-filesystem@2026.8.31 --alias files -- /srv/shared',
  )
    .option('--npm <package@version>', 'an npm package, started with npx at exactly this version')
    .option('--stdio <command>', 'a program on the laptop; quotes group words, no shell is involved')
    .option('--http <url>', 'a remote server')
    .option('--sse <url>', 'a remote server of the older HTTP+SSE kind')
    .option('--alias <alias>', 'short name in rules and tool names: a–z, 0–9, "-"')
    .option('--title <title>', 'what staff see')
    .option('--owner <who>', 'who answers for it')
    .option('--group <name>', 'server group for the rules; may be repeated', collect)
    .option('--env <name>', 'environment variable the server may see; may be repeated', collect)
    .option('--replace', 'take the place of the server with this alias; its pins are compared at the next pin')
    .action(async (org: string, args: string[], options: AddOptions, self: Command) => {
      const { json = false, alias, title, owner, group, env, replace } = options;
      const source = sourceOf(options, args);
      if (typeof source === 'string') return self.error(`error: ${source}`);
      const result = await addServer({
        dir: org,
        source,
        progress: progressOf(json),
        ...(alias === undefined ? {} : { alias }),
        ...(title === undefined ? {} : { title }),
        ...(owner === undefined ? {} : { owner }),
        ...(group === undefined ? {} : { groups: group }),
        ...(env === undefined ? {} : { env }),
        ...(replace === undefined ? {} : { replace }),
      });
      done(
        report('server add', json, result, (added) => [
          `${added.replaced ? 'Replaced' : 'Added'} ${added.name} ${added.version} as "${added.alias}".`,
          `Started as: ${added.launch.transport !== 'stdio' ? added.launch.url : [added.launch.command, ...added.launch.args].join(' ')}`,
          ...added.notes.map((note) => `Note: ${note}`),
          `Next: gatehouse-admin pin ${org} ${added.alias}`,
        ]),
      );
    });
  command(
    server,
    'remove <org> <alias>',
    'Withdraw a server; the next publish closes it on every laptop.',
    'gatehouse-admin server remove ./acme files',
  ).action((org: string, alias: string, { json = false }: JsonOption) => {
    done(
      report('server remove', json, removeServer(org, alias), () => [
        `Removed "${alias}". Next: gatehouse-admin publish ${org}`,
      ]),
    );
  });
}

function sourceOf({ npm, stdio, http, sse }: AddOptions, args: readonly string[]): ServerSource | string {
  const given = [npm, stdio, http, sse].filter((option) => option !== undefined).length;
  if (given !== 1) return `expected exactly one of --npm, --stdio, --http and --sse, found ${given}`;
  if (npm !== undefined) return { kind: 'npm', spec: npm, args };
  if (stdio !== undefined) return { kind: 'stdio', text: stdio, args };
  if (args.length > 0) return `a remote server takes no arguments, found "${args.join(' ')}"`;
  return sse === undefined ? { kind: 'http', url: http ?? '' } : { kind: 'sse', url: sse };
}

function addPinCommand(program: Command, command: MakeCommand, done: Done): void {
  command(
    program,
    'pin <org> [aliases...]',
    'Start servers, record what they show and print what changed.',
    'gatehouse-admin pin ./acme files',
  ).action(async (org: string, aliases: string[], { json = false }: JsonOption) => {
    const result = await pinServers({ dir: org, aliases, clock, log: quiet, version: '1', progress: progressOf(json) });
    const failed = result.ok ? result.value.failed : [];
    if (!result.ok || failed.length === 0) return done(report('pin', json, result, pinLines));
    const refusal = refuse(
      'server-failed',
      ...failed.map(
        ({ alias, message }) =>
          `The server "${alias}" could not be pinned: ${message}. Its earlier pins are unchanged.`,
      ),
    );
    if (json) {
      const { ok, code, problems } = refusal;
      process.stdout.write(`${JSON.stringify({ ok, command: 'pin', code, problems, pinned: result.value.pinned })}\n`);
      return done(EXIT.refused);
    }
    if (result.value.pinned.length > 0) process.stdout.write(`${printable(pinLines(result.value).join('\n'))}\n`);
    done(report('pin', false, refusal, () => []));
  });
}

async function verifyRecord(file: string): Promise<AdminResult<{ readonly rows: number; readonly head: string }>> {
  // Loaded on demand: the other commands need no database.
  const { verifyAuditFile } = await import('../audit/verify.ts');
  const nativeBinding = process.env.GATEHOUSE_SQLITE_BINDING;
  const verdict = verifyAuditFile(file, nativeBinding ? { nativeBinding } : {});
  if (verdict.ok) return { ok: true, value: { rows: verdict.rows, head: verdict.head } };
  const where =
    verdict.seq > 0 ? `The record ${file} is broken at row ${verdict.seq}` : `The record ${file} is not intact`;
  return refuse('record', `${where}: ${verdict.problem}`);
}

/** Progress goes to stderr, and only where a person watches. */
function progressOf(json: boolean): Progress {
  return json || !process.stderr.isTTY ? silent : (line) => process.stderr.write(`${printable(line)} …\n`);
}

const collect = (value: string, before: readonly string[] | undefined) => [...(before ?? []), value];

function wholeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('expected a whole number of days.');
  return Number(text);
}
