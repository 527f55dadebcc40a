import type { MenuItemConstructorOptions } from 'electron';
import type { StatusView } from '../../preload/contract.ts';
import { words } from './words.ts';

/** What the menu shows. PURE: the same view gives the same menu. */
export interface TrayView {
  readonly status: StatusView;
  readonly toolSets: readonly { alias: string; title: string; enabled: boolean; word: string }[];
  readonly apps: readonly { id: string; name: string; sessions: number }[];
  readonly now: number;
}

/** What a person may do from the menu. */
export interface TrayActions {
  setToolSet(alias: string, enabled: boolean): void;
  /** Minutes, or null for "until I resume". */
  pause(minutes: number | null): void;
  resume(): void;
  showQuestions(): void;
  open(page?: string): void;
  quit(): void;
}

type Items = MenuItemConstructorOptions[];

const MINUTE = 60_000;
const LONGEST_LABEL = 60;

export function buildTrayMenu(view: TrayView, actions: TrayActions): Items {
  const { status } = view;
  return [
    ...organisationItems(view, actions),
    { type: 'separator' },
    ...toolSetItems(view, actions),
    { type: 'separator' },
    {
      label: words.menu.waiting(status.waiting),
      enabled: status.waiting > 0,
      click: () => actions.showQuestions(),
    },
    appsItem(view, actions),
    { type: 'separator' },
    ...pauseItems(view, actions),
    { type: 'separator' },
    { label: words.menu.open, click: () => actions.open() },
    { label: words.menu.activity, click: () => actions.open('activity') },
    { type: 'separator' },
    { label: words.menu.quit, click: () => actions.quit() },
  ];
}

/** One line for the icon's tooltip: state and organisation. */
export function trayTooltip(status: StatusView): string {
  const state = status.state === 'problem' && status.problem ? status.problem.message : words.state[status.state];
  const text = `${words.product}${status.organisation ? ` · ${status.organisation}` : ''}\n${state}`;
  // Windows cuts a tooltip at 127 characters.
  return text.length > 127 ? `${text.slice(0, 126)}…` : text;
}

/** "just now", "5 min ago", "3 h ago", "yesterday", "4 days ago". Milliseconds. */
export function ageInWords(elapsedMs: number): string {
  const minutes = Math.floor(Math.max(0, elapsedMs) / MINUTE);
  if (minutes < 1) return words.age.now;
  if (minutes < 60) return words.age.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? words.age.hours(hours) : words.age.days(Math.floor(hours / 24));
}

function organisationItems({ status, now }: TrayView, actions: TrayActions): Items {
  if (status.organisation === undefined) return [{ label: words.menu.noOrganisation, click: () => actions.open() }];
  const parts = [
    status.organisation,
    status.policy ? words.menu.policy(status.policy.version) : words.menu.noPolicy,
    ...(status.policy?.checkedAt === undefined ? [] : [words.menu.checked(ageInWords(now - status.policy.checkedAt))]),
  ];
  const line: Items = [{ label: label(parts.join(' · '), 100), enabled: false }];
  if (status.state === 'problem' && status.problem) {
    line.push({ label: label(status.problem.message, 100), click: () => actions.open() });
  }
  return line;
}

function toolSetItems({ toolSets }: TrayView, actions: TrayActions): Items {
  if (toolSets.length === 0) return [{ label: words.menu.noTools, enabled: false }];
  return toolSets.map(({ alias, title, enabled, word }) => ({
    type: 'checkbox',
    label: label(word === '' ? title : `${title} — ${word}`),
    checked: enabled,
    click: (item) => actions.setToolSet(alias, item.checked),
  }));
}

function appsItem({ apps }: TrayView, actions: TrayActions): MenuItemConstructorOptions {
  const connected = apps.filter((app) => app.sessions > 0);
  const submenu: Items =
    connected.length === 0
      ? [{ label: words.menu.noApps, enabled: false }]
      : connected.map((app) => ({ label: label(app.name), click: () => actions.open('apps') }));
  return { label: words.menu.apps, submenu };
}

function pauseItems({ status }: TrayView, actions: TrayActions): Items {
  if (status.state === 'not-enrolled') return [{ label: words.menu.pauseAll, enabled: false }];
  if (status.pausedUntil !== undefined) {
    const until = status.pausedUntil;
    return [
      { label: until === null ? words.menu.pausedOpen : words.menu.pausedUntil(timeOfDay(until)), enabled: false },
      { label: words.menu.resume, click: () => actions.resume() },
    ];
  }
  return [
    {
      label: words.menu.pauseAll,
      submenu: [
        { label: words.menu.pause15, click: () => actions.pause(15) },
        { label: words.menu.pause60, click: () => actions.pause(60) },
        { label: words.menu.pauseOpen, click: () => actions.pause(null) },
      ],
    },
  ];
}

function timeOfDay(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** Names come from servers and apps: one line, bounded, and an ampersand is a letter, not an access key. */
function label(text: string, longest = LONGEST_LABEL): string {
  const line = text.replace(/\p{C}+/gu, ' ').trim();
  const characters = Array.from(line);
  const cut = characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : line;
  return cut.replaceAll('&', '&&');
}
