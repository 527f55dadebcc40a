// npm run conformance [-- --revision R] [-- --only SCENARIO] [-- --side server|client] [-- --json]
// Runs @modelcontextprotocol/conformance. Server scenarios: against a fixture that has everything the suite asks for, against the same fixture behind a
// real Gatehouse, and against one behind Gatehouse that speaks the other era only; a check that passes directly and not through Gatehouse fails the
// run, but for those that test/conformance/expected-losses.ts explains between the eras. Client scenarios: Gatehouse is the client;
// test/conformance/expected-failures.ts says which are known to fail and why, and any other failure, or pass, fails the run.
import { parseArgs } from 'node:util';
import { expectedFailures } from '../test/conformance/expected-failures.ts';
import { expectedLosses } from '../test/conformance/expected-losses.ts';
import { type ClientReport, runClientScenarios } from './conformance/clients.ts';
import { clientTable, serverTable } from './conformance/report.ts';
import { lossesOf, runServerScenarios, type ServerReport, staleLosses } from './conformance/servers.ts';
import { REVISIONS, type Revision, suiteVersion } from './conformance/suite.ts';

const { values } = parseArgs({
  options: {
    revision: { type: 'string' },
    only: { type: 'string' },
    side: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const say = (line: string) => process.stderr.write(`conformance: ${line}\n`);

function wrongUse(message: string): never {
  say(message);
  process.exit(2);
}

const revisions: readonly Revision[] = REVISIONS.filter(
  (each) => values.revision === undefined || each === values.revision,
);
if (revisions.length === 0) wrongUse(`unknown revision "${values.revision}"; known: ${REVISIONS.join(', ')}`);
const { side, only } = values;
if (side !== undefined && side !== 'server' && side !== 'client')
  wrongUse(`unknown side "${side}"; expected server or client`);

const started = Date.now();
const chosen = { revisions, say, ...(only !== undefined && { only }) };
const servers: readonly ServerReport[] = side === 'client' ? [] : await runServerScenarios(chosen);
const clients: readonly ClientReport[] = side === 'server' ? [] : await runClientScenarios(chosen, expectedFailures);

const losses = lossesOf(servers, expectedLosses);
const lost = losses.filter(({ reason }) => reason === undefined);
const stale = staleLosses(servers, expectedLosses);
const brokenFixture = servers.flatMap(({ rows }) => rows.filter(({ direct }) => direct === 'FAILURE'));
const unexpected = clients.filter(({ verdict }) => verdict === 'fails' || verdict === 'passes unexpectedly');
const nothing = servers.every(({ rows }) => rows.length === 0) && clients.length === 0;
const seconds = Math.round((Date.now() - started) / 1000);

if (values.json) {
  const versions = { suite: suiteVersion(), node: process.versions.node };
  const report = { date: new Date().toISOString(), versions, seconds, servers, clients, losses, stale };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} else {
  for (const report of servers) if (report.rows.length > 0) process.stdout.write(`${serverTable(report, losses)}\n`);
  if (clients.length > 0) process.stdout.write(`${clientTable(clients)}\n`);
  process.stdout.write(`\n@modelcontextprotocol/conformance ${suiteVersion()}, ${seconds} s\n`);
}
for (const { revision, behind, row } of lost)
  say(
    `${revision} ${row.scenario} ${row.name} passes directly and not through Gatehouse (the server speaks ${behind})`,
  );
for (const { revision, scenario } of stale)
  say(`${revision} ${scenario} is in the list of losses, and nothing of it is lost`);
if (brokenFixture.length > 0) say(`${brokenFixture.length} checks fail against the fixture itself`);
for (const { revision, scenario, verdict } of unexpected) say(`${revision} ${scenario} ${verdict}`);
if (nothing) say(`no scenario ran${only === undefined ? '' : `; is "${only}" one of them?`}`);
const wrong = lost.length + stale.length + brokenFixture.length + unexpected.length;
process.exitCode = wrong > 0 || nothing ? 1 : 0;
