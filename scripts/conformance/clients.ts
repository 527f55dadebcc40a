import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeOrganisation } from './house.ts';
import type { ServerOptions } from './servers.ts';
import { type Check, type Revision, requirementsFile, runSuite } from './suite.ts';

/** A scenario Gatehouse is known to fail as a client, and why. */
export interface ExpectedFailure {
  readonly scenario: string;
  readonly revisions: readonly Revision[];
  /** Ids of the checks that may fail, all of them and no others; without it, the whole scenario. */
  readonly checks?: readonly string[];
  readonly reason: string;
}

export interface ClientReport {
  readonly revision: Revision;
  readonly scenario: string;
  readonly passed: number;
  /** Failures and warnings. */
  readonly failed: number;
  readonly verdict: 'passes' | 'fails' | 'fails as expected' | 'passes unexpectedly';
  /** Why it is expected to fail, or what failed. */
  readonly notes: readonly string[];
}

const driver = resolve(import.meta.dirname, '../../test/fixtures/conformance/client-driver.ts');
/** A start of Gatehouse costs about two seconds of one core. */
const AT_ONCE = 3;

/** The suite's client scenarios: its server is approved in an organisation of its own, and a whole Gatehouse calls it for an AI app. */
export async function runClientScenarios(
  options: ServerOptions,
  expected: readonly ExpectedFailure[],
): Promise<readonly ClientReport[]> {
  const work = mkdtempSync(join(tmpdir(), 'gatehouse-conformance-'));
  try {
    const wanted = options.revisions.flatMap((revision) =>
      clientScenarios(revision)
        .filter((scenario) => options.only === undefined || scenario === options.only)
        .map((scenario) => ({ revision, scenario })),
    );
    const organisation = join(work, 'org');
    await makeOrganisation(organisation);
    options.say(`${wanted.length} client scenarios, ${AT_ONCE} at a time`);
    const reports = new Map<number, ClientReport>();
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < wanted.length; index = next++) {
        const one = wanted[index];
        if (one === undefined) return;
        const known = expected.find(
          (failure) => failure.scenario === one.scenario && failure.revisions.includes(one.revision),
        );
        reports.set(index, await runScenario({ ...one, organisation, folder: join(work, String(index)) }, known));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return [...reports].sort(([one], [other]) => one - other).map(([, report]) => report);
  } finally {
    rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Scenario {
  readonly revision: Revision;
  readonly scenario: string;
  /** The organisation each driver makes its own from. */
  readonly organisation: string;
  /** Where the suite writes. */
  readonly folder: string;
}

async function runScenario(wanted: Scenario, known: ExpectedFailure | undefined): Promise<ClientReport> {
  const { revision, scenario } = wanted;
  const command = `${process.execPath} ${driver}`;
  const words = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision];
  const { checks: all, output } = await runSuite([...words, '--timeout', '60000'], wanted.folder, '', {
    GATEHOUSE_CONFORMANCE_ORGANISATION: wanted.organisation,
  });
  const checks = all.get(scenario) ?? [];
  const failures = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  const passed = checks.filter(({ status }) => status === 'SUCCESS').length;
  const verdict = judge(passed, failures, known);
  const silence = checks.length === 0 ? [`the suite wrote no checks: ${output.slice(-300)}`] : [];
  const found = [...failures.map(describe), ...silence, ...told(output)];
  const notes =
    verdict === 'fails as expected' && known !== undefined ? [known.reason] : verdict === 'fails' ? found : [];
  return { revision, scenario, passed, failed: failures.length, verdict, notes };
}

function judge(
  passed: number,
  failures: readonly Check[],
  known: ExpectedFailure | undefined,
): ClientReport['verdict'] {
  const passes = failures.length === 0 && passed > 0;
  if (known === undefined) return passes ? 'passes' : 'fails';
  if (passes) return 'passes unexpectedly';
  const { checks } = known;
  const asKnown = checks === undefined || failures.every(({ id }) => checks.includes(id));
  return asKnown && failures.length > 0 ? 'fails as expected' : 'fails';
}

const describe = ({ name, errorMessage, description }: Check) => `${name}: ${errorMessage ?? description}`;

/** What the client said when it ended badly. */
function told(output: string): readonly string[] {
  const said = /\nStderr:\n([\s\S]*?)\n(?:Results saved|Checks:|\n)/.exec(output)?.[1];
  return said === undefined ? [] : [`the client said: ${said.slice(0, 1_500)}`];
}

/** What the revision requires of clients, and what the suite runs beside it; extensions are for clients that have them. */
function clientScenarios(revision: Revision): readonly string[] {
  const text = readFileSync(requirementsFile(revision), 'utf8');
  const required = /^client:\n((?: {2}- .+\n)+)/m.exec(text)?.[1] ?? '';
  const beside = [...text.matchAll(/- scenario: (\S+)\n {4}leg: client\n {4}reason: (\S+)/g)];
  return [
    ...[...required.matchAll(/- (\S+)/g)].map((match) => match[1] ?? ''),
    ...beside.filter((match) => match[2] !== 'extension').map((match) => match[1] ?? ''),
  ];
}
