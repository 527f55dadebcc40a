import { mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Conf from 'conf';
import { createApp } from './app.ts';
import { writeLog } from './headless-log.ts';
import type { Ports } from './ports.ts';

const USAGE = `usage: headless --data DIR [--port N] [--org org.json] [--client NAME …]
  --data DIR     folder for the record, the policy and the settings
  --port N       port on 127.0.0.1; 0 picks a free one (default 0)
  --org FILE     enrolment file of the organisation; needed the first time only
  --client NAME  gives this AI app a new token; may be repeated`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Options {
  readonly data: string;
  readonly port: number;
  readonly org?: string;
  readonly clients: readonly string[];
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
      },
    });
    if (!values.data) return 'expected --data DIR, found none';
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return `expected --port from 0 to 65535, found "${values.port}"`;
    return { data: resolve(values.data), port, clients: values.client, ...(values.org ? { org: values.org } : {}) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The same app with no window: its pages open in a browser on this machine. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') return stop(EXIT_USAGE, `${options}\n${USAGE}`);

  let orgJson: string | undefined;
  if (options.org !== undefined) {
    try {
      orgJson = readFileSync(options.org, 'utf8');
    } catch (error) {
      return stop(
        EXIT_FAILED,
        `The enrolment file ${options.org} cannot be read: ${error instanceof Error ? error.message : String(error)}. Expected the org.json of your organisation.`,
      );
    }
  }

  const ports = createPorts(options.data);
  if (typeof ports === 'string') return stop(EXIT_FAILED, ports);
  const created = await createApp(ports, { port: options.port, ...(orgJson === undefined ? {} : { orgJson }) });
  if (!created.ok) return stop(EXIT_FAILED, created.message);
  const app = created.value;

  let stopping = false;
  const shutDown = (signal: string) => {
    if (stopping) return;
    stopping = true;
    ports.log.info('stopping', { signal });
    app.close().then(
      () => process.exit(0),
      (error: unknown) => stop(EXIT_FAILED, error instanceof Error ? error.message : String(error)),
    );
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);

  const clients: Record<string, string> = {};
  for (const name of options.clients) {
    const issued = await app.handlers.issueApp({ name });
    if (!issued.ok) {
      await app.close();
      return stop(EXIT_FAILED, `--client "${name}": ${issued.message}`);
    }
    clients[name] = issued.token;
  }

  const status = app.status();
  const endpoint = status.endpoint ?? '';
  const ready = {
    ready: true,
    endpoint,
    console: app.console.createLink(endpoint),
    clients,
    policy: status.organisation && status.policy ? { org: status.organisation, version: status.policy.version } : null,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

function createPorts(data: string): Ports | string {
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const preferences = new Conf<Record<string, unknown>>({
      cwd: data,
      configName: 'preferences',
      clearInvalidConfig: false,
      configFileMode: 0o600,
    });
    const root = import.meta.dirname.endsWith(join('out', 'main'))
      ? resolve(import.meta.dirname, '../..')
      : resolve(import.meta.dirname, '..');
    const log = { debug: writeLog('debug'), info: writeLog('info'), warn: writeLog('warn'), error: writeLog('error') };
    return {
      clock: { now: () => Date.now() },
      log,
      paths: { data, resources: join(root, 'resources'), renderer: join(root, 'out', 'renderer') },
      preferences: { get: (key) => preferences.get(key), set: (key, value) => preferences.set(key, value) },
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
    return `Gatehouse cannot use its data folder ${data}: ${error instanceof Error ? error.message : String(error)}. Give your account write access to it, mend or remove a broken preferences.json in it, or name another folder with --data.`;
  }
}

function readVersion(root: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return version;
}

function stop(code: number, message: string): void {
  process.stderr.write(`${JSON.stringify({ level: 'error', event: 'stopped', message })}\n`);
  process.exitCode = code;
  // Nothing of ours is left to wait for: a failed start has closed what it opened.
  process.exit();
}

await main();
