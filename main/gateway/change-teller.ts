import type { ManifestServer } from '../policy/manifest.ts';
import type { SightKind, Sights } from './sights.ts';

/** What callers are told of when it changes. */
export type AnnouncedKind = 'tools' | 'prompts' | 'resources';

/** How soon a change of a list that was just told of is told of again. */
const tellAgainMs = 1_000;

/**
 * Backends say that what they list changed: what was seen of it is looked at again, and callers are told, as they would be by the backend
 * itself. A server that says so without end is believed once a second.
 */
export class ChangeTeller {
  readonly #sights: Sights;
  readonly #announce: (kind: AnnouncedKind, alias: string) => void;
  /** Changes being told of, and the server where another was said meanwhile. */
  readonly #telling = new Map<string, ManifestServer | undefined>();

  constructor(sights: Sights, announce: (kind: AnnouncedKind, alias: string) => void) {
    this.#sights = sights;
    this.#announce = announce;
  }

  listChanged(server: ManifestServer, kind: SightKind): void {
    const key = `${kind} ${server.alias}`;
    if (this.#telling.has(key)) {
      this.#telling.set(key, server);
      return;
    }
    this.#telling.set(key, undefined);
    void this.#lookAndTell(server, kind).finally(() => {
      setTimeout(() => {
        const again = this.#telling.get(key);
        this.#telling.delete(key);
        if (again !== undefined) this.listChanged(again, kind);
      }, tellAgainMs).unref();
    });
  }

  async #lookAndTell(server: ManifestServer, kind: SightKind): Promise<void> {
    const looks = [this.#sights.changed({ server, kind })];
    // The notification for resources stands for templates, too.
    if (kind === 'resources') looks.push(this.#sights.changed({ server, kind: 'resourceTemplates' }));
    await Promise.all(looks);
    if (offersAny(server, kind)) this.#announce(announcedAs(kind), server.alias);
  }
}

export function announcedAs(kind: SightKind): AnnouncedKind {
  return kind === 'resourceTemplates' ? 'resources' : kind;
}

/** Whether anything of this kind was approved: of the rest callers hear nothing. */
function offersAny(server: ManifestServer, kind: SightKind): boolean {
  switch (kind) {
    case 'tools':
      return Object.keys(server.tools).length > 0;
    case 'prompts':
      return Object.keys(server.prompts).length > 0;
    case 'resources':
    case 'resourceTemplates':
      return server.resources === 'as-shown' || Object.keys(server.resourceTemplates).length > 0;
    default:
      return kind satisfies never;
  }
}
