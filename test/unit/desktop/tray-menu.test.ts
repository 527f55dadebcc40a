import { describe, expect, it } from 'vitest';
import {
  ageInWords,
  buildTrayMenu,
  type TrayActions,
  type TrayView,
  trayTooltip,
} from '../../../main/desktop/tray-menu.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const MINUTE = 60_000;

function view(status: Partial<TrayView['status']> = {}, rest: Partial<TrayView> = {}): TrayView {
  const policy = { version: 41, digest: 'd', signers: ['Security'], checkedAt: NOW - 2 * MINUTE, expires: NOW };
  return {
    status: { state: 'calm', organisation: 'Acme', user: 'alice', policy, waiting: 0, version: '1', ...status },
    toolSets: [
      { alias: 'github', title: 'GitHub', enabled: true, word: '' },
      { alias: 'jira', title: 'Jira', enabled: false, word: 'Changed — held back' },
    ],
    apps: [
      { id: '1', name: 'Cursor', sessions: 2 },
      { id: '2', name: 'Claude', sessions: 0 },
    ],
    now: NOW,
    ...rest,
  };
}

function clicked() {
  const done: unknown[][] = [];
  const note =
    (name: string) =>
    (...args: unknown[]) => {
      done.push([name, ...args]);
    };
  const actions: TrayActions = {
    setToolSet: note('setToolSet'),
    pause: note('pause'),
    resume: note('resume'),
    showQuestions: note('showQuestions'),
    open: note('open'),
    quit: note('quit'),
  };
  return { done, actions };
}

type Item = ReturnType<typeof buildTrayMenu>[number];
const labels = (menu: readonly Item[]) => menu.map((item) => (item.type === 'separator' ? '—' : item.label));
const children = (item: Item | undefined): Item[] => (Array.isArray(item?.submenu) ? item.submenu : []);
const find = (menu: readonly Item[], label: string) => menu.find((item) => item.label === label);
const press = (item: Item | undefined) =>
  // A menu item's click is given itself; these items read only whether it is checked.
  Reflect.apply(item?.click ?? (() => {}), undefined, [{ checked: !item?.checked }]);

describe('when all is quiet', () => {
  it('shows organisation, tool sets, what waits, apps, pause, pages and quit', () => {
    const menu = buildTrayMenu(view(), clicked().actions);
    expect(labels(menu)).toEqual([
      'Acme · policy 41 · checked 2 min ago',
      '—',
      'GitHub',
      'Jira — Changed — held back',
      '—',
      'Waiting for you (0)',
      'Apps connected',
      '—',
      'Pause all',
      '—',
      'Open Gatehouse',
      'Activity',
      '—',
      'Quit',
    ]);
    expect(labels(children(find(menu, 'Apps connected')))).toEqual(['Cursor']);
    expect(find(menu, 'Waiting for you (0)')?.enabled).toBe(false);
  });

  it('turns tool sets on and off, pauses and opens pages', () => {
    const { done, actions } = clicked();
    const menu = buildTrayMenu(view(), actions);
    press(find(menu, 'GitHub'));
    for (const item of children(find(menu, 'Pause all'))) press(item);
    press(find(menu, 'Activity'));
    press(find(menu, 'Quit'));
    expect(done).toEqual([
      ['setToolSet', 'github', false],
      ['pause', 15],
      ['pause', 60],
      ['pause', null],
      ['open', 'activity'],
      ['quit'],
    ]);
  });
});

describe('when something is waiting, paused, wrong or missing', () => {
  it('offers the questions', () => {
    const { done, actions } = clicked();
    press(find(buildTrayMenu(view({ state: 'asking', waiting: 2 }), actions), 'Waiting for you (2)'));
    expect(done).toEqual([['showQuestions']]);
  });

  it('offers to resume instead of to pause', () => {
    const open = labels(buildTrayMenu(view({ state: 'paused', pausedUntil: null }), clicked().actions));
    expect(open).toContain('Paused until you resume');
    expect(open).toContain('Resume');
    expect(open).not.toContain('Pause all');
    const timed = labels(buildTrayMenu(view({ state: 'paused', pausedUntil: NOW }), clicked().actions));
    expect(timed.some((label) => /^Paused until .*\d/.test(label ?? ''))).toBe(true);
  });

  it('says what is wrong, in the problem’s own words', () => {
    const message = 'The policy ended yesterday. Ask Acme Security.';
    const problem = { code: 'expired', message, since: NOW };
    expect(labels(buildTrayMenu(view({ state: 'problem', problem }), clicked().actions))).toContain(message);
    expect(trayTooltip(view({ state: 'problem', problem }).status)).toContain(message);
  });

  it('offers to set up where there is no organisation yet', () => {
    const { organisation: _none, policy: _also, ...status } = view().status;
    const menu = buildTrayMenu(
      { ...view(), status: { ...status, state: 'not-enrolled' }, toolSets: [] },
      clicked().actions,
    );
    expect(labels(menu)[0]).toBe('Set up Gatehouse…');
    expect(find(menu, 'Pause all')?.enabled).toBe(false);
  });
});

describe('when names try to deceive', () => {
  it('shows one bounded line, with no direction marks, and an ampersand as itself', () => {
    const title = `Safe\u202Etool\n\u0007&${'x'.repeat(500)}`;
    const menu = buildTrayMenu(
      view({}, { toolSets: [{ alias: 'a', title, enabled: true, word: '' }] }),
      clicked().actions,
    );
    const shown = menu[2]?.label ?? '';
    expect(shown.startsWith('Safe tool &&xxx')).toBe(true);
    expect(shown.endsWith('…')).toBe(true);
    expect(shown.length).toBeLessThan(70);
  });

  it('keeps the tooltip within what Windows shows', () => {
    expect(trayTooltip(view({ organisation: 'A'.repeat(400) }).status).length).toBeLessThanOrEqual(127);
  });
});

describe('when time passes', () => {
  it.each([
    [-5, 'just now'],
    [59_999, 'just now'],
    [MINUTE, '1 min ago'],
    [59 * MINUTE, '59 min ago'],
    [60 * MINUTE, '1 h ago'],
    [23 * 60 * MINUTE, '23 h ago'],
    [24 * 60 * MINUTE, 'yesterday'],
    [72 * 60 * MINUTE, '3 days ago'],
  ])('says of %d ms: %s', (elapsed, text) => {
    expect(ageInWords(elapsed)).toBe(text);
  });
});
