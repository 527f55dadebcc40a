import type { Check, Checks, Status } from './suite.ts';

/** One check in both runs. A check that one of the runs never came to is 'MISSING' there. */
export interface Row {
  readonly scenario: string;
  readonly id: string;
  readonly name: string;
  readonly direct: Status | 'MISSING';
  readonly through: Status | 'MISSING';
  /**
   * 'lost': passes directly and not through. 'gained': the other way round. 'noted': passes directly, and through the suite only notes that the
   * check does not apply to the way it was answered (one JSON body, say, where an event stream was as good).
   */
  readonly difference: 'same' | 'lost' | 'gained' | 'noted';
  /** What the suite says about the run that did worse. */
  readonly message: string;
}

/** Check by check. One id can stand for several checks of a scenario; they are told apart by name and order. */
export function compareChecks(direct: Checks, through: Checks): readonly Row[] {
  const scenarios = [...new Set([...direct.keys(), ...through.keys()])];
  return scenarios.flatMap((scenario) => {
    const one = keyed(direct.get(scenario) ?? []);
    const other = keyed(through.get(scenario) ?? []);
    return [...new Set([...one.keys(), ...other.keys()])].flatMap((key) => {
      const row = compareOne(scenario, one.get(key), other.get(key));
      return row === undefined ? [] : [row];
    });
  });
}

function keyed(checks: readonly Check[]): ReadonlyMap<string, Check> {
  const seen = new Map<string, number>();
  return new Map(
    checks.map((check) => {
      const key = `${check.id}\n${check.name}`;
      const count = (seen.get(key) ?? 0) + 1;
      seen.set(key, count);
      return [`${key}\n${count}`, check];
    }),
  );
}

function compareOne(scenario: string, direct: Check | undefined, through: Check | undefined): Row | undefined {
  const check = direct ?? through;
  if (check === undefined) return undefined;
  const before = direct?.status ?? 'MISSING';
  const after = through?.status ?? 'MISSING';
  const isNote = (status: Row['direct']) => status === 'INFO' || status === 'MISSING';
  // Notes of what went over the wire are no checks; how many there are depends on timing.
  if (isNote(before) && isNote(after)) return undefined;
  const difference = differenceOf(before, after);
  const worse = difference === 'gained' ? direct : through;
  return {
    scenario,
    id: check.id,
    name: check.name,
    direct: before,
    through: after,
    difference,
    message: difference === 'same' && after === 'SUCCESS' ? '' : (worse?.errorMessage ?? ''),
  };
}

function differenceOf(before: Row['direct'], after: Row['through']): Row['difference'] {
  if (before === after) return 'same';
  if (after === 'SUCCESS') return 'gained';
  if (before !== 'SUCCESS') return 'same';
  return after === 'INFO' ? 'noted' : 'lost';
}
