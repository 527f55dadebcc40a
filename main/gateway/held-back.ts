import type { AuditWriter } from '../audit/record.ts';
import { describeChanges, type PinVerdict } from '../policy/manifest.ts';
import type { Clock, Log } from '../ports.ts';
import type { HeldBack } from './gateway.ts';
import { clip } from './wire.ts';

/** Rows and entries kept per tool set: a server that shows something new at every look must not fill disk or memory. */
const perAlias = 500;

/** What is pinned one by one. */
export type PinnedKind = 'tools' | 'prompts' | 'resourceTemplates';

/** Withheld because what a backend shows is not what was approved. Each difference is recorded once per run. */
export class HeldBackTools {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #audit: AuditWriter;
  readonly #onChange: () => void;
  /** alias → kind and source (which connection showed it) → name → entry. */
  readonly #entries = new Map<string, Map<string, Map<string, HeldBack>>>();
  readonly #recorded = new Map<string, Set<string>>();

  constructor(parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly audit: AuditWriter;
    readonly onChange: () => void;
  }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#audit = parts.audit;
    this.#onChange = parts.onChange;
  }

  /** One entry for each that is withheld: of several sightings the first. */
  list(): readonly HeldBack[] {
    const byTool = new Map<string, HeldBack>();
    for (const sources of this.#entries.values()) {
      for (const tools of sources.values()) {
        for (const entry of tools.values()) {
          const key = `${entry.alias}\0${entry.kind ?? ''}\0${entry.tool}`;
          const known = byTool.get(key);
          if (known === undefined || entry.since < known.since) byTool.set(key, entry);
        }
      }
    }
    return [...byTool.values()];
  }

  /** Takes up what one connection shows now; entries of that connection that are approved again go. */
  note(alias: string, kind: PinnedKind, source: string, verdicts: ReadonlyMap<string, PinVerdict>): void {
    const sources = this.#entries.get(alias) ?? new Map<string, Map<string, HeldBack>>();
    const before = sources.get(keyOf(kind, source));
    const now = new Map<string, HeldBack>();
    let changed = false;
    for (const [name, verdict] of verdicts) {
      if (verdict.state === 'approved' || now.size >= perAlias) continue;
      const known = before?.get(name);
      const entry = heldBackOf(alias, kind, name, verdict, this.#clock.now());
      const same = known?.state === entry.state && known.shownSha256 === entry.shownSha256;
      now.set(name, same ? known : entry);
      if (same) continue;
      changed = true;
      this.#record(entry, verdict);
    }
    if (now.size !== (before?.size ?? 0)) changed = true;
    if (!changed) return;
    if (now.size === 0) sources.delete(keyOf(kind, source));
    else sources.set(keyOf(kind, source), now);
    if (sources.size === 0) this.#entries.delete(alias);
    else this.#entries.set(alias, sources);
    this.#onChange();
  }

  /** Whether anything of this kind that this connection showed is held back. */
  holds(alias: string, kind: PinnedKind, source: string): boolean {
    return this.#entries.get(alias)?.has(keyOf(kind, source)) ?? false;
  }

  /** Other pins are in force: what every other connection showed is compared anew at its next call. */
  keepOnly(source: string): void {
    this.#forgetWhere((_alias, each) => sourceOf(each) !== source);
  }

  /** The connection is gone, and with it what it showed. */
  forgetSource(source: string): void {
    this.#forgetWhere((_alias, each) => sourceOf(each) === source);
  }

  /** What this connection showed of this kind is not known any more. */
  forget(alias: string, kind: PinnedKind, source: string): void {
    this.#forgetWhere((each, key) => each === alias && key === keyOf(kind, source));
  }

  /** The tool set is no longer part of the policy, or is started differently now. */
  forgetAlias(alias: string): void {
    if (this.#entries.delete(alias)) this.#onChange();
  }

  #forgetWhere(forgets: (alias: string, key: string) => boolean): void {
    let changed = false;
    for (const [alias, sources] of this.#entries) {
      for (const key of [...sources.keys()]) if (forgets(alias, key)) changed = sources.delete(key) || changed;
      if (sources.size === 0) this.#entries.delete(alias);
    }
    if (changed) this.#onChange();
  }

  #record(entry: HeldBack, verdict: PinVerdict): void {
    const recorded = this.#recorded.get(entry.alias) ?? new Set<string>();
    this.#recorded.set(entry.alias, recorded);
    const key = `${entry.kind ?? ''}\0${entry.tool}\0${entry.state}\0${entry.pinnedSha256 ?? ''}\0${entry.shownSha256 ?? ''}`;
    if (recorded.has(key) || recorded.size >= perAlias) return;
    recorded.add(key);
    try {
      this.#audit.append({
        kind: 'definition.changed',
        alias: entry.alias,
        ...(entry.kind !== undefined && { of: entry.kind }),
        tool: clip(entry.tool, 200),
        ...(entry.pinnedSha256 !== undefined && { pinned: entry.pinnedSha256 }),
        ...(entry.shownSha256 !== undefined && { shown: entry.shownSha256 }),
        changes: clip(changesInWords(verdict), 100_000),
      });
    } catch (error) {
      // The tool stays withheld either way; the row is tried again at the next look.
      recorded.delete(key);
      this.#log.error('definition-change-not-recorded', { alias: entry.alias, tool: entry.tool, error: String(error) });
    }
  }
}

/** What differs, one line per field. */
export function changesInWords(verdict: PinVerdict): string {
  switch (verdict.state) {
    case 'approved':
      return 'Nothing differs from what your organisation approved.';
    case 'changed':
      return describeChanges(verdict.changes);
    case 'unpinned':
      return 'This is new: it is not among what your organisation approved.';
    case 'missing':
      return 'This was approved, but is no longer offered.';
    default:
      return verdict satisfies never;
  }
}

function heldBackOf(
  alias: string,
  kind: PinnedKind,
  tool: string,
  verdict: Exclude<PinVerdict, { state: 'approved' }>,
  since: number,
): HeldBack {
  const of = { alias, ...(kind !== 'tools' && { kind: kindNames[kind] }), tool, since };
  switch (verdict.state) {
    case 'changed': {
      const { changes, pin, shownSha256 } = verdict;
      return { ...of, state: 'changed', changes, pinnedSha256: pin.sha256, shownSha256 };
    }
    case 'unpinned':
      return { ...of, state: 'unpinned', changes: [], shownSha256: verdict.shownSha256 };
    case 'missing':
      return { ...of, state: 'missing', changes: [], pinnedSha256: verdict.pin.sha256 };
    default:
      return verdict satisfies never;
  }
}

const kindNames = { prompts: 'prompt', resourceTemplates: 'resource-template' } as const;

function keyOf(kind: PinnedKind, source: string): string {
  return `${kind} ${source}`;
}

function sourceOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}
