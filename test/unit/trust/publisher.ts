import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { composeRelease, type Release } from '../../../main/admin/compose.ts';
import { generateKey, KEY_ROLES, type Keys } from '../../../main/admin/keys.ts';
import { DAY_MS, makeRoot, type RoleKeys, signed } from '../../../main/admin/metadata.ts';
import type { Sources } from '../../../main/admin/organisation.ts';
import { readPublished, writeRepository } from '../../../main/admin/repository.ts';
import type { Log } from '../../../main/ports.ts';
import { createTrust, type Trust, type TrustOptions } from '../../../main/trust/trust.ts';

export const START = Date.UTC(2026, 5, 1);
export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface TestClock {
  time: number;
  now(): number;
}

export const createClock = (): TestClock => ({
  time: START,
  now() {
    return this.time;
  },
});

export const FIRST: Sources = {
  policyJson: '{"schema":1}',
  policyCedar: 'permit (principal, action, resource);',
  manifestJson: '{"schema":1,"servers":[]}',
};

export type RealKeys = Required<Keys>;

export function makeKeys(): RealKeys {
  const [root, targets, policy, servers, snapshot, timestamp] = KEY_ROLES.map((role) => generateKey(role).key);
  if (!root || !targets || !policy || !servers || !snapshot || !timestamp) throw new Error('a role has no key');
  return { root, targets, policy, servers, snapshot, timestamp };
}

export interface Publisher {
  readonly dir: string;
  readonly keys: RealKeys;
  /** Signs and writes the next version, as gatehouse-admin does, with other keys where a test says so. */
  publish(sources?: Partial<Sources>, options?: { keys?: Keys; days?: number }): Release;
  orgJson(repository?: string, name?: string): string;
  /** Every file by its path. */
  copy(): Map<string, string>;
  restore(files: ReadonlyMap<string, string>): void;
  /** A second root, signed by the first and by itself, that replaces the given keys. */
  rotate(replaced: Partial<RealKeys>): void;
  remove(): void;
}

export function createPublisher(clock: TestClock): Publisher {
  const dir = mkdtempSync(join(tmpdir(), 'gatehouse-repository-'));
  let keys = makeKeys();
  let sources = FIRST;
  const roleKeys = (): RoleKeys => keys;
  const previous = () => {
    const state = readPublished(dir);
    if (!state.ok) throw new Error(state.problems.join(' '));
    return state.value;
  };
  const first = signed(makeRoot(keys, { version: 1, expires: clock.now() + 365 * DAY_MS }), keys.root);
  const write = (files: ReadonlyMap<string, string>) => {
    const written = writeRepository(dir, files);
    if (!written.ok) throw new Error(written.problems.join(' '));
  };
  write(new Map([['metadata/1.root.json', first]]));
  return {
    dir,
    get keys() {
      return keys;
    },
    publish(changes = {}, options = {}) {
      sources = { ...sources, ...changes };
      const release = composeRelease({
        sources,
        previous: previous() ?? undefined,
        keys: options.keys ?? keys,
        roleKeys: roleKeys(),
        now: clock.now(),
        timestampDays: options.days ?? 30,
      });
      // The first root is fixed, so that every enrolment of this publisher is the same.
      const files = new Map(release.files);
      files.delete('metadata/1.root.json');
      write(files);
      return release;
    },
    orgJson: (repository = pathToFileURL(dir).href, name = 'Acme') =>
      JSON.stringify({ schema: 1, name, repository, root: JSON.parse(first) }),
    copy: () => readFiles(dir),
    restore(files) {
      for (const folder of ['metadata', 'targets']) rmSync(join(dir, folder), { recursive: true, force: true });
      write(files);
    },
    rotate(replaced) {
      const old = keys;
      keys = { ...keys, ...replaced };
      const next = makeRoot(keys, { version: 2, expires: clock.now() + 365 * DAY_MS });
      write(new Map([['metadata/2.root.json', signed(next, old.root, keys.root)]]));
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function readFiles(dir: string): Map<string, string> {
  return new Map(
    ['metadata', 'targets'].flatMap((folder) =>
      readdirSync(join(dir, folder)).map(
        (name) => [`${folder}/${name}`, readFileSync(join(dir, folder, name), 'utf8')] as const,
      ),
    ),
  );
}

export interface Laptop {
  readonly dir: string;
  readonly trust: Trust;
  /** Quits and starts again with the same folder. */
  restart(options?: Partial<TrustOptions>): Promise<Trust>;
  remove(): Promise<void>;
}

export function createLaptop(clock: TestClock, options: Partial<TrustOptions> = {}): Laptop {
  const dir = mkdtempSync(join(tmpdir(), 'gatehouse-laptop-'));
  const make = (more: Partial<TrustOptions> = {}) =>
    createTrust({
      dir: join(dir, 'trust'),
      clock,
      log: quiet,
      accept: () => undefined,
      refreshSeconds: () => 86_400,
      graceSeconds: () => 0,
      ...options,
      ...more,
    });
  let trust = make();
  return {
    dir: join(dir, 'trust'),
    get trust() {
      return trust;
    },
    async restart(more) {
      trust.close();
      trust = make(more);
      await trust.start();
      return trust;
    },
    async remove() {
      trust.close();
      // Ends after whatever was under way, so that nothing is written once the folder is gone.
      await trust.refresh();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface WebRepository {
  readonly url: string;
  readonly asked: readonly string[];
  /** Answers this path otherwise from now on; undefined serves the folder again. */
  answer(path: string, how: Answer | undefined): void;
  close(): Promise<void>;
}

/** Serves a repository folder on the loopback address, with single paths answered otherwise. */
export async function serveRepository(dir: string): Promise<WebRepository> {
  const answers = new Map<string, Answer>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    asked.push(path);
    const how = answers.get(path) ?? answers.get('*');
    if (how) return how(request, response);
    try {
      response.end(readFileSync(join(dir, path)));
    } catch {
      // No such file in the folder: what a static web server says.
      response.writeHead(404).end('not found');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer(path, how) {
      if (how) answers.set(path, how);
      else answers.delete(path);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
