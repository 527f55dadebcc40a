import { type PolicySnapshot, userOf } from '../policy/decide.ts';
import type { Clock } from '../ports.ts';
import type { Listening } from './conversation.ts';
import type { InForce } from './gateway.ts';
import type { MayWatch } from './side-watching.ts';
import { effectOnWatch } from './visible.ts';

/** What may still be watched, of what was allowed to be when it was asked for. */
export class WatchRules {
  readonly #inForce: () => InForce;
  readonly #account: string;
  readonly #clock: Clock;
  /** The policy that was in force when this was last asked about. */
  #before: PolicySnapshot | undefined;

  constructor(parts: { readonly inForce: () => InForce; readonly account: string; readonly clock: Clock }) {
    this.#inForce = parts.inForce;
    this.#account = parts.account;
    this.#clock = parts.clock;
  }

  /** For servers that are to be told anew what is watched already. */
  now(alias: string): MayWatch {
    return (listening, uri) => {
      const inForce = this.#inForce();
      return inForce.ok && this.#effect(inForce.snapshot, listening, alias, uri) !== 'deny';
    };
  }

  /** Under another policy. Where a person is to be asked and was to be before, the yes they gave holds. */
  under(snapshot: PolicySnapshot): (alias: string) => MayWatch {
    const before = this.#before;
    this.#before = snapshot;
    return (alias) => (listening, uri) => {
      const effect = this.#effect(snapshot, listening, alias, uri);
      if (effect !== 'ask') return effect === 'allow';
      return before !== undefined && this.#effect(before, listening, alias, uri) === 'ask';
    };
  }

  #effect(snapshot: PolicySnapshot, { app, endpoint }: Listening, alias: string, uri: string) {
    const view = { snapshot, user: userOf(snapshot, this.#account), app: app.name, endpoint };
    return effectOnWatch(view, alias, uri, this.#clock.now());
  }
}
