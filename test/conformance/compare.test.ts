import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareChecks } from '../../scripts/conformance/compare.ts';
import type { Check, Status } from '../../scripts/conformance/suite.ts';

const check = (id: string, status: Status, errorMessage?: string): Check => ({
  id,
  name: id,
  description: '',
  status,
  ...(errorMessage !== undefined && { errorMessage }),
});
const run = (...checks: readonly Check[]) => new Map([['scenario', checks]]);
const differences = (direct: readonly Check[], through: readonly Check[]) =>
  compareChecks(run(...direct), run(...through)).map(({ id, difference }) => [id, difference]);

describe('when two runs of the suite are compared', () => {
  it.each(['FAILURE', 'WARNING', 'SKIPPED'] as const)('counts a check that turns into %s as lost', (status) => {
    expect(differences([check('a', 'SUCCESS')], [check('a', status)])).toEqual([['a', 'lost']]);
  });

  it('counts a check that is not there any more as lost, and says what the other run says', () => {
    expect(differences([check('a', 'SUCCESS')], [])).toEqual([['a', 'lost']]);
    const rows = compareChecks(run(check('a', 'SUCCESS')), run(check('a', 'FAILURE', 'no answer')));
    expect(rows).toMatchObject([{ direct: 'SUCCESS', through: 'FAILURE', message: 'no answer' }]);
  });

  it('does not blame the way for what fails directly', () => {
    expect(differences([check('a', 'FAILURE')], [check('a', 'FAILURE')])).toEqual([['a', 'same']]);
    expect(differences([check('a', 'WARNING')], [check('a', 'SUCCESS')])).toEqual([['a', 'gained']]);
  });

  it('tells checks apart that share an id, by their order', () => {
    const direct = [check('a', 'SUCCESS'), check('a', 'SUCCESS')];
    expect(differences(direct, [check('a', 'SUCCESS'), check('a', 'FAILURE')])).toEqual([
      ['a', 'same'],
      ['a', 'lost'],
    ]);
  });

  it('leaves notes out, and marks a check that became one', () => {
    expect(differences([check('note', 'INFO')], [])).toEqual([]);
    expect(differences([check('a', 'SUCCESS')], [check('a', 'INFO')])).toEqual([['a', 'noted']]);
  });

  it('finds every loss and no other, whatever the runs are', () => {
    const status = fc.constantFrom<Status>('SUCCESS', 'FAILURE', 'WARNING', 'SKIPPED', 'INFO');
    const pair = fc.tuple(fc.constantFrom('a', 'b', 'c'), status, status);
    fc.assert(
      fc.property(fc.array(pair), (pairs) => {
        const rows = compareChecks(
          run(...pairs.map(([id, direct]) => check(id, direct))),
          run(...pairs.map(([id, , through]) => check(id, through))),
        );
        const lost = pairs.filter(
          ([, direct, through]) => direct === 'SUCCESS' && through !== 'SUCCESS' && through !== 'INFO',
        );
        expect(rows.filter(({ difference }) => difference === 'lost')).toHaveLength(lost.length);
      }),
    );
  });
});
