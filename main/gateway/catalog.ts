import type { BackendSession, Backends } from '../backends/backends.ts';
import { decide, type PolicySnapshot, type User } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import { compareTools, type Manifest, type ManifestServer, type PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { type Endpoint, endpointKey } from './admit.ts';
import { failureCode } from './failure.ts';
import type { HeldBackTools } from './held-back.ts';
import { type NamedTool, nameTable } from './names.ts';
import { boundVerdicts } from './shown-definition.ts';

/** Whose list: everything a list depends on. */
export interface View {
  readonly snapshot: PolicySnapshot;
  readonly user: User;
  readonly app: string;
  readonly endpoint: Endpoint;
}

/** The house's own session with each backend, for looking only. */
export const houseKey = 'gatehouse';

/** How old what a backend showed may be for a list: lists carry the pinned definitions, whatever it shows since. */
const listMaxAgeMs = 10_000;
/** How old it may be for a call: a change nobody announced is found within a second, at one look a second. */
const callMaxAgeMs = 1_000;
/** No cached answer is young enough. */
const askAnew = -1;
/** How long one list waits for backends that are still starting. */
const listWaitMs = 3_000;
/** How long one look may take in all. */
const lookTimeoutMs = 60_000;
/** A backend that just failed is not tried again by the next list. */
const failurePauseMs = 3_000;
/** Decisions may depend on the time of day; a prepared list is not kept longer than this. */
const preparedMaxAgeMs = 30_000;
const preparedLimit = 128;

/** Everything known about what one backend shows to the house. */
interface Sight {
  /** How the server is started, and which version: another one must be looked at anew. */
  readonly launch: string;
  shown?: readonly JsonObject[];
  seenAt: number;
  /** When the last look failed; 0 once one has succeeded. */
  failedAt: number;
  looking?: { readonly since: number; readonly done: Promise<void> };
  /** A list went out without this backend's tools: callers are told when they arrive. */
  awaited: boolean;
}

interface Prepared {
  readonly manifest: Manifest;
  readonly generation: number;
  readonly at: number;
  /** The servers this list rests on. */
  readonly servers: readonly ManifestServer[];
  readonly tools: readonly string[];
}

interface Comparison {
  readonly verdicts: ReadonlyMap<string, PinVerdict>;
  readonly clean: boolean;
}

/**
 * What each caller sees. A tool is listed when the policy lets this caller discover it AND its backend, looked at since
 * this gateway started, shows exactly the pinned definition. Nothing is listed on trust: a backend that could not be
 * looked at yet is left out, waited for at most three seconds, and announced with list_changed when it arrives. One
 * that was seen and is down now stays listed by its last sight; each call looks again through its own session.
 */
export class Catalog {
  readonly #backends: Backends;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held: HeldBackTools;
  readonly #announce: () => void;
  readonly #sights = new Map<string, Sight>();
  readonly #prepared = new Map<string, Prepared>();
  readonly #comparisons = new WeakMap<readonly JsonObject[], WeakMap<ManifestServer, Comparison>>();
  #generation = 0;

  constructor(parts: {
    readonly backends: Backends;
    readonly clock: Clock;
    readonly log: Log;
    readonly held: HeldBackTools;
    readonly announce: () => void;
  }) {
    this.#backends = parts.backends;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#held = parts.held;
    this.#announce = parts.announce;
  }

  /** The JSON texts of the tools this caller sees, in manifest order, then pin order. */
  async list(view: View): Promise<readonly string[]> {
    const { manifest } = view.snapshot;
    const key = `${view.snapshot.digest}\0${view.user.id}\0${view.app}\0${endpointKey(view.endpoint)}`;
    const ready = this.#readyList(key, manifest);
    if (ready !== undefined) return ready;

    const visible = this.#discoverable(view);
    const wanted = [...new Set(visible.map((tool) => tool.server))];
    await this.#lookAtAll(wanted.filter((server) => !this.#isFresh(server)));
    for (const server of wanted) if (this.#sightOf(server).shown === undefined) this.#sightOf(server).awaited = true;

    const tools: string[] = [];
    for (const tool of visible) {
      if (this.verdict(tool.server, tool.tool)?.state !== 'approved') continue;
      tools.push(JSON.stringify({ ...tool.pin.definition, name: tool.wireName }));
    }
    if (this.#prepared.size >= preparedLimit) this.#prepared.clear();
    this.#prepared.set(key, { manifest, generation: this.#generation, at: this.#clock.now(), servers: wanted, tools });
    return tools;
  }

  #readyList(key: string, manifest: Manifest): readonly string[] | undefined {
    const known = this.#prepared.get(key);
    if (known === undefined || known.manifest !== manifest || known.generation !== this.#generation) return undefined;
    const age = this.#clock.now() - known.at;
    if (age < 0 || age >= preparedMaxAgeMs) return undefined;
    return known.servers.every((server) => this.#isFresh(server)) ? known.tools : undefined;
  }

  #discoverable(view: View): readonly NamedTool[] {
    const at = this.#clock.now();
    const visible: NamedTool[] = [];
    for (const tool of nameTable(view.snapshot.manifest, view.endpoint).values()) {
      const decision = decide(view.snapshot, {
        question: 'discover',
        user: view.user,
        app: view.app,
        ...(view.endpoint.kind === 'profile' && { profile: view.endpoint.profile }),
        alias: tool.server.alias,
        tool: tool.tool,
        at,
      });
      if (decision.effect !== 'deny') visible.push(tool);
    }
    return visible;
  }

  /** What the house last saw of one tool; undefined when its backend was not seen yet. */
  verdict(server: ManifestServer, tool: string): PinVerdict | undefined {
    const shown = this.#sights.get(server.alias)?.shown;
    return shown === undefined ? undefined : this.#compare(server, shown).verdicts.get(tool);
  }

  /** What the session that is to carry a call shows of its tool now. Rejects with BackendFailure. */
  async verdictOf(
    session: BackendSession,
    server: ManifestServer,
    tool: string,
    source: string,
    signal: AbortSignal,
  ): Promise<PinVerdict | undefined> {
    const shown = await session.tools(callMaxAgeMs, signal);
    const comparison = this.#compare(server, shown);
    const verdict = comparison.verdicts.get(tool);
    // Where nothing differs and nothing did, nothing has to be noted: that is nearly every call.
    if (!comparison.clean || this.#held.holds(server.alias, source)) {
      this.#held.note(server.alias, source, comparison.verdicts);
    }
    // What one session shows the house should see too, and every list with it.
    if (verdict?.state !== 'approved') void this.look(server);
    return verdict;
  }

  /** Looks at one backend now; coalesced with a look under way. Resolves when it is known or has failed, never rejects. */
  look(server: ManifestServer): Promise<void> {
    const sight = this.#sightOf(server);
    if (sight.looking !== undefined) return sight.looking.done;
    const done = this.#lookNow(server, sight).finally(() => {
      delete sight.looking;
    });
    sight.looking = { since: Date.now(), done };
    return done;
  }

  /** A backend said its tools changed: those already seen are looked at again. */
  toolsChanged(server: ManifestServer): void {
    const sight = this.#sightOf(server);
    if (sight.shown === undefined) return;
    sight.seenAt = 0;
    void this.look(server);
  }

  /** A backend is up: if a list went out without it, it is looked at now. */
  cameUp(server: ManifestServer): void {
    const sight = this.#sightOf(server);
    if (sight.awaited && sight.shown === undefined) void this.look(server);
  }

  /** A new policy: what was seen of servers that are gone, or started differently now, is forgotten. */
  policyChanged(manifest: Manifest | undefined): void {
    this.#generation++;
    this.#prepared.clear();
    // A pause, or a policy that ran out, changes nothing about what servers show.
    if (manifest === undefined) return;
    this.#held.keepOnly(houseKey);
    for (const alias of [...this.#sights.keys()]) {
      const server = manifest.servers.find((each) => each.alias === alias && each.state !== 'revoked');
      if (server === undefined) {
        this.#sights.delete(alias);
        this.#held.forgetAlias(alias);
        continue;
      }
      const { shown } = this.#sightOf(server);
      if (shown === undefined) this.#held.forgetAlias(alias);
      else this.#held.note(alias, houseKey, this.#compare(server, shown).verdicts);
    }
  }

  async #lookAtAll(servers: readonly ManifestServer[]): Promise<void> {
    const now = Date.now();
    let wait = 0;
    const looks: Promise<void>[] = [];
    for (const server of servers) {
      const sight = this.#sightOf(server);
      if (now - sight.failedAt < failurePauseMs) continue;
      looks.push(this.look(server));
      // Waited for once, counted from when the look began: a server that hangs or fails does not hold up every list.
      const began = sight.looking?.since ?? now;
      if (sight.failedAt === 0) wait = Math.max(wait, began + listWaitMs - now);
    }
    if (wait <= 0) return;
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, wait);
    });
    await Promise.race([Promise.all(looks), timeUp]);
    clearTimeout(timer);
  }

  async #lookNow(server: ManifestServer, sight: Sight): Promise<void> {
    try {
      const signal = AbortSignal.timeout(lookTimeoutMs);
      const session = await this.#backends.open(server.alias, houseKey, signal);
      this.#takeUp(server, sight, await session.tools(askAnew, signal));
    } catch (error) {
      sight.failedAt = Date.now();
      this.#log.warn('backend-not-seen', { alias: server.alias, code: failureCode(error), error: String(error) });
    }
  }

  #takeUp(server: ManifestServer, sight: Sight, shown: readonly JsonObject[]): void {
    if (this.#sights.get(server.alias) !== sight) return;
    const before = sight.shown === undefined ? undefined : this.#compare(server, sight.shown).verdicts;
    const after = this.#compare(server, shown).verdicts;
    sight.shown = shown;
    sight.seenAt = this.#clock.now();
    sight.failedAt = 0;
    this.#held.note(server.alias, houseKey, after);
    if (before !== undefined && sameApproved(before, after)) return;
    this.#generation++;
    const tell = before !== undefined || sight.awaited;
    sight.awaited = false;
    if (tell) this.#announce();
  }

  #isFresh(server: ManifestServer): boolean {
    const sight = this.#sights.get(server.alias);
    if (sight?.shown === undefined || sight.launch !== launchOf(server)) return false;
    const age = this.#clock.now() - sight.seenAt;
    return age >= 0 && age < listMaxAgeMs;
  }

  #sightOf(server: ManifestServer): Sight {
    const known = this.#sights.get(server.alias);
    const launch = launchOf(server);
    if (known !== undefined && known.launch === launch) return known;
    const fresh: Sight = { launch, seenAt: 0, failedAt: 0, awaited: known?.awaited ?? false };
    this.#sights.set(server.alias, fresh);
    return fresh;
  }

  /** Comparing hashes every definition, so it is done once per answer of a backend and per pinned server. */
  #compare(server: ManifestServer, shown: readonly JsonObject[]): Comparison {
    const perServer = this.#comparisons.get(shown) ?? new WeakMap<ManifestServer, Comparison>();
    this.#comparisons.set(shown, perServer);
    const known = perServer.get(server);
    if (known !== undefined) return known;
    const verdicts = boundVerdicts(compareTools(server, shown));
    const clean = [...verdicts.values()].every((verdict) => verdict.state === 'approved');
    const comparison: Comparison = { verdicts, clean };
    perServer.set(server, comparison);
    return comparison;
  }
}

const launches = new WeakMap<ManifestServer, string>();

function launchOf(server: ManifestServer): string {
  const known =
    launches.get(server) ?? JSON.stringify([server.launch, server.server.name ?? '', server.server.version ?? '']);
  launches.set(server, known);
  return known;
}

/** Whether the same tools are approved: what a list shows of them is the pin, so nothing else can make a difference. */
function sameApproved(before: ReadonlyMap<string, PinVerdict>, after: ReadonlyMap<string, PinVerdict>): boolean {
  return approvedNames(before) === approvedNames(after);
}

function approvedNames(verdicts: ReadonlyMap<string, PinVerdict>): string {
  const names: string[] = [];
  for (const [name, verdict] of verdicts) if (verdict.state === 'approved') names.push(name);
  return names.sort().join('\0');
}
