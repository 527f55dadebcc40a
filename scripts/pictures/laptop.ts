import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type App, createApp } from '../../main/app.ts';
import type { Ports } from '../../main/ports.ts';

const root = resolve(import.meta.dirname, '../..');

export interface Laptop {
  readonly app: App;
  readonly endpoint: string;
  consoleLink(): string;
  /** Milliseconds the app's clock is behind the real one: calls made now are recorded as made then. */
  setBehind(milliseconds: number): void;
  close(): Promise<void>;
}

export interface Person {
  readonly account: string;
  readonly orgJson?: string;
}

const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What IT's functions need of their surroundings. */
export const surroundings: Pick<Ports, 'clock' | 'log' | 'version'> = {
  clock: { now: () => Date.now() },
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: tell },
  version,
};

function tell(event: string, fields: object = {}): void {
  process.stderr.write(`${event} ${JSON.stringify(fields)}\n`);
}

/** The whole app as headless mode builds it, for a person with a name, on a clock that can be set back. */
export async function openLaptop(data: string, { account, orgJson }: Person): Promise<Laptop> {
  let behind = 0;
  const settings = new Map<string, unknown>();
  const created = await createApp(
    {
      ...surroundings,
      clock: { now: () => Date.now() - behind },
      paths: { data, resources: join(root, 'resources'), renderer: join(root, 'out', 'renderer') },
      preferences: { get: (key) => settings.get(key), set: (key, value) => void settings.set(key, value) },
      notifier: { notify: () => {} },
      windows: { openMain: () => {}, openApproval: () => {} },
      account,
    },
    { port: 0, serveConsole: true, ...(orgJson === undefined ? {} : { orgJson }) },
  );
  if (!created.ok) throw new Error(created.message);
  const app = created.value;
  const endpoint = app.status().endpoint ?? '';
  return {
    app,
    endpoint,
    consoleLink: () => app.console.createLink(endpoint),
    setBehind: (milliseconds) => {
      behind = milliseconds;
    },
    close: () => app.close(),
  };
}
