import { createHash } from 'node:crypto';
import { Metadata, MetadataKind } from '@tufjs/models';
import { rootKeyIds } from './enrolment.ts';
import type { Memory } from './last-good.ts';
import type { Enrolment } from './trust.ts';
import { NOTHING_SEEN, newerSeen, type SeenMetadata } from './verify.ts';

/** Names what was seen of one organisation: by the root keys of the enrolment, so that a new org.json with the same keys finds it. */
export function memoryId(enrolment: Enrolment): string {
  return idOf(rootKeyIds(enrolment));
}

/**
 * The newest of what was ever seen of this organisation, under this enrolment or another one whose root leads to or from it. `roots` are those
 * verified after the enrolment's own. Joining anew must not be a way to be shown something older.
 */
export function recall(enrolment: Enrolment, roots: readonly string[], memories: readonly Memory[]): SeenMetadata {
  const known = new Set([memoryId(enrolment), ...idsOf(roots)]);
  return memories
    .filter(({ id, metadata }) => known.has(id) || idsOf(metadata.roots).some((each) => known.has(each)))
    .reduce((newest, { metadata }) => newerSeen(newest, metadata), NOTHING_SEEN);
}

function idsOf(roots: readonly string[]): readonly string[] {
  return roots.flatMap((text) => {
    try {
      const keyIds = Metadata.fromJSON(MetadataKind.Root, JSON.parse(text)).signed.roles.root?.keyIDs;
      return keyIds ? [idOf(keyIds)] : [];
    } catch {
      // Damaged on disk: it leads nowhere, and the roots are fetched again.
      return [];
    }
  });
}

function idOf(keyIds: readonly string[]): string {
  return createHash('sha256')
    .update([...keyIds].sort().join('\n'))
    .digest('hex')
    .slice(0, 32);
}
