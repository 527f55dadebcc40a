import type { BackendSession, Backends } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import {
  comparePrompts,
  compareTemplates,
  compareTools,
  type Manifest,
  type ManifestServer,
  type PinVerdict,
} from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { failureCode } from './failure.ts';
import type { HeldBackTools, PinnedKind } from './held-back.ts';
import { houseKey, openHouseSession } from './house-session.ts';
import { boundVerdicts } from './shown-definition.ts';

/** What a server can be looked at for. Resources come and go: what is shown of them is compared with nothing. */
export type SightKind = PinnedKind | 'resources';
const sightKinds: readonly SightKind[] = ['tools', 'prompts', 'resourceTemplates', 'resources'];

/** How old what a backend showed may be for a list: lists carry the pinned definitions, whatever it shows since. */
const listMaxAgeMs = 10_000;
/** No cached answer is young enough. */
const askAnew = -1;
/** How long one list waits for backends that are still starting. */
const listWaitMs = 3_000;
/** How long one look may take in all. */
const lookTimeoutMs = 60_000;
/** A backend that just failed is not tried again by the next list. */
const failurePauseMs = 3_000;

/** Everything known about one list of one backend, as the house sees it. */
interface Sight {
  /** How the server is started, and which version: another one must be looked at anew. */
  readonly launch: string;
  shown?: readonly JsonObject[];
  seenAt: number;
  /** When the last look failed; 0 once one has succeeded. */
  failedAt: number;
  looking?: { readonly since: number; readonly done: Promise<void> };
  /** A list went out without this: callers are told when it arrives. */
  awaited: boolean;
}

export interface Comparison {
  readonly verdicts: ReadonlyMap<string, PinVerdict>;
  /** Nothing shown differs from what is pinned, and nothing pinned is missing. */
  readonly clean: boolean;
}

/** One list of one server. */
export interface Look {
  readonly server: ManifestServer;
  readonly kind: SightKind;
}

/** What backends show to the house, looked at when somebody needs to know, and compared with the pins. */
export class Sights {
  readonly #backends: Backends;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held: HeldBackTools;
  readonly #onChange: (look: Look, tell: boolean) => void;
  readonly #sights = new Map<string, Sight>();
  readonly #comparisons = new WeakMap<readonly JsonObject[], WeakMap<ManifestServer, Map<PinnedKind, Comparison>>>();

  /** `onChange`: what lists of this server and kind rest on is another now; `tell` where callers may hold an older one. */
  constructor(parts: {
    readonly backends: Backends;
    readonly clock: Clock;
    readonly log: Log;
    readonly held: HeldBackTools;
    readonly onChange: (look: Look, tell: boolean) => void;
  }) {
    this.#backends = parts.backends;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#held = parts.held;
    this.#onChange = parts.onChange;
  }

  /** What the house last saw; undefined when it has not looked yet. */
  shown({ server, kind }: Look): readonly JsonObject[] | undefined {
    return this.#sights.get(keyOf(server.alias, kind))?.shown;
  }

  /** What the house last saw of one definition; undefined when it has not looked yet. */
  verdict(server: ManifestServer, kind: PinnedKind, name: string): PinVerdict | undefined {
    return this.comparison(server, kind)?.verdicts.get(name);
  }

  /** What the house last saw; undefined when it has not looked yet. */
  comparison(server: ManifestServer, kind: PinnedKind): Comparison | undefined {
    const shown = this.shown({ server, kind });
    return shown === undefined ? undefined : this.compare(server, kind, shown);
  }

  isFresh({ server, kind }: Look): boolean {
    const sight = this.#sights.get(keyOf(server.alias, kind));
    if (sight?.shown === undefined || sight.launch !== launchOf(server)) return false;
    const age = this.#clock.now() - sight.seenAt;
    return age >= 0 && age < listMaxAgeMs;
  }

  /** Looks where what is known is not fresh; waits at most three seconds, then notes for whom it could not wait. */
  async lookAtAll(looks: readonly Look[]): Promise<void> {
    await this.#lookAndWait(looks.filter((look) => !this.isFresh(look)));
    for (const look of looks) {
      const sight = this.#sightOf(look);
      if (sight.shown === undefined) sight.awaited = true;
    }
  }

