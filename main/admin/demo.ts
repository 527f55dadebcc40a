import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ports } from '../ports.ts';
import { initOrganisation } from './init.ts';
import { pinServers } from './pin.ts';
import { publishOrganisation } from './publish.ts';
import type { AdminResult } from './result.ts';
import { addServer } from './servers.ts';

const VERSION = '2026.8.31';
const EXPIRES_DAYS = 365;

export interface DemoProgress {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

/**
 * Makes an organisation to try Gatehouse with: real keys, a real signed repository and three real servers, the first with a
 * folder of its own. The passphrase is drawn and forgotten, so that nobody can sign for it later. Answers org.json's text.
 */
export async function makeDemoOrganisation(
  dir: string,
  options: Pick<Ports, 'clock' | 'log' | 'version'> & { readonly onProgress: (progress: DemoProgress) => void },
): Promise<string> {
  const { clock, log, version } = options;
  const passphrase = randomBytes(32).toString('base64url');
  const files = `${dir}-files`;
  const servers = [
    { name: 'server-filesystem', alias: 'files', title: 'Files', args: [files] },
    { name: 'server-memory', alias: 'memory', title: 'Memory', args: [] },
    { name: 'server-everything', alias: 'everything', title: 'Everything', args: [] },
  ];
  const steps = [
    'Making keys',
    ...servers.map(({ title }) => `Approving ${title}`),
    'Looking at what the tools do',
    'Signing',
  ];
  let done = 0;
  const next = () => {
    options.onProgress({ step: steps[done] ?? 'Joining', done, total: steps.length });
    done += 1;
  };

  // An earlier demo is ours alone and made again below; the person's files beside it stay.
  rmSync(dir, { recursive: true, force: true });
  try {
    makeFiles(files);
    next();
    expectDone(
      await initOrganisation({
        dir,
        name: 'Demo',
        contact: 'you: this is your own demo organisation',
        passphrase,
        clock,
      }),
    );
    for (const { name, alias, title, args } of servers) {
      next();
      const source = { kind: 'npm', spec: `@modelcontextprotocol/${name}@${VERSION}`, args } as const;
      expectDone(await addServer({ dir, source, alias, title, owner: 'Demo' }));
    }
    next();
    const pinned = expectDone(await pinServers({ dir, clock, log, version }));
    const [failed] = pinned.failed;
    if (failed) throw new Error(`${failed.alias}: ${failed.message}`);
    next();
    const published = expectDone(await publishOrganisation({ dir, passphrase, clock, expiresDays: EXPIRES_DAYS }));
    next();
    return published.orgJson;
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

function expectDone<T>(result: AdminResult<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.problems.join(' '));
}

function makeFiles(files: string): void {
  mkdirSync(files, { recursive: true, mode: 0o700 });
  writeFileSync(
    join(files, 'welcome.txt'),
    'Welcome to Gatehouse.\nAsk your AI app to read this file, then to write a new one beside it: you will be asked first.\n',
  );
}
