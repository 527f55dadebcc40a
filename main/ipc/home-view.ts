import type { HomeView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import { viewCall } from './activity-view.ts';
import { startOfDay } from './answers.ts';
import { readStatus } from './status-view.ts';
import { readToolSets, titleOf } from './tools-view.ts';

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
  const title = (alias: string) => snapshot.manifest.servers.find((server) => server.alias === alias)?.title ?? alias;
  const organisation = snapshot.organisation;
  const held = rooms.gateway.heldBack();
  const othersWork = (alias: string) => {
    const server = snapshot.manifest.servers.find((one) => one.alias === alias);
    const changed = new Set(held.filter((one) => one.alias === alias).map(({ tool }) => tool));
    return Object.keys(server?.tools ?? {}).some((tool) => !changed.has(tool));
  };
  const waiting: HomeView['needs'] = rooms.approvals.pending().map((question) => ({
    kind: 'waiting',
    title: `${question.app} is waiting for your answer`,
    detail: `It wants to use ${titleOf(question.definition, question.tool)} in ${question.serverTitle}.`,
    page: 'approval',
    target: question.id,
  }));
  const changed: HomeView['needs'] = held
    .filter(({ state }) => state !== 'unpinned')
    .map(({ alias, tool, state }) => ({
      kind: 'changed',
      title: `${title(alias)} ${state === 'changed' ? `changed since ${organisation} approved it` : 'no longer offers an approved tool'}`,
      detail: `“${titleOf({}, tool)}” is held back until ${organisation} approves the change.${othersWork(alias) ? ` Everything else in ${title(alias)} still works.` : ''}`,
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
