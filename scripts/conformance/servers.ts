import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startScript } from '../processes.ts';
import { compareChecks, type Row } from './compare.ts';
import { openHouse } from './house.ts';
import { startRelay } from './relay.ts';
import { type Checks, type Revision, runSuite } from './suite.ts';

/** What the fixture behind Gatehouse speaks: both eras, as it does directly, or only the one that the suite does not. */
export type Behind = 'both' | 'the other era';

export interface ServerOptions {
  readonly revisions: readonly Revision[];
  readonly only?: string;
  /** Called as things happen, one line each. */
  readonly say: (line: string) => void;
}

/** Checks of one revision that may be lost between a caller of one era and a server of the other, and why. */
export interface ExpectedLoss {
  readonly revision: Revision;
  readonly scenario: string;
  /** Ids of checks; without it, every check of the scenario. */
  readonly checks?: readonly string[];
  readonly reason: string;
}

export interface ServerReport {
  readonly revision: Revision;
  readonly behind: Behind;
  readonly rows: readonly Row[];
}

const fixture = resolve(import.meta.dirname, '../../test/fixtures/conformance/everything-server.ts');

/** The era a revision is not of: one server of it stands behind Gatehouse under this alias. */
const OTHER: Readonly<Record<Revision, { readonly alias: string; readonly era: string }>> = {
  '2025-11-25': { alias: 'modern', era: 'modern' },
  '2026-07-28': { alias: 'legacy', era: 'legacy' },
};

/**
 * The suite's server scenarios three times, side by side: against the fixture, against the same fixture behind Gatehouse, and against one behind
 * Gatehouse that speaks the other era only.
 */
export async function runServerScenarios(options: ServerOptions): Promise<readonly ServerReport[]> {
  const work = mkdtempSync(join(tmpdir(), 'gatehouse-conformance-'));
  const ends: (() => Promise<void> | void)[] = [() => rmSync(work, { recursive: true, force: true, maxRetries: 5 })];
  const start = async (era: string) => {
    const running = await startScript<{ url: string }>(fixture, ['--era', era]);
    ends.push(running.stop);
    return running.ready.url;
  };
  try {
    // One each: no run must hear of what another one changes.
    const alone = await start('both');
    const servers: Record<string, string> = { fixture: await start('both') };
    for (const revision of options.revisions) servers[OTHER[revision].alias] = await start(OTHER[revision].era);
    options.say('publishing an organisation whose servers are the fixture');
    const house = await openHouse(servers);
    ends.push(house.close);

    const reports: ServerReport[] = [];
    for (const revision of options.revisions) {
      options.say(`${revision}: directly, through Gatehouse, and through Gatehouse to a server of the other era`);
      const suite = (url: string, name: string) =>
        runOne(url, revision, join(work, `${revision}-${name}`), options.only);
      const through = async (alias: string) => {
        const relay = await startRelay(house.endpointOf(alias), house.token);
        return suite(relay.url, alias).finally(relay.close);
      };
      const [direct, same, other] = await Promise.all([
        suite(alone, 'direct'),
        through('fixture'),
        through(OTHER[revision].alias),
      ]);
      reports.push({ revision, behind: 'both', rows: compareChecks(direct, same) });
      reports.push({ revision, behind: 'the other era', rows: compareChecks(direct, other) });
    }
    return reports;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** A row that says a check is lost, with the reason where that is expected. */
export interface Loss {
  readonly revision: Revision;
  readonly behind: Behind;
  readonly row: Row;
  readonly reason?: string;
}

/** What was lost; between two revisions of one era nothing is ever expected to be. */
export function lossesOf(reports: readonly ServerReport[], expected: readonly ExpectedLoss[]): readonly Loss[] {
  return reports.flatMap(({ revision, behind, rows }) =>
    rows
      .filter(({ difference }) => difference === 'lost')
      .map((row) => {
        const known = behind === 'both' ? undefined : expected.find((loss) => isLoss(loss, revision, row));
        return { revision, behind, row, ...(known !== undefined && { reason: known.reason }) };
      }),
  );
}

/** Entries of the list that nothing was lost by: they have to go. */
export function staleLosses(reports: readonly ServerReport[], expected: readonly ExpectedLoss[]) {
  const crossed = reports.filter(({ behind }) => behind === 'the other era');
  return expected.filter((loss) =>
    crossed.some(
      ({ revision, rows }) =>
        revision === loss.revision &&
        rows.some(({ scenario }) => scenario === loss.scenario) &&
        !rows.some((row) => row.difference === 'lost' && isLoss(loss, revision, row)),
    ),
  );
}

const isLoss = (loss: ExpectedLoss, revision: Revision, { scenario, id }: Row) =>
  loss.revision === revision && loss.scenario === scenario && (loss.checks?.includes(id) ?? true);

async function runOne(url: string, revision: Revision, folder: string, only: string | undefined): Promise<Checks> {
  const chosen = only === undefined ? ['--requirements', revision] : ['--scenario', only, '--spec-version', revision];
  const { checks, output } = await runSuite(['server', '--url', url, ...chosen], folder, 'server-');
  // A scenario of the other revision only is no failure; a suite that did nothing at all is.
  if (checks.size === 0 && only === undefined) throw new Error(`the suite wrote no checks: ${output.slice(-2_000)}`);
  return checks;
}
