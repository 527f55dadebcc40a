import type { CallDetailView, CallView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { AuditRow, CallFacts, CallStory } from '../audit/record.ts';
import { isJsonObject } from '../policy/json.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import { titleIn } from './titles.ts';

const acts = {
  'resources/read': 'read',
  'resources/subscribe': 'watch',
  'prompts/get': 'prompt',
  'completion/complete': 'suggest',
  'tasks/get': 'check',
  'tasks/result': 'collect',
  'tasks/update': 'answer',
  'tasks/cancel': 'stop',
} as const satisfies Record<NonNullable<CallFacts['method']>, CallView['act']>;

/** One recorded call in the window's words. Titles come from the policy in force; a tool no longer approved keeps its name. */
export function viewCall(rooms: Rooms, story: CallStory): CallView {
  const { facts } = story;
  const policy = rooms.policy();
  const server = policy.ok ? policy.snapshot.manifest.servers.find(({ alias }) => alias === facts.alias) : undefined;
  // A record that a newer Gatehouse wrote may say more than this one knows.
  const act = facts.method !== undefined && Object.hasOwn(acts, facts.method) ? acts[facts.method] : 'use';
  return {
    seq: story.seq,
    callId: story.callId,
    at: story.at,
    app: facts.app,
    user: facts.user,
    alias: facts.alias,
    serverTitle: server?.title ?? facts.alias,
    act,
    tool: facts.tool,
    toolTitle: titleFor(server, act, facts.tool),
    status: story.status,
    effect: facts.effect,
    ...(story.outcome ? { outcome: story.outcome } : {}),
    ...(story.refusal ? { refusal: story.refusal } : {}),
    ...(story.approval ? { approval: story.approval } : {}),
    ...(story.message ? { message: story.message } : {}),
    ...(story.durationMs === undefined ? {} : { durationMs: story.durationMs }),
  };
}

/** An address is shown as it is: made readable it would be another one. */
function titleFor(server: ManifestServer | undefined, act: CallView['act'], name: string): string {
  switch (act) {
    case 'read':
    case 'watch':
      return name;
    case 'prompt':
      return titleIn(server, 'prompt', name);
    case 'suggest':
      // Suggestions are for a prompt or for an address, and the record says only its name.
      return titleIn(server, server && Object.hasOwn(server.prompts, name) ? 'prompt' : 'resource-template', name);
    case 'use':
    case 'check':
    case 'collect':
    case 'answer':
    case 'stop':
      return titleIn(server, undefined, name);
    default:
      return act satisfies never;
  }
}

/** The whole story of one call, with its places in the chain. */
export function viewCallDetail(
  rooms: Rooms,
  { story, rows }: { story: CallStory; rows: readonly AuditRow[] },
): CallDetailView {
  const { facts } = story;
  return {
    ...viewCall(rooms, story),
    rules: facts.rules.map(({ id, reason }) => (reason === undefined ? { id } : { id, reason })),
    reason: facts.reason,
    era: facts.era,
    policyVersion: facts.policyVersion,
    policyDigest: facts.policyDigest,
    argumentsDigest: facts.argumentsDigest,
    ...(facts.profile ? { profile: facts.profile } : {}),
    ...(facts.definition ? { definition: facts.definition } : {}),
    ...(facts.arguments === undefined ? {} : { argumentsText: sentText(facts.arguments, facts.extra) }),
    ...(story.result === undefined ? {} : { resultText: indentJson(story.result) }),
    asked: rows.filter(({ kind }) => kind === 'call.input').map(viewInput),
    chain: rows.map(({ seq, at, kind, hash, prev }) => ({ seq, at, kind, hash, prev })),
  };
}

type Asked = CallDetailView['asked'][number];

const askedFor: Readonly<Record<string, Asked['what']>> = {
  'elicitation/create': 'person',
  'sampling/createMessage': 'model',
  'roots/list': 'folders',
};

/** What the tool set asked the app in the middle of the call. */
function viewInput({ seq, at, body }: AuditRow): Asked {
  const { method, answer } = partsOf(body);
  const what = typeof method === 'string' && Object.hasOwn(askedFor, method) ? askedFor[method] : undefined;
  return { seq, at, what: what ?? 'other', answer: typeof answer === 'string' ? answer : '' };
}

function partsOf(body: string): { readonly method?: unknown; readonly answer?: unknown } {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? value : {};
  } catch {
    // Changed on the disk, which verifying the record tells: the rest of the story is still shown.
    return {};
  }
}

/** What was sent: the arguments, and, where an app sent more than those, everything under its own name. */
function sentText(args: string, extra: string | undefined): string {
  return indentJson(extra === undefined ? args : `{"arguments":${args},"beside":${extra}}`);
}

function indentJson(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Shown as it was recorded: one odd text must not hide the rest of the story.
    return text;
  }
  return isJsonObject(value) || Array.isArray(value) ? JSON.stringify(value, null, 2) : text;
}
