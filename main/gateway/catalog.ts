import type { BackendSession, Backends } from '../backends/backends.ts';
import type { JsonObject } from '../policy/json.ts';
import type { Manifest, ManifestServer, PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import { endpointKey } from './admit.ts';
import { type AnnouncedKind, announcedAs, ChangeTeller } from './change-teller.ts';
import type { HeldBackTools, PinnedKind } from './held-back.ts';
import { withoutKept } from './kept-from-app.ts';
import { nameTable } from './names.ts';
import { renameResource, renameTemplate, renameTool } from './renames.ts';
import { type Look, type SightKind, Sights } from './sights.ts';
import { decideOn, type ResourceSubject, type View } from './subjects.ts';
import type { SearchableTool } from './tool-search-port.ts';
import { uriNames } from './uris.ts';

/** How old what a backend showed may be for a call: a change nobody announced is found within a second, at one look a second. */
const callMaxAgeMs = 1_000;
/** How old a session's own list of resources may be. */
const resourcesMaxAgeMs = 10_000;
/** Decisions may depend on the time of day; a prepared list is not kept longer than this. */
const preparedMaxAgeMs = 30_000;
const preparedLimit = 256;
/** Resources listed of all servers together: a server may show as many as it likes. */
const resourceLimit = 10_000;
/** And their JSON characters together. */
const resourceTextLimit = 32 << 20;

/** One list as one caller sees it. The arrays are the same objects for as long as nothing changed. */
export interface Listed {
  /** JSON text of each entry, in manifest order, then the order of the pins. */
  readonly texts: readonly string[];
  /** The tools among them, to search in. */
  readonly tools: readonly SearchableTool[];
}

interface Prepared {
  readonly manifest: Manifest;
  readonly generation: number;
  readonly at: number;
  /** What this list rests on. */
  readonly looks: readonly Look[];
  /** What servers showed, where the list is of that. */
  readonly shown: readonly (readonly JsonObject[])[];
  readonly listed: Listed;
}

/**
 * What each caller sees. A tool, prompt or template is listed when the policy lets this caller discover it AND its backend, looked at since
 * this gateway started, shows exactly the pinned definition. Nothing is listed on trust: a backend that could not be looked at yet is left
 * out, waited for at most three seconds, and announced with list_changed when it arrives. One that was seen and is down now stays listed
 * by its last sight; each call looks again through its own session. Resources are listed as shown where the organisation says so.
 */
export class Catalog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held: HeldBackTools;
  readonly #announce: (kind: AnnouncedKind, alias: string) => void;
  readonly #sights: Sights;
  readonly #changes: ChangeTeller;
  readonly #prepared = new Map<string, Prepared>();
  #generation = 0;

  constructor(parts: {
    readonly backends: Backends;
    readonly clock: Clock;
    readonly log: Log;
    readonly held: HeldBackTools;
    readonly announce: (kind: AnnouncedKind, alias: string) => void;
  }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#held = parts.held;
    this.#announce = parts.announce;
    this.#sights = new Sights({ ...parts, onChange: (look, tell) => this.#sightChanged(look, tell) });
    this.#changes = new ChangeTeller(this.#sights, parts.announce);
  }

  tools(view: View): Promise<Listed> {
    return this.#named(view, 'tool', 'tools');
  }

  prompts(view: View): Promise<Listed> {
    return this.#named(view, 'prompt', 'prompts');
  }

  async templates(view: View): Promise<Listed> {
    const ready = this.#ready(view, 'resourceTemplates');
    if (ready !== undefined) return ready.listed;
    const servers = this.#serversOf(view, (server) => Object.keys(server.resourceTemplates).length > 0);
    const looks = servers.map((server): Look => ({ server, kind: 'resourceTemplates' }));
    await this.#sights.lookAtAll(looks);
    const uris = uriNames(view.snapshot.manifest, view.endpoint);
    const texts: string[] = [];
    for (const server of servers) {
      const rename = uris.renamerOf(server.alias);
      for (const [template, { definition }] of Object.entries(server.resourceTemplates)) {
        if (this.#sights.verdict(server, 'resourceTemplates', template)?.state !== 'approved') continue;
        texts.push(JSON.stringify(rename === undefined ? definition : renameTemplate(definition, rename)));
      }
    }
    return this.#keep(view, 'resourceTemplates', looks, { texts, tools: [] });
  }

  /** `sessionOf` answers the caller's own session with a server where it has one open: that one may show it other resources. */
  async resources(view: View, sessionOf: (alias: string) => BackendSession | undefined): Promise<Listed> {
    const servers = this.#serversOf(view, (server) => server.resources === 'as-shown');
    const known = await Promise.all(servers.map((server) => this.#resourcesOf(server, sessionOf(server.alias))));
    const looks = servers
      .filter((_, i) => known[i] === undefined)
      .map((server): Look => ({ server, kind: 'resources' }));
    await this.#sights.lookAtAll(looks);
    const shown = servers.map((server, i) => known[i] ?? this.#sights.shown({ server, kind: 'resources' }) ?? []);
    const ready = this.#ready(view, 'resources');
    if (ready !== undefined && sameItems(ready.shown, shown)) return ready.listed;
    const texts = this.#resourceTexts(view, servers, shown);
    return this.#keep(view, 'resources', [], { texts, tools: [] }, shown);
  }

  async #resourcesOf(
    server: ManifestServer,
    session: BackendSession | undefined,
  ): Promise<readonly JsonObject[] | undefined> {
    if (session === undefined) return undefined;
    try {
      return await session.list('resources', resourcesMaxAgeMs);
    } catch (error) {
      // What the house sees will do.
      this.#log.debug('own-resources-not-listed', { alias: server.alias, error: String(error) });
      return undefined;
    }
  }

  #resourceTexts(
    view: View,
    servers: readonly ManifestServer[],
    shown: readonly (readonly JsonObject[])[],
  ): readonly string[] {
    const uris = uriNames(view.snapshot.manifest, view.endpoint);
    const texts: string[] = [];
    let length = 0;
    for (const [i, server] of servers.entries()) {
      const rename = uris.renamerOf(server.alias);
      for (const resource of shown[i] ?? []) {
        if (typeof resource.uri !== 'string') continue;
        const text = JSON.stringify(rename === undefined ? resource : renameResource(resource, rename));
        length += text.length;
        if (texts.length >= resourceLimit || length > resourceTextLimit) {
          this.#log.warn('resources-not-all-listed', { alias: server.alias, listed: texts.length });
          return texts;
        }
        texts.push(text);
      }
    }
    return texts;
  }

  async #named(view: View, kind: 'tool' | 'prompt', sight: PinnedKind): Promise<Listed> {
    const ready = this.#ready(view, sight);
    if (ready !== undefined) return ready.listed;
    const at = this.#clock.now();
    const visible = [...nameTable(view.snapshot, view.endpoint, kind).values()].filter(
      (named) => decideOn(view, named, at).effect !== 'deny',
    );
    const servers = [...new Set(visible.map(({ server }) => server))];
    const looks = servers.map((server): Look => ({ server, kind: sight }));
    await this.#sights.lookAtAll(looks);
    const uris = uriNames(view.snapshot.manifest, view.endpoint);
    const texts: string[] = [];
    const tools: SearchableTool[] = [];
    for (const { wireName, server, name, pin } of visible) {
      if (this.#sights.verdict(server, sight, name)?.state !== 'approved') continue;
      // Only tools say where a page is that shows them; a prompt's definition names nothing but itself.
      const rename = kind === 'tool' ? uris.renamerOf(server.alias) : undefined;
      const definition = renameTool(pin.definition, wireName, rename);
      texts.push(JSON.stringify(definition));
      if (kind === 'tool') tools.push({ name: wireName, definition });
    }
    return this.#keep(view, sight, looks, { texts, tools });
  }

  /** Servers this caller may see resources of. */
  #serversOf(view: View, has: (server: ManifestServer) => boolean): readonly ManifestServer[] {
    const { endpoint, snapshot } = view;
    const at = this.#clock.now();
    return snapshot.manifest.servers.filter((server) => {
      if (server.state === 'revoked' || !has(server)) return false;
      if (endpoint.kind === 'alias' && endpoint.alias !== server.alias) return false;
      const any: ResourceSubject = { kind: 'resource', wireName: '', server, name: '' };
      return decideOn(view, any, at).effect !== 'deny';
    });
  }

  #ready(view: View, kind: SightKind): Prepared | undefined {
    const known = this.#prepared.get(keyOf(view, kind));
    if (known === undefined || known.manifest !== view.snapshot.manifest) return undefined;
    if (known.generation !== this.#generation) return undefined;
    const age = this.#clock.now() - known.at;
    if (age < 0 || age >= preparedMaxAgeMs) return undefined;
    return known.looks.every((look) => this.#sights.isFresh(look)) ? known : undefined;
  }

  #keep(
    view: View,
    kind: SightKind,
    looks: readonly Look[],
    listed: Listed,
    shown: readonly (readonly JsonObject[])[] = [],
  ): Listed {
    const { manifest } = view.snapshot;
    const key = keyOf(view, kind);
    const before = this.#prepared.get(key);
    // The same entries are the same list: what was made from them, an index or a whole answer, is good still.
    const same = before !== undefined && sameItems(before.listed.texts, listed.texts);
    const kept = same ? before.listed : listed;
    if (this.#prepared.size >= preparedLimit && before === undefined) this.#prepared.clear();
    const generation = this.#generation;
    this.#prepared.set(key, { manifest, generation, at: this.#clock.now(), looks, shown, listed: kept });
    return kept;
  }

  /** What the house last saw of what is pinned for this subject; undefined where it did not look, or nothing is pinned. */
  verdict(server: ManifestServer, kind: PinnedKind, name: string): PinVerdict | undefined {
    return this.#sights.verdict(server, kind, name);
  }

  /**
   * What the session that is to carry a request shows now of what is pinned; 'kept-from-app' where the server shows it to the house and not to
   * this app, which is no change of it. Rejects with BackendFailure.
   */
  async verdictOf(
    session: BackendSession,
    server: ManifestServer,
    kind: PinnedKind,
    name: string,
    source: string,
    signal: AbortSignal,
  ): Promise<PinVerdict | 'kept-from-app' | undefined> {
    const shown = await (kind === 'tools'
      ? session.tools(callMaxAgeMs, signal)
      : session.list(kind, callMaxAgeMs, signal));
    const own = this.#sights.compare(server, kind, shown);
    const verdict = own.verdicts.get(name);
    // What one session shows the house should see too, and every list with it.
    const looked = verdict?.state === 'approved' ? undefined : this.#sights.look({ server, kind });
    if (verdict?.state === 'missing') await looked;
    const comparison = own.clean ? own : withoutKept(own, this.#sights.comparison(server, kind));
    // Where nothing differs and nothing did, nothing has to be noted: that is nearly every call.
    if (!comparison.clean || this.#held.holds(server.alias, kind, source)) {
      this.#held.note(server.alias, kind, source, comparison.verdicts);
    }
    const kept = verdict?.state === 'missing' && this.#sights.verdict(server, kind, name)?.state === 'approved';
    return kept ? 'kept-from-app' : verdict;
  }

  /** Looks at a backend's tools now. Resolves when they are known or the look has failed, never rejects. */
  look(server: ManifestServer): Promise<void> {
    return this.#sights.look({ server, kind: 'tools' });
  }

  /** A backend said that what it lists changed. */
  listChanged(server: ManifestServer, kind: SightKind): void {
    this.#changes.listChanged(server, kind);
  }

  /** A backend is up: if a list went out without it, it is looked at now. */
  cameUp(server: ManifestServer): void {
    this.#sights.cameUp(server);
  }

  /** A new policy: what was seen of servers that are gone, or started differently now, is forgotten. */
  policyChanged(manifest: Manifest | undefined): void {
    this.#generation++;
    this.#prepared.clear();
    // A pause, or a policy that ran out, changes nothing about what servers show.
    if (manifest !== undefined) this.#sights.policyChanged(manifest);
  }

  #sightChanged({ kind, server }: Look, tell: boolean): void {
    this.#generation++;
    if (tell) this.#announce(announcedAs(kind), server.alias);
  }
}

/** The kind is first: no alias, name or digest holds a NUL. */
function keyOf({ snapshot, user, app, endpoint }: View, kind: SightKind): string {
  return `${kind}\0${snapshot.digest}\0${user.id}\0${app}\0${endpointKey(endpoint)}`;
}

function sameItems<T>(one: readonly T[], other: readonly T[]): boolean {
  return one.length === other.length && one.every((item, i) => item === other[i]);
}
