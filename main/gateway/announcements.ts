import { type PolicySnapshot, userOf } from '../policy/decide.ts';
import type { Clock } from '../ports.ts';
import type { AnnouncedKind } from './change-teller.ts';
import type { Listening } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { seesAny } from './visible.ts';

/** Whom a change is told. */
export type Hears = (listening: Pick<Listening, 'app' | 'endpoint'>) => boolean;

const everybody: Hears = () => true;

/** Gathers changes of lists: several at once are one announcement of each kind, to those who see something of what changed. */
export class Announcements {
  readonly #clock: Clock;
  readonly #account: string;
  readonly #inForce: () => InForce;
  readonly #tell: (kind: AnnouncedKind, hears: Hears) => void;
  /** Which servers' lists changed; 'all' where it is the policy that did. */
  readonly #changed = new Map<AnnouncedKind, Set<string> | 'all'>();

  constructor(parts: {
    readonly clock: Clock;
    readonly account: string;
    readonly inForce: () => InForce;
    readonly tell: (kind: AnnouncedKind, hears: Hears) => void;
  }) {
    this.#clock = parts.clock;
    this.#account = parts.account;
    this.#inForce = parts.inForce;
    this.#tell = parts.tell;
  }

  /** Without an alias everybody is told. */
  add(kind: AnnouncedKind, alias?: string): void {
    const idle = this.#changed.size === 0;
    const known = this.#changed.get(kind) ?? new Set<string>();
    if (alias === undefined || known === 'all') this.#changed.set(kind, 'all');
    else this.#changed.set(kind, known.add(alias));
    if (idle) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    const inForce = this.#inForce();
    for (const [kind, aliases] of changed) {
      if (aliases === 'all') this.#tell(kind, everybody);
      // Without a policy nobody sees anything; when there is one again everybody is told.
      else if (inForce.ok) this.#tell(kind, this.#whoSees(inForce.snapshot, kind, aliases));
    }
  }

  #whoSees(snapshot: PolicySnapshot, kind: AnnouncedKind, aliases: ReadonlySet<string>): Hears {
    const user = userOf(snapshot, this.#account);
    const at = this.#clock.now();
    return ({ app, endpoint }) => {
      const view = { snapshot, user, app: app.name, endpoint };
      return [...aliases].some((alias) => seesAny(view, alias, kind, at));
    };
  }
}
