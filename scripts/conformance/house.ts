import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type HeadlessReady, startScript } from '../processes.ts';

/** A real organisation, published by gatehouse-admin, and a headless Gatehouse that joined it. */
export interface House {
  /** The endpoint that shows one server as it is: its own names. */
  endpointOf(alias: string): string;
  /** The endpoint that merges all servers. */
  readonly merged: string;
  readonly token: string;
  close(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');
const APP = 'conformance';
const env = { ...process.env, GATEHOUSE_PASSPHRASE: 'for conformance only' };
const run = promisify(execFile);
const admin = (...words: string[]) => run(process.execPath, [join(root, 'out/main/admin.js'), ...words], { env });

/** Everything of the server is open to everybody, unasked: what is measured is the gateway, not a policy. */
const CEDAR = '@id("everything") permit (principal, action, resource);\n';

/** Thrown where the server could not be approved or Gatehouse did not start: what was said about it. */
export class NoHouse extends Error {}

/** An organisation without servers. Making its keys takes longest, so many houses can start from a copy of one. */
export async function makeOrganisation(folder: string): Promise<void> {
  await admin('init', folder, '--name', 'Conformance', '--contact', 'it@example.test');
  writeFileSync(join(folder, 'policy.cedar'), CEDAR);
}

/** A copy's staff join the copy: its org.json names the repository beside it. */
function copyOrganisation(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const file = join(to, 'org.json');
  const repository = String(pathToFileURL(join(to, 'repository')));
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), repository }));
}

/** `servers`: the address of each, by alias. `organisation`: one to start from a copy of. */
export async function openHouse(servers: Readonly<Record<string, string>>, organisation?: string): Promise<House> {
  const work = mkdtempSync(join(tmpdir(), 'gatehouse-conformance-'));
  const remove = () => rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  const org = join(work, 'org');
  try {
    if (organisation === undefined) await makeOrganisation(org);
    else copyOrganisation(organisation, org);
    for (const [alias, url] of Object.entries(servers))
      await admin('server', 'add', org, '--http', url, '--alias', alias);
    await admin('pin', org);
    showResources(join(org, 'manifest.json'));
    await admin('publish', org);
    const words = ['--data', join(work, 'data'), '--port', '0', '--org', join(org, 'org.json'), '--client', APP];
    const gatehouse = await startScript<HeadlessReady>(join(root, 'out/main/headless.js'), words);
    const { endpoint, clients } = gatehouse.ready;
    return {
      endpointOf: (alias) => `${endpoint}/~${alias}`,
      merged: endpoint,
      token: clients[APP] ?? '',
      async close() {
        await gatehouse.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    const { stderr, stdout, message } = error as Error & { stderr?: string; stdout?: string };
    throw new NoHouse([stdout, stderr].filter(Boolean).join('\n') || message);
  }
}

/** Resources are not pinned one by one; IT says by hand that those of a server may be read. */
function showResources(file: string): void {
  const manifest: { servers: object[] } = JSON.parse(readFileSync(file, 'utf8'));
  const servers = manifest.servers.map((server) => ({ ...server, resources: 'as-shown' }));
  writeFileSync(file, `${JSON.stringify({ ...manifest, servers }, null, 2)}\n`);
}