  async #lookAndWait(looks: readonly Look[]): Promise<void> {
    const now = Date.now();
    let wait = 0;
    const under: Promise<void>[] = [];
    for (const look of looks) {
      const sight = this.#sightOf(look);
      if (now - sight.failedAt < failurePauseMs) continue;
      under.push(this.look(look));
      // Waited for once, counted from when the look began: a server that hangs or fails does not hold up every list.
      const began = sight.looking?.since ?? now;
      if (sight.failedAt === 0) wait = Math.max(wait, began + listWaitMs - now);
    }
    if (wait <= 0) return;
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, wait);
    });
    await Promise.race([Promise.all(under), timeUp]);
    clearTimeout(timer);
  }

  /** Looks now; coalesced with a look under way. Resolves when it is known or has failed, never rejects. */
  look(look: Look): Promise<void> {
    const sight = this.#sightOf(look);
    if (sight.looking !== undefined) return sight.looking.done;
    const done = this.#lookNow(look, sight).finally(() => {
      delete sight.looking;
    });
    sight.looking = { since: Date.now(), done };
    return done;
  }

  /** A backend said that what it lists changed: what was seen of it is looked at again. Resolves when that is done, never rejects. */
  async changed(look: Look): Promise<void> {
    const sight = this.#sightOf(look);
    if (sight.shown === undefined) return;
    sight.seenAt = 0;
    await this.look(look);
  }

  /** A backend is up: what a list went out without is looked at now. */
  cameUp(server: ManifestServer): void {
    for (const kind of sightKinds) {
      const sight = this.#sights.get(keyOf(server.alias, kind));
      if (sight?.awaited === true && sight.shown === undefined) void this.look({ server, kind });
    }
  }

  /** A new policy: what was seen of servers that are gone, or started differently now, is forgotten. */
  policyChanged(manifest: Manifest): void {
    this.#held.keepOnly(houseKey);
    const servers = new Map(manifest.servers.map((server) => [server.alias, server]));
    for (const key of [...this.#sights.keys()]) {
      const [kind, alias] = partsOf(key);
      const server = servers.get(alias);
      if (server === undefined || server.state === 'revoked') {
        this.#sights.delete(key);
        this.#held.forgetAlias(alias);
        continue;
      }
      const { shown } = this.#sightOf({ server, kind });
      if (kind === 'resources') continue;
      if (shown === undefined) this.#held.forget(alias, kind, houseKey);
      else this.#held.note(alias, kind, houseKey, this.compare(server, kind, shown).verdicts);
    }
  }

  async #lookNow(look: Look, sight: Sight): Promise<void> {
    const { alias } = look.server;
    try {
      const signal = AbortSignal.timeout(lookTimeoutMs);
      const session: BackendSession = await openHouseSession(this.#backends, alias, signal);
      this.#takeUp(look, sight, await session.list(look.kind, askAnew, signal));
    } catch (error) {
      sight.failedAt = Date.now();
      this.#log.warn('backend-not-seen', { alias, kind: look.kind, code: failureCode(error), error: String(error) });
    }
  }

  #takeUp({ server, kind }: Look, sight: Sight, shown: readonly JsonObject[]): void {
    if (this.#sights.get(keyOf(server.alias, kind)) !== sight) return;
    const before = sight.shown;
    sight.shown = shown;
    sight.seenAt = this.#clock.now();
    sight.failedAt = 0;
    if (kind !== 'resources') {
      const after = this.compare(server, kind, shown).verdicts;
      this.#held.note(server.alias, kind, houseKey, after);
      if (before !== undefined && sameApproved(this.compare(server, kind, before).verdicts, after)) return;
    } else if (before === shown) return;
    const tell = before !== undefined || sight.awaited;
    sight.awaited = false;
    this.#onChange({ server, kind }, tell);
  }

  #sightOf({ server, kind }: Look): Sight {
    const key = keyOf(server.alias, kind);
    const known = this.#sights.get(key);
    const launch = launchOf(server);
    if (known !== undefined && known.launch === launch) return known;
    const fresh: Sight = { launch, seenAt: 0, failedAt: 0, awaited: known?.awaited ?? false };
    this.#sights.set(key, fresh);
    return fresh;
  }

  /** Comparing hashes every definition, so it is done once per answer of a backend and per pinned server. */
  compare(server: ManifestServer, kind: PinnedKind, shown: readonly JsonObject[]): Comparison {
    const perServer = this.#comparisons.get(shown) ?? new WeakMap<ManifestServer, Map<PinnedKind, Comparison>>();
    this.#comparisons.set(shown, perServer);
    const perKind = perServer.get(server) ?? new Map<PinnedKind, Comparison>();
    perServer.set(server, perKind);
    const known = perKind.get(kind);
    if (known !== undefined) return known;
    const verdicts = boundVerdicts(verdictsOn(server, kind, shown));
    const clean = [...verdicts.values()].every((verdict) => verdict.state === 'approved');
    const comparison: Comparison = { verdicts, clean };
    perKind.set(kind, comparison);
    return comparison;
  }
}

function verdictsOn(server: ManifestServer, kind: PinnedKind, shown: readonly JsonObject[]) {
  switch (kind) {
    case 'tools':
      return compareTools(server, shown);
    case 'prompts':
      return comparePrompts(server, shown);
    case 'resourceTemplates':
      return compareTemplates(server, shown);
    default:
      return kind satisfies never;
  }
}

function keyOf(alias: string, kind: SightKind): string {
  return `${kind} ${alias}`;
}

function partsOf(key: string): readonly [SightKind, string] {
  const space = key.indexOf(' ');
  return [key.slice(0, space) as SightKind, key.slice(space + 1)];
}

const launches = new WeakMap<ManifestServer, string>();

function launchOf(server: ManifestServer): string {
  const known =
    launches.get(server) ?? JSON.stringify([server.launch, server.server.name ?? '', server.server.version ?? '']);
  launches.set(server, known);
  return known;
}

/** Whether the same definitions are approved: what a list shows of them is the pin, so nothing else can make a difference. */
function sameApproved(before: ReadonlyMap<string, PinVerdict>, after: ReadonlyMap<string, PinVerdict>): boolean {
  return before === after || approvedNames(before) === approvedNames(after);
}

function approvedNames(verdicts: ReadonlyMap<string, PinVerdict>): string {
  const names: string[] = [];
  for (const [name, verdict] of verdicts) if (verdict.state === 'approved') names.push(name);
  return names.sort().join('\0');
}
