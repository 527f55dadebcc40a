import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startScript } from '../processes.ts';
import { compareChecks, type Row } from './compare.ts';
import { openHouse } from './house.ts';
import { startRelay } from './relay.ts';
import { type Checks, type Revision, runSuite } from './suite.ts';

export interface ServerOptions {
  readonly revisions: readonly Revision[];
  readonly only?: string;
  /** Called as things happen, one line each. */
  readonly say: (line: string) => void;
}

export interface ServerReport {
  readonly revision: Revision;
  readonly rows: readonly Row[];
}

const fixture = resolve(import.meta.dirname, '../../test/fixtures/conformance/everything-server.ts');

/** The suite's server scenarios against the fixture, and against the same fixture behind Gatehouse, side by side. */
export async function runServerScenarios(options: ServerOptions): Promise<readonly ServerReport[]> {
  const work = mkdtempSync(join(tmpdir(), 'gatehouse-conformance-'));
  const ends: (() => Promise<void> | void)[] = [() => rmSync(work, { recursive: true, force: true, maxRetries: 5 })];
  try {
    // One each: the two runs must not hear of what the other one changes.
    const alone = await startScript<{ url: string }>(fixture);
    ends.push(alone.stop);
    const behind = await startScript<{ url: string }>(fixture);
    ends.push(behind.stop);
    options.say('publishing an organisation whose one server is the fixture');
    const house = await openHouse(behind.ready.url);
    ends.push(house.close);
    const relay = await startRelay(house.endpoint, house.token);
    ends.push(relay.close);

    const reports: ServerReport[] = [];
    for (const revision of options.revisions) {
      options.say(`${revision}: directly and through Gatehouse`);
      const suite = (url: string, name: string) =>
        runOne(url, revision, join(work, `${revision}-${name}`), options.only);
      const [direct, through] = await Promise.all([suite(alone.ready.url, 'direct'), suite(relay.url, 'through')]);
      reports.push({ revision, rows: compareChecks(direct, through) });
    }
    return reports;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function runOne(url: string, revision: Revision, folder: string, only: string | undefined): Promise<Checks> {
  const chosen = only === undefined ? ['--requirements', revision] : ['--scenario', only, '--spec-version', revision];
  const { checks, output } = await runSuite(['server', '--url', url, ...chosen], folder, 'server-');
  // A scenario of the other revision only is no failure; a suite that did nothing at all is.
  if (checks.size === 0 && only === undefined) throw new Error(`the suite wrote no checks: ${output.slice(-2_000)}`);
  return checks;
}
