import { setImmediate } from 'node:timers/promises';
import type { TokensSavedView } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import { sha256Hex } from '../policy/canonical.ts';
import { decide, type PolicySnapshot, userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';

/** Milliseconds of deciding at a stretch, so that calls and windows get their turn. */
const turnMs = 5;
/** Lists whose counts are kept; most apps see the same one. */
const keptCounts = 256;
/** Apps times profiles looked at. */
const mostPairs = 200;

type Parts = Pick<Rooms, 'apps' | 'ports' | 'offeredPolicy' | 'profileTools' | 'searchTools' | 'countTokens'>;

/**
 * What search keeps out of each conversation: for each app and each profile with search, the tokens of all tools this app would be shown there
 * beside those of the two that stand for them. Counted is what AI apps hand to a model: name, description and input schema.
 */
export function createTokensView(rooms: Parts): () => Promise<TokensSavedView[]> {
  const counts = new Map<string, number>();
  let last: Promise<unknown> = Promise.resolve();

  const view = async (): Promise<TokensSavedView[]> => {
    const snapshot = rooms.offeredPolicy();
    const profiles = snapshot?.document.profiles.filter(({ search }) => search) ?? [];
    if (snapshot === undefined || profiles.length === 0) return [];
    const search = listText(rooms.searchTools().map((text) => JSON.parse(text) as JsonObject));
    const pairs: { app: string; profile: (typeof profiles)[number]; tools: number; text: string }[] = [];
    for (const app of rooms.apps.list()) {
      for (const profile of profiles) {
        if (pairs.length >= mostPairs) break;
        const seen = await toolsOf(rooms, snapshot, app.name, profile.name);
        if (seen.length > 0) pairs.push({ app: app.id, profile, tools: seen.length, text: listText(seen) });
      }
    }
    if (pairs.length === 0) return [];
    const tokens = await count([search, ...pairs.map(({ text }) => text)]);
    const searchTokens = tokens[0] ?? 0;
    return pairs.map(({ app, profile, tools }, at) => ({
      app,
      profile: profile.name,
      title: profile.title,
      tools,
      listTokens: tokens[at + 1] ?? 0,
      searchTokens,
    }));
  };

  const count = async (texts: readonly string[]): Promise<readonly number[]> => {
    const keys = texts.map(sha256Hex);
    const fresh = new Map(keys.flatMap((key, at) => (counts.has(key) ? [] : [[key, texts[at] ?? ''] as const])));
    const found = fresh.size === 0 ? [] : await rooms.countTokens([...fresh.values()]);
    if (counts.size + fresh.size > keptCounts) counts.clear();
    const known = new Map(counts);
    for (const [at, key] of [...fresh.keys()].entries()) known.set(key, found[at] ?? 0);
    for (const key of keys) counts.set(key, known.get(key) ?? 0);
    return keys.map((key) => known.get(key) ?? 0);
  };

  // One after the other: a second window finds the first one's counts.
  return () => {
    const next = last.then(view, view);
    last = next;
    return next;
  };
}

async function toolsOf(
  rooms: Parts,
  snapshot: PolicySnapshot,
  app: string,
  profile: string,
): Promise<readonly JsonObject[]> {
  const user = userOf(snapshot, rooms.ports.account);
  const at = rooms.ports.clock.now();
  const seen: JsonObject[] = [];
  let since = performance.now();
  for (const { wireName, server, name, pin } of rooms.profileTools(snapshot, profile)) {
    const { effect } = decide(snapshot, {
      question: 'discover',
      user,
      app,
      profile,
      alias: server.alias,
      tool: name,
      at,
    });
    if (effect !== 'deny') seen.push({ ...pin.definition, name: wireName });
    if (performance.now() - since < turnMs) continue;
    await setImmediate();
    since = performance.now();
  }
  return seen;
}

function listText(tools: readonly JsonObject[]): string {
  return JSON.stringify(
    tools.map(({ name, description, inputSchema }) => ({
      name: name ?? '',
      description: typeof description === 'string' ? description : '',
      input_schema: isJsonObject(inputSchema) ? inputSchema : {},
    })),
  );
}
