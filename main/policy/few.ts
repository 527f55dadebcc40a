/**
 * A Map for few members that come and go with every call. V8's own makes a new table every few deletions, and each table it left behind
 * names the next: once one of them is old, everything that was in any of them stays until the next full collection, kilobytes a call.
 * Members are looked for one by one, which for dozens of them is no slower.
 */
export class FewMap<K, V> {
  readonly #keys: K[] = [];
  readonly #values: V[] = [];

  get size(): number {
    return this.#keys.length;
  }

  get(key: K): V | undefined {
    const at = this.#keys.indexOf(key);
    return at < 0 ? undefined : this.#values[at];
  }

  has(key: K): boolean {
    return this.#keys.includes(key);
  }

  set(key: K, value: V): void {
    const at = this.#keys.indexOf(key);
    if (at >= 0) {
      this.#values[at] = value;
      return;
    }
    this.#keys.push(key);
    this.#values.push(value);
  }

  delete(key: K): boolean {
    const at = this.#keys.indexOf(key);
    if (at < 0) return false;
    removeAt(this.#keys, at);
    removeAt(this.#values, at);
    return true;
  }

  /** In the order they were added, as they are now: what is added or deleted meanwhile changes nothing. */
  keys(): readonly K[] {
    return [...this.#keys];
  }

  values(): readonly V[] {
    return [...this.#values];
  }
}

/** A Set for the same. */
export class FewSet<T> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    if (!this.#members.includes(member)) this.#members.push(member);
  }

  has(member: T): boolean {
    return this.#members.includes(member);
  }

  delete(member: T): boolean {
    const at = this.#members.indexOf(member);
    if (at >= 0) removeAt(this.#members, at);
    return at >= 0;
  }

  /** The one added before all others; undefined where there is none. */
  first(): T | undefined {
    return this.#members[0];
  }

  /** In the order they were added, as they are now. */
  values(): readonly T[] {
    return [...this.#members];
  }
}

/** In place and in order, without the array that `splice` answers. */
function removeAt<T>(items: T[], at: number): void {
  for (let next = at + 1; next < items.length; next++) items[next - 1] = items[next] as T;
  items.pop();
}
