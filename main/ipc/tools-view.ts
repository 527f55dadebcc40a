import type { OfferView, ToolActionView, ToolSetView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { HeldBack } from '../gateway/gateway.ts';
import { type DecisionRequest, decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { ManifestServer, Pin } from '../policy/manifest.ts';
import { titleIn } from './titles.ts';

/** What a pinned tool can do, in the words of the specification's annotations and their defaults (Tool.annotations). */
export function riskOf(definition: JsonObject): ToolActionView['risk'] {
  const annotations = isJsonObject(definition.annotations) ? definition.annotations : {};
  if (annotations.readOnlyHint === true) return 'reads';
  return annotations.destructiveHint === false ? 'changes' : 'destroys';
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
    const look: Look = { rooms, snapshot, server, held: held.filter(({ alias }) => alias === server.alias) };
    const version = server.server.version;
    const description = server.server.description;
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
      actions: readOffers(look, undefined, server.tools).map((offer) => ({ ...offer, risk: riskIn(server, offer) })),
      prompts: readOffers(look, 'prompt', server.prompts),
      templates: readOffers(look, 'resource-template', server.resourceTemplates),
    };
  });
}

/** One tool set as it is looked at now. */
interface Look {
  readonly rooms: Rooms;
  readonly snapshot: PolicySnapshot;
  readonly server: ManifestServer;
  /** What is held back of this tool set. */
  readonly held: readonly HeldBack[];
}

/** What of one kind was approved and exists for this person, then what is new and was not. */
function readOffers(look: Look, kind: HeldBack['kind'], pins: Readonly<Record<string, Pin>>): OfferView[] {
  const held = look.held.filter((entry) => entry.kind === kind);
  const approved = Object.entries(pins)
    .map(([name, pin]) => readOffer(look, kind, name, pin, held))
    .filter((offer) => offer !== undefined);
  const unpinned = held.filter(({ state }) => state === 'unpinned').map(({ tool }) => unpinnedOffer(kind, tool));
  return [...approved, ...unpinned];
}

function readOffer(
  { rooms, snapshot, server }: Look,
  kind: HeldBack['kind'],
  name: string,
  pin: Pin,
  held: readonly HeldBack[],
): OfferView | undefined {
  const user = userOf(snapshot, rooms.ports.account);
  // The app is not known yet: a rule about one app shows only when that app asks.
  const app = snapshot.document.apps.allowed.find((name) => name !== '*') ?? 'Gatehouse';
  const request = { user, app, alias: server.alias, ...subjectOf(kind, name), at: rooms.ports.clock.now() };
  const decided = previewDecision(snapshot, request);
  if (decided === undefined) return undefined;
  const mine = held.find((entry) => entry.tool === name);
  const description = pin.definition.description;
  return {
    name,
    title: titleIn(server, kind, name),
    description: typeof description === 'string' ? description : '',
    effect: decided.effect,
    reason: decided.reason,
    rules: decided.rules,
    state: mine?.state ?? 'approved',
    changes: mine ? mine.changes.map(({ path, before, after }) => ({ path, before, after })) : [],
  };
}

/** What the policy is asked about. What can be read is decided by tool set; the address is an argument. */
function subjectOf(kind: HeldBack['kind'], name: string): Pick<DecisionRequest, 'kind' | 'tool'> {
  switch (kind) {
    case undefined:
      return { tool: name };
    case 'prompt':
      return { kind: 'prompt', tool: name };
    case 'resource-template':
      return { kind: 'resource', tool: '' };
    default:
      return kind satisfies never;
  }
}

/** Of a tool nobody approved nothing is known; it says nothing that could be believed. */
function riskIn(server: ManifestServer, { name, state }: OfferView): ToolActionView['risk'] {
  const pin = state !== 'unpinned' && Object.hasOwn(server.tools, name) ? server.tools[name] : undefined;
  return pin ? riskOf(pin.definition) : 'changes';
}

/** Undefined when it does not exist for this person. */
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

function unpinnedOffer(kind: HeldBack['kind'], name: string): OfferView {
  return {
    name,
    title: titleIn(undefined, kind, name),
    description: '',
    effect: 'hidden',
    reason: `Your organisation has not approved this ${kind === undefined ? 'tool' : kind === 'prompt' ? 'prompt' : 'address'}.`,
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
