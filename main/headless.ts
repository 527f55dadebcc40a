import { mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type App, createApp } from './app.ts';
import { outliveReaders, writeLog } from './headless-log.ts';
import { openPreferences } from './headless-preferences.ts';
import { nameKey, parseAppName } from './identity/app-name.ts';
import type { Ports } from './ports.ts';
import { settleMemory } from './settle-memory.ts';
import { readManagedEnrolment } from './trust/managed.ts';

const USAGE = `usage: headless --data DIR [--port N] [--org org.json] [--client NAME …]
  --data DIR     folder for the record, the policy and the settings
  --port N       port on 127.0.0.1; 0 picks a free one (default 0)
  --org FILE     enrolment file of the organisation; needed the first time only
  --client NAME  gives this AI app a new token; may be repeated
  --diagnostics  prints what it measured of itself at each SIGUSR2`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Options {
  readonly data: string;
  readonly port: number;
  readonly org?: string;
  readonly clients: readonly string[];
  readonly diagnostics: boolean;
}

function readOptions(argv: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        data: { type: 'string' },
        port: { type: 'string', default: '0' },
        org: { type: 'string' },
        client: { type: 'string', multiple: true, default: [] },
        diagnostics: { type: 'boolean', default: false },
      },
    });
    if (!values.data) return 'expected --data DIR, found none';
    // Digits only: Number() would also take "", "0x1F" and "1e3".
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN;
    if (!(port <= 65_535)) return `expected --port from 0 to 65535, found "${values.port}"`;
    const wrong = refuseNames(values.client);
    if (wrong !== undefined) return wrong;
    const { client: clients, diagnostics } = values;
    return { data: resolve(values.data), port, clients, diagnostics, ...(values.org ? { org: values.org } : {}) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Looked at before anything happens: a token given out for one name must not be lost because the next name is wrong. */
function refuseNames(names: readonly string[]): string | undefined {
  const wrong: string[] = [];
  const seen = new Map<string, string>();
  for (const name of names) {
    const parsed = parseAppName(name);
    const same = seen.get(nameKey(name));
    if (!parsed.ok) wrong.push(`--client ${JSON.stringify(name)}: ${parsed.message}`);
    else if (same !== undefined)
      wrong.push(
        `--client ${JSON.stringify(name)}: expected each app once, found ${JSON.stringify(same)} before it. The second token would end the first.`,
      );
    else seen.set(nameKey(name), name);
  }
  return wrong.length === 0 ? undefined : wrong.join('\n');
}

/** The same app with no window: its pages open in a browser on this machine. */
async function main(): Promise<void> {
  outliveReaders();
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') return stop(EXIT_USAGE, `${options}\n${USAGE}`);

  let orgJson: string | undefined;
  if (options.org !== undefined) {
    try {
      orgJson = readFileSync(options.org, 'utf8');
    } catch (error) {
      return stop(
        EXIT_FAILED,
        `The enrolment file ${options.org} cannot be read: ${messageOf(error)}. Expected the org.json of your organisation.`,
      );
    }
  }

  const managed = readManagedEnrolment(process.platform);
  if (managed && !managed.ok) return stop(EXIT_FAILED, managed.message);

  const ports = createPorts(options.data);
  if (typeof ports === 'string') return stop(EXIT_FAILED, ports);

  let app: App | undefined;
  let stopping = false;
  const shutDown = (signal: string) => {
    if (stopping) return;
    stopping = true;
    ports.log.info('stopping', { signal });
    // Still starting: no call was taken, and every row and file is written whole or not at all.
    if (!app) process.exit(0);
    app.close().then(
      () => process.exit(0),
      (error: unknown) => stop(EXIT_FAILED, messageOf(error)),
    );
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);

  const created = await createApp(ports, {
    port: options.port,
    serveConsole: true,
    ...(orgJson === undefined ? {} : { orgJson }),
    ...(managed && { managedEnrolment: managed.text }),
  });
  if (!created.ok) return stop(EXIT_FAILED, created.message);
  app = created.value;

  const clients: [string, string][] = [];
  for (const name of options.clients) {
    const issued = await app.handlers.issueApp({ name });
    if (!issued.ok) {
      await app.close();
      return stop(EXIT_FAILED, `--client "${name}": ${issued.message}`);
    }
    clients.push([name, issued.token]);
  }

  const status = app.status();
  const endpoint = status.endpoint ?? '';
  const ready = {
    ready: true,
    endpoint,
    console: app.console.createLink(endpoint),
    // Whatever a name is: "__proto__" too is a property of its own here.
    clients: Object.fromEntries(clients),
    policy: status.organisation && status.policy ? { org: status.organisation, version: status.policy.version } : null,
  };
  if (options.diagnostics) {
    const { startDiagnostics } = await import('./diagnostics.ts');
    startDiagnostics((line) => process.stdout.write(`${line}\n`));
  }
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  settleMemory();
}

function createPorts(data: string): Ports | string {
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
  } catch (error) {
    return `Gatehouse cannot use its data folder ${data}: expected a folder this account may write to, found: ${messageOf(error)}. Mend that, or name another folder with --data.`;
  }
  const preferences = openPreferences(data);
  if (typeof preferences === 'string') return preferences;
  try {
    const root = import.meta.dirname.endsWith(join('out', 'main'))
      ? resolve(import.meta.dirname, '../..')
      : resolve(import.meta.dirname, '..');
    const log = { debug: writeLog('debug'), info: writeLog('info'), warn: writeLog('warn'), error: writeLog('error') };
    return {
      clock: { now: () => Date.now() },
      log,
      paths: { data, resources: join(root, 'resources'), renderer: join(root, 'out', 'renderer') },
      preferences,
      notifier: { notify: ({ title, body }) => log.info('notice', { title, body }) },
      windows: {
        openMain: (page) => log.debug('open-main', { page }),
        openApproval: () => log.info('waiting-for-the-person', { where: 'console' }),
      },
      account: userInfo().username,
      version: readVersion(root),
      ...(process.env.GATEHOUSE_SQLITE_BINDING ? { sqliteBinding: process.env.GATEHOUSE_SQLITE_BINDING } : {}),
    };
  } catch (error) {
    return `Gatehouse cannot start on this computer: ${messageOf(error)}. Install it again; if that does not help, ask your IT team.`;
  }
}

function readVersion(root: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return version;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function stop(code: number, message: string): void {
  process.stderr.write(`${JSON.stringify({ level: 'error', event: 'stopped', message })}\n`);
  process.exitCode = code;
  // Nothing of ours is left to wait for: a failed start has closed what it opened.
  process.exit();
}

process.on('uncaughtException', (error) => stop(EXIT_FAILED, `Gatehouse failed: ${error.stack ?? error.message}`));
await main().catch((error: unknown) => stop(EXIT_FAILED, `Gatehouse could not start: ${messageOf(error)}`));
