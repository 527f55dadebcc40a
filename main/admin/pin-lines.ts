import type { PinnedServer, PinReport } from './pin.ts';
import { type Family, type FamilyChanges, NOUNS } from './record-pins.ts';

/** What `pin` prints: how much of each server is pinned, and what changed since the last time. */
export function pinLines({ pinned }: PinReport): readonly string[] {
  if (pinned.length === 0) return ['There is no server to pin. Add one with "gatehouse-admin server add".'];
  return pinned.flatMap((server) => {
    const { prompts, resourceTemplates } = server;
    const counts = { tools: server.tools, prompts: prompts.count, resourceTemplates: resourceTemplates.count };
    const lines = [
      ...familyLines('', toolChanges(server)),
      ...familyLines('prompt ', prompts),
      ...familyLines('resource template ', resourceTemplates),
      ...resourceLines(server),
      ...(server.capabilitiesChanged === ''
        ? []
        : ['  ~ what it declares it can do', ...indented(server.capabilitiesChanged)]),
      ...(server.instructionsChanged ? ['  ~ its instructions to the AI'] : []),
    ];
    return [`${server.alias}: ${countPins(counts)} pinned${lines.length === 0 ? ', nothing changed' : ''}`, ...lines];
  });
}

const toolChanges = ({ added, removed, changed }: PinnedServer): FamilyChanges => ({
  added,
  removed,
  changed: changed.map(({ tool, changes }) => ({ name: tool, changes })),
});

function familyLines(prefix: string, { added, removed, changed }: FamilyChanges): readonly string[] {
  return [
    ...added.map((name) => `  + ${prefix}${name}`),
    ...removed.map((name) => `  - ${prefix}${name}`),
    ...changed.flatMap(({ name, changes }) => [`  ~ ${prefix}${name}`, ...indented(changes)]),
  ];
}

function resourceLines({ resources: { now, before } }: PinnedServer): readonly string[] {
  if (now === before) return [];
  return [now === 'as-shown' ? '  + its resources, as it shows them' : '  - its resources: it declares none'];
}

const indented = (text: string) => text.split('\n').map((line) => `      ${line}`);

/** "3 tools, 1 prompt": tools always, the other families where there are any. */
export function countPins(counts: Readonly<Record<Family, number>>, adjective = ''): string {
  return (['tools', 'prompts', 'resourceTemplates'] as const)
    .filter((family) => family === 'tools' || counts[family] > 0)
    .map((family) => counted(counts[family], `${adjective}${NOUNS[family]}`))
    .join(', ');
}

export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
