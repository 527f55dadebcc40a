import type { CallDetailView, CallView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { AuditRow, CallStory } from '../audit/record.ts';
import { isJsonObject } from '../policy/json.ts';
import { titleOf } from './tools-view.ts';

/** One recorded call in the window's words. Titles come from the policy in force; a tool no longer approved keeps its name. */
export function viewCall(rooms: Rooms, story: CallStory): CallView {
  const { facts } = story;
  const policy = rooms.policy();
  const server = policy.ok ? policy.snapshot.manifest.servers.find(({ alias }) => alias === facts.alias) : undefined;
  const pin = server && Object.hasOwn(server.tools, facts.tool) ? server.tools[facts.tool] : undefined;
  return {
    seq: story.seq,
    callId: story.callId,
    at: story.at,
    app: facts.app,
    user: facts.user,
    alias: facts.alias,
    serverTitle: server?.title ?? facts.alias,
    tool: facts.tool,
    toolTitle: titleOf(pin?.definition ?? {}, facts.tool),
    status: story.status,
    effect: facts.effect,
    ...(story.outcome ? { outcome: story.outcome } : {}),
    ...(story.refusal ? { refusal: story.refusal } : {}),
    ...(story.approval ? { approval: story.approval } : {}),
    ...(story.message ? { message: story.message } : {}),
    ...(story.durationMs === undefined ? {} : { durationMs: story.durationMs }),
  };
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
    chain: rows.map(({ seq, at, kind, hash, prev }) => ({ seq, at, kind, hash, prev })),
  };
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
