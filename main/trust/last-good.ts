import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from './files.ts';
import type { SeenMetadata } from './verify.ts';

const Good = z.strictObject({ schema: z.literal(1), files: z.record(z.string(), z.string()) });
const Seen = z.strictObject({
  schema: z.literal(1),
  checkedAt: z.number().optional(),
  roots: z.array(z.string()),
  roles: z.record(z.string(), z.string()),
});

export type Kept<T> =
  | { readonly state: 'none' }
  | { readonly state: 'damaged'; readonly message: string }
  | { readonly state: 'kept'; readonly value: T };

/** What was seen of one organisation. */
export interface Memory {
  readonly id: string;
  readonly metadata: SeenMetadata;
  readonly checkedAt?: number;
}

/**
 * What trust keeps on disk, each file replaced whole: org.json (a personal enrolment), good.json (the last good repository files, so one rename
 * is one atomic swap) and for each organisation a seen-….json (what rollback protection rests on), which outlasts leaving it.
 * Nothing read here is believed: it is verified again by its signatures.
 */
export interface LastGood {
  readonly dir: string;
  readEnrolment(): Kept<string>;
  readGood(): Kept<ReadonlyMap<string, string>>;
  readMemories(): readonly Memory[];
  /** These throw what the disk says. */
  writeEnrolment(orgJson: string): void;
  writeGood(files: ReadonlyMap<string, string>): void;
  writeSeen(id: string, metadata: SeenMetadata, checkedAt: number | undefined): void;
  /** The enrolment and its last good files. */
  erase(): void;
}

export function openLastGood(dir: string): LastGood {
  const file = (name: string) => join(dir, name);
  const ready = () => mkdirSync(dir, { recursive: true, mode: 0o700 });

  return {
    dir,
    readEnrolment: () => readText(file('org.json')),
    readGood() {
      const text = readText(file('good.json'));
      if (text.state !== 'kept') return text;
      const parsed = parse(Good, text.value);
      return parsed
        ? { state: 'kept', value: new Map(Object.entries(parsed.files)) }
        : damaged(file('good.json'), 'not what was written');
    },
    readMemories: () =>
      listFolder(dir).flatMap((name) => {
        const id = /^seen-([0-9a-f]{32})\.json$/.exec(name)?.[1];
        const text = id === undefined ? undefined : readText(file(name));
        const parsed = text?.state === 'kept' ? parse(Seen, text.value) : undefined;
        if (id === undefined || !parsed) return [];
        const { roots, roles, checkedAt } = parsed;
        return [{ id, metadata: { roots, roles }, ...(checkedAt === undefined ? {} : { checkedAt }) }];
      }),
    writeEnrolment(orgJson) {
      ready();
      writeFileAtomically(file('org.json'), orgJson);
    },
    writeGood(files) {
      ready();
      writeFileAtomically(file('good.json'), JSON.stringify({ schema: 1, files: Object.fromEntries(files) }, null, 1));
    },
    writeSeen(id, metadata, checkedAt) {
      ready();
      writeFileAtomically(file(`seen-${id}.json`), JSON.stringify({ schema: 1, checkedAt, ...metadata }, null, 1));
    },
    erase() {
      for (const name of ['org.json', 'good.json']) rmSync(file(name), { force: true });
    },
  };
}

/** Makes the folder and removes working folders and half-written files a crash left behind. Throws what the disk says. */
export function tidyFolder(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(dir)) {
    if (/^work-|\.tmp$/.test(name)) rmSync(join(dir, name), { recursive: true, force: true });
  }
}

function listFolder(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    // No folder yet, or one that cannot be read: the first write into it says why.
    return [];
  }
}

function readText(file: string): Kept<string> {
  try {
    return { state: 'kept', value: readFileSync(file, 'utf8') };
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return absent ? { state: 'none' } : damaged(file, error instanceof Error ? error.message : String(error));
  }
}

function damaged(file: string, reason: string): { readonly state: 'damaged'; readonly message: string } {
  return { state: 'damaged', message: `${file} cannot be read (${reason})` };
}

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Not JSON: damaged like anything else that does not fit, and reported as such by the caller.
    return undefined;
  }
}
