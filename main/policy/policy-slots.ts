interface Slot<Owner extends object> {
  readonly name: string;
  owner: WeakRef<Owner> | undefined;
  /** Which of its owner's rules are in it. */
  rules: string;
  used: number;
}

/**
 * Names under which Cedar keeps parsed policy sets: it never lets go of one. A few names are used in turn, the one not used for longest first, so
 * that months of policy versions take no more memory than there are names; an owner whose name was taken parses its rules again.
 */
export class PolicySlots<Owner extends object> {
  readonly #slots: readonly Slot<Owner>[];
  #uses = 0;

  constructor(name: string, length: number) {
    this.#slots = Array.from({ length }, (_, i) => ({ name: `${name}-${i}`, owner: undefined, rules: '', used: 0 }));
  }

  /** The name of these rules of this owner; `parse` puts them under it where they are not there. */
  nameOf(owner: Owner, rules: string, parse: (name: string) => void): string {
    const mine = this.#slots.find((slot) => slot.rules === rules && slot.owner?.deref() === owner);
    const slot = mine ?? this.#slots.reduce((oldest, next) => (next.used < oldest.used ? next : oldest));
    slot.used = ++this.#uses;
    if (mine === undefined) {
      slot.owner = undefined;
      parse(slot.name);
      slot.rules = rules;
      slot.owner = new WeakRef(owner);
    }
    return slot.name;
  }
}
