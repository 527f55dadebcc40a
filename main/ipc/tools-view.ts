import type { ToolActionView, ToolSetView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { HeldBack } from '../gateway/gateway.ts';
import { type DecisionRequest, decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { ManifestServer, Pin } from '../policy/manifest.ts';

/** What a pinned tool can do, in the words of the specification's annotations and their defaults (Tool.annotations). */
export function riskOf(definition: JsonObject): ToolActionView['risk'] {
  const annotations = isJsonObject(definition.annotations) ? definition.annotations : {};
  if (annotations.readOnlyHint === true) return 'reads';
  return annotations.destructiveHint === false ? 'changes' : 'destroys';
}

/** A tool's own title, else its name made readable: "create_issue" → "Create issue". */
export function titleOf(definition: JsonObject, name: string): string {
  const annotations = isJsonObject(definition.annotations) ? definition.annotations : {};
  for (const title of [definition.title, annotations.title])
    if (typeof title === 'string' && title.trim()) return title;
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/[_\-.]+/g, ' ')
    .trim()
    .toLowerCase();
  return words ? words.charAt(0).toUpperCase() + words.slice(1) : name;
}

/** The catalogue as this person may see it, each tool with what the policy says before arguments are known. */
export function readToolSets(rooms: Rooms): ToolSetView[] {
  const policy = rooms.policy();
  if (!policy.ok) return [];
  const { snapshot } = policy;
  const statuses = new Map(rooms.backends.status().map((status) => [status.alias, status]));
  const held = rooms.gateway.heldBack();
  return snapshot.manifest.servers.map((server) => {
    const status = statuses.get(server.alias);
    const mine = held.filter(({ alias, kind }) => alias === server.alias && kind === undefined);
    const version = server.server.version;
    const description = server.server.description;
    const actions = Object.entries(server.tools)
      .map(([name, pin]) => readAction(rooms, snapshot, server, name, pin, mine))
      .filter((action) => action !== undefined);
    const unpinned = mine.filter(({ state }) => state === 'unpinned').map(unpinnedAction);
    return {
      alias: server.alias,
      title: server.title,
      description: typeof description === 'string' ? description : '',
      owner: server.owner,
      enabled: !rooms.switches.isOff(server.alias),
      state: server.state === 'revoked' ? 'revoked' : (status?.state ?? 'idle'),
      ...(status?.lastError ? { lastError: status.lastError } : {}),
      ...(status?.retryAt === undefined ? {} : { retryAt: status.retryAt }),
      ...(typeof version === 'string' ? { version } : {}),
      actions: [...actions, ...unpinned],
    };
  });
}

function readAction(
  rooms: Rooms,
  snapshot: PolicySnapshot,
  server: ManifestServer,
  tool: string,
  pin: Pin,
  held: readonly HeldBack[],
): ToolActionView | undefined {
  const user = userOf(snapshot, rooms.ports.account);
  // The app is not known yet: a rule about one app shows only when that app asks.
  const app = snapshot.document.apps.allowed.find((name) => name !== '*') ?? 'Gatehouse';
  const request = { user, app, alias: server.alias, tool, at: rooms.ports.clock.now() };
  const decided = previewDecision(snapshot, request);
  if (decided === undefined) return undefined;
  const mine = held.find((entry) => entry.tool === tool);
  const description = pin.definition.description;
  return {
    name: tool,
    title: titleOf(pin.definition, tool),
    description: typeof description === 'string' ? description : '',
    risk: riskOf(pin.definition),
    effect: decided.effect,
    reason: decided.reason,
    rules: decided.rules,
    state: mine?.state ?? 'approved',
    changes: mine ? mine.changes.map(({ path, before, after }) => ({ path, before, after })) : [],
  };
}

/** Undefined when the tool does not exist for this person. */
function previewDecision(
  snapshot: PolicySnapshot,
  request: Omit<DecisionRequest, 'question'>,
): Pick<ToolActionView, 'effect' | 'reason' | 'rules'> | undefined {
  if (decide(snapshot, { ...request, question: 'discover' }).effect === 'deny') return undefined;
  // No arguments are given: a rule that reads them says so.
  const { code, effect, reason, rules } = decide(snapshot, { ...request, question: 'call' });
  if (code === 'depends-on-arguments') return { effect: 'depends', reason, rules: [] };
  return { effect, reason, rules: rules.map((rule) => ({ ...rule })) };
}

function unpinnedAction(held: HeldBack): ToolActionView {
  return {
    name: held.tool,
    title: titleOf({}, held.tool),
    description: '',
    risk: 'changes',
    effect: 'hidden',
    reason: 'Your organisation has not approved this tool.',
    rules: [],
    state: 'unpinned',
    changes: [],
  };
}

/** One word per tool set for the tray menu: empty while all is well. */
export function toolSetWords(rooms: Rooms): { alias: string; title: string; enabled: boolean; word: string }[] {
  const policy = rooms.policy();
  if (!policy.ok) return [];
  const held = rooms.gateway.heldBack();
  const statuses = new Map(rooms.backends.status().map((status) => [status.alias, status.state]));
  return policy.snapshot.manifest.servers.map(({ alias, title, state }) => {
    const enabled = !rooms.switches.isOff(alias);
    const changed = held.some((entry) => entry.alias === alias && entry.state === 'changed');
    const running = statuses.get(alias);
    const word =
      state === 'revoked'
        ? 'Withdrawn'
        : changed
          ? 'Changed — held back'
          : running === 'failed' || running === 'backing-off'
            ? 'Not answering'
            : '';
    return { alias, title, enabled, word };
  });
}
