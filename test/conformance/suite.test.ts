import { describe, expect, it } from 'vitest';
import { runClientScenarios } from '../../scripts/conformance/clients.ts';
import { lossesOf, runServerScenarios, staleLosses } from '../../scripts/conformance/servers.ts';
import { REVISIONS } from '../../scripts/conformance/suite.ts';
import { expectedFailures } from './expected-failures.ts';
import { expectedLosses } from './expected-losses.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);
/** How many checks the pinned suite makes of a server; fewer would be a suite that stopped early. */
const CHECKS = { '2025-11-25': 84, '2026-07-28': 196 } as const;

describe.each(REVISIONS)('when the conformance suite for %s is run', (revision) => {
  it('passes through Gatehouse whatever passes directly, but for what is listed between a caller and a server of different eras', async () => {
    const reports = await runServerScenarios({ revisions: [revision], say });
    for (const { rows } of reports) {
      expect(rows.filter(({ direct }) => direct === 'SUCCESS')).toHaveLength(CHECKS[revision]);
      expect(rows.filter(({ direct }) => direct === 'FAILURE')).toEqual([]);
    }
    expect(lossesOf(reports, expectedLosses).filter(({ reason }) => reason === undefined)).toEqual([]);
    expect(staleLosses(reports, expectedLosses)).toEqual([]);
  });

  it('passes with Gatehouse as the client, but for what is listed with its reason', async () => {
    const reports = await runClientScenarios({ revisions: [revision], say }, expectedFailures);
    expect(reports.length).toBeGreaterThan(15);
    expect(reports.filter(({ verdict }) => verdict === 'fails' || verdict === 'passes unexpectedly')).toEqual([]);
  });
});

describe('the lists of what is expected', () => {
  it('give a reason for each entry', () => {
    for (const { reason } of [...expectedFailures, ...expectedLosses]) expect(reason).toMatch(/^[A-Z].+\.$/);
  });

  it('name each client scenario of a revision once', () => {
    const keys = expectedFailures.flatMap(({ scenario, revisions }) => revisions.map((each) => `${each} ${scenario}`));
    expect(new Set(keys).size).toBe(keys.length);
  });
});
