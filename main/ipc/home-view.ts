import type { HomeView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { ApprovalQuestion } from '../approvals/approvals.ts';
import type { HeldBack } from '../gateway/gateway.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import { viewCall } from './activity-view.ts';
import { startOfDay } from './answers.ts';
import { readStatus } from './status-view.ts';
import { titleIn, titleOf } from './titles.ts';
import { readToolSets } from './tools-view.ts';

const RECENT = 6;

/** Everything Home shows, in one answer. */
export function readHome(rooms: Rooms): HomeView {
  const since = startOfDay(rooms.ports.clock.now());
  const sets = readToolSets(rooms);
  return {
    status: readStatus(rooms),
    apps: rooms.apps.list().length,
    tools: sets
      .filter(({ enabled }) => enabled)
      .flatMap(({ actions }) => actions)
      .filter(({ effect, state }) => effect !== 'deny' && effect !== 'hidden' && state === 'approved').length,
    today: rooms.audit.reader.totals(since),
    hours: [...rooms.audit.reader.hourly(since)],
    needs: readNeeds(rooms),
    recent: rooms.audit.reader.calls({ limit: RECENT }).map((story) => viewCall(rooms, story)),
  };
}

function readNeeds(rooms: Rooms): HomeView['needs'] {
  const policy = rooms.policy();
  if (!policy.ok) return [];
  const { snapshot } = policy;
  const serverOf = (alias: string) => snapshot.manifest.servers.find((server) => server.alias === alias);
  const title = (alias: string) => serverOf(alias)?.title ?? alias;
  const organisation = snapshot.organisation;
  const held = rooms.gateway.heldBack();
  const othersWork = (alias: string) => {
    const server = serverOf(alias);
    return server !== undefined && hasOthers(server, held);
  };
  const waiting: HomeView['needs'] = rooms.approvals.pending().map((question) => ({
    kind: 'waiting',
    title: `${question.app} is waiting for your answer`,
    detail: wish(question),
    page: 'approval',
    target: question.id,
  }));
  const changed: HomeView['needs'] = held
    .filter(({ state }) => state !== 'unpinned')
    .map(({ alias, kind, tool, state }) => ({
      kind: 'changed',
      title: `${title(alias)} ${state === 'changed' ? `changed since ${organisation} approved it` : gone(kind)}`,
      detail: `${heldBack(kind, titleIn(serverOf(alias), kind, tool))} until ${organisation} approves the change.${othersWork(alias) ? ` Everything else in ${title(alias)} still works.` : ''}`,
      page: 'tools',
      target: alias,
    }));
  const failing: HomeView['needs'] = rooms.backends
    .status()
    .filter(({ state }) => state === 'failed' || state === 'backing-off')
    .map(({ alias, lastError }) => ({
      kind: 'backend',
      title: `${title(alias)} is not answering`,
      detail: lastError ?? 'It could not be started. Gatehouse tries again by itself.',
      page: 'tools',
      target: alias,
    }));
  return [...waiting, ...changed, ...failing];
}

function wish({ kind, definition, tool, serverTitle }: ApprovalQuestion): string {
  switch (kind) {
    case undefined:
      return `It wants to use ${titleOf(definition, tool)} in ${serverTitle}.`;
    case 'prompt':
      return `It wants to use the prompt ${titleOf(definition, tool)} of ${serverTitle}.`;
    case 'resource':
      return `It wants to read from ${serverTitle}: ${tool}`;
    default:
      return kind satisfies never;
  }
}

function gone(kind: HeldBack['kind']): string {
  switch (kind) {
    case undefined:
      return 'no longer offers an approved tool';
    case 'prompt':
      return 'no longer offers an approved prompt';
    case 'resource-template':
      return 'no longer offers something approved to read';
    default:
      return kind satisfies never;
  }
}

function heldBack(kind: HeldBack['kind'], title: string): string {
  switch (kind) {
    case undefined:
      return `“${title}” is held back`;
    case 'prompt':
      return `The prompt “${title}” is held back`;
    case 'resource-template':
      return `“${title}” cannot be read`;
    default:
      return kind satisfies never;
  }
}

/** Whether anything approved of this tool set is not held back. */
function hasOthers(server: ManifestServer, held: readonly HeldBack[]): boolean {
  const withheld = (kind: HeldBack['kind']) =>
    new Set(held.filter((one) => one.alias === server.alias && one.kind === kind).map(({ tool }) => tool));
  const families = [
    [withheld(undefined), server.tools],
    [withheld('prompt'), server.prompts],
    [withheld('resource-template'), server.resourceTemplates],
  ] as const;
  return families.some(([names, pins]) => Object.keys(pins).some((name) => !names.has(name)));
}
