import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, MetadataKind, type Root, type Snapshot, type Targets, type Timestamp } from '@tufjs/models';
import { writeFileAtomically } from '../trust/files.ts';
import { readText } from './organisation.ts';
import { type AdminResult, messageOf, refuse } from './result.ts';

/** One role as published: its text and what it says. */
export interface Published<T extends Root | Targets | Snapshot | Timestamp> {
  readonly text: string;
  readonly metadata: Metadata<T>;
}

/** The newest complete state of a repository folder. */
export interface PublishedState {
  readonly root: Published<Root>;
  readonly timestamp: Published<Timestamp>;
  readonly snapshot: Published<Snapshot>;
  readonly targets: Published<Targets>;
  readonly policy: Published<Targets>;
  readonly servers: Published<Targets>;
}

/** Reads what timestamp.json leads to. Signatures are not checked here: what is built on it is verified as a laptop would. */
export function readPublished(repository: string): AdminResult<PublishedState | undefined> {
  const folder = join(repository, 'metadata');
  if (!existsSync(join(folder, 'timestamp.json'))) return { ok: true, value: undefined };
  const load = (name: string): { text: string; json: Parameters<typeof Metadata.fromJSON>[1] } => {
    const text = readText(join(folder, name));
    if (!text.ok) throw new Error(text.problems.join(' '));
    return { text: text.value, json: JSON.parse(text.value) };
  };
  try {
    const timestamp = publish(load('timestamp.json'), (json) => Metadata.fromJSON(MetadataKind.Timestamp, json));
    const snapshot = publish(load(`${timestamp.metadata.signed.snapshotMeta.version}.snapshot.json`), (json) =>
      Metadata.fromJSON(MetadataKind.Snapshot, json),
    );
    const targets = (role: string) =>
      publish(load(`${snapshot.metadata.signed.meta[`${role}.json`]?.version}.${role}.json`), (json) =>
        Metadata.fromJSON(MetadataKind.Targets, json),
      );
    const newest = Math.max(...readdirSync(folder).map((name) => Number(/^(\d+)\.root\.json$/.exec(name)?.[1] ?? 0)));
    const root = publish(load(`${newest}.root.json`), (json) => Metadata.fromJSON(MetadataKind.Root, json));
    return {
      ok: true,
      value: {
        root,
        timestamp,
        snapshot,
        targets: targets('targets'),
        policy: targets('policy'),
        servers: targets('servers'),
      },
    };
  } catch (error) {
    return refuse(
      'repository',
      `The published repository in ${repository} cannot be read (${messageOf(error)}). Restore the folder from version control, then publish again.`,
    );
  }
}

function publish<T extends Root | Targets | Snapshot | Timestamp>(
  file: { readonly text: string; readonly json: Parameters<typeof Metadata.fromJSON>[1] },
  parse: (json: Parameters<typeof Metadata.fromJSON>[1]) => Metadata<T>,
): Published<T> {
  return { text: file.text, metadata: parse(file.json) };
}

/** How one file reaches the disk; replaced in tests to make a publish fail half-way. */
export type WriteFile = (path: string, text: string) => void;

/**
 * Writes new files so that a laptop reading at any moment finds the old state or the new one: names carry their version or
 * digest, and timestamp.json, which leads to all others, is renamed into place last.
 */
export function writeRepository(
  repository: string,
  files: ReadonlyMap<string, string>,
  write: WriteFile = (path, text) => writeFileAtomically(path, text, 0o644),
): AdminResult<void> {
  const order = [...files.keys()].sort((one, other) => rank(one) - rank(other));
  try {
    for (const folder of ['metadata', 'targets']) mkdirSync(join(repository, folder), { recursive: true });
    for (const path of order) {
      const text = files.get(path) ?? '';
      const file = join(repository, path);
      const there = existsSync(file) ? readText(file) : undefined;
      if (!there?.ok || there.value !== text) write(file, text);
    }
    return { ok: true, value: undefined };
  } catch (error) {
    return refuse(
      'unwritable',
      `The repository ${repository} could not be written (${messageOf(error)}). What was published before is unchanged; free space or restore access, then publish again.`,
    );
  }
}

/** Every file of a repository folder, for copying it elsewhere. */
export function readRepositoryFiles(repository: string): AdminResult<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const folder of ['metadata', 'targets']) {
    for (const name of readdirSync(join(repository, folder))) {
      if (name.endsWith('.tmp')) continue;
      const text = readText(join(repository, folder, name));
      if (!text.ok) return text;
      files.set(`${folder}/${name}`, text.value);
    }
  }
  return { ok: true, value: files };
}

function rank(path: string): number {
  if (path.startsWith('targets/')) return 0;
  if (path === 'metadata/timestamp.json') return 4;
  if (path.endsWith('.root.json')) return 1;
  return path.endsWith('.snapshot.json') ? 3 : 2;
}
