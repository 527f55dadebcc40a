import { fileURLToPath } from 'node:url';
import { Metadata, MetadataKind, type Root } from '@tufjs/models';
import { z } from 'zod';
import { sha256OfJson } from '../policy/canonical.ts';
import type { Enrolment } from './trust.ts';

const MAX_CHARACTERS = 1_000_000;

const Key = z.object({
  keytype: z.string(),
  scheme: z.string(),
  keyval: z.record(z.string(), z.string()),
});

/** As much of TUF's root.json as is needed to say plainly what is wrong with it. The TUF client checks the rest. */
const RootJson = z.object({
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
  signed: z.object({
    _type: z.literal('root'),
    version: z.int().min(1),
    consistent_snapshot: z.literal(true),
    keys: z.record(z.string(), Key),
    roles: z.record(z.string(), z.object({ keyids: z.array(z.string()), threshold: z.int().min(1) })),
  }),
});

const OrgJson = z.strictObject({
  schema: z.literal(1),
  name: z.string().trim().min(1).max(120),
  repository: z.string().superRefine((text, context) => {
    const problem = refuseRepository(text);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  }),
  root: RootJson.loose(),
});

type Parsed = { readonly ok: true; readonly value: Enrolment } | { readonly ok: false; readonly message: string };

/** Parses org.json; collects every problem in one message. */
export function parseEnrolment(text: string): Parsed {
  if (text.length > MAX_CHARACTERS)
    return refuse([`it has ${text.length} characters, at most ${MAX_CHARACTERS} are expected`]);
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return refuse([`it is not JSON (${error instanceof Error ? error.message : String(error)})`]);
  }
  const parsed = OrgJson.safeParse(json);
  if (!parsed.success) {
    return refuse(parsed.error.issues.map((issue) => `/${issue.path.map(String).join('/')}: ${issue.message}`));
  }
  const { name, repository } = parsed.data;
  // The root as written, not as parsed: its signature covers every field.
  const root = (json as { readonly root: unknown }).root;
  const enrolment: Enrolment = { schema: 1, name, repository, root };
  const problem = refuseRoot(enrolment);
  return problem ? refuse([problem]) : { ok: true, value: enrolment };
}

/** SHA-256 of each root key, computed from the key itself, for a person to compare before trusting. Upper-case hex in groups of four. */
export function keyFingerprints(enrolment: Enrolment): readonly string[] {
  return rootKeyIds(enrolment).map((id) => (id.toUpperCase().match(/.{1,4}/g) ?? []).join(' '));
}

/** Asked for with every look at the state, and always the same for one enrolment. */
const known = new WeakMap<Enrolment, readonly string[]>();

export function rootKeyIds(enrolment: Enrolment): readonly string[] {
  const ids = known.get(enrolment) ?? readRoot(enrolment).signed.roles.root?.keyIDs ?? [];
  known.set(enrolment, ids);
  return ids;
}

/** The trusted root of an enrolment that parseEnrolment accepted. */
export function readRoot(enrolment: Enrolment): Metadata<Root> {
  return Metadata.fromJSON(MetadataKind.Root, JSON.parse(JSON.stringify(enrolment.root)));
}

/** The first root must be signed by its own threshold of keys, and each key named by its own digest (TUF 4.2, 5.2). */
function refuseRoot(enrolment: Enrolment): string | undefined {
  try {
    const root = readRoot(enrolment);
    for (const [id, key] of Object.entries(root.signed.keys)) {
      if (sha256OfJson(JSON.parse(JSON.stringify(key.toJSON()))) !== id) {
        return `/root/signed/keys/${id}: the name of a key must be the SHA-256 of the key, so that its fingerprint can be compared`;
      }
    }
    root.verifyDelegate('root', root);
    return undefined;
  } catch (error) {
    return `/root: not a TUF root signed by its own keys (${error instanceof Error ? error.message : String(error)})`;
  }
}

function refuseRepository(text: string): string | undefined {
  if (!URL.canParse(text)) {
    return `expected an absolute https:, http: (this computer only) or file: address, found ${JSON.stringify(text.slice(0, 200))}`;
  }
  const url = new URL(text);
  if (url.username || url.password) return 'expected an address without a name and password in it';
  if (url.search || url.hash) return 'expected an address without ? or # parts';
  switch (url.protocol) {
    case 'https:':
      return undefined;
    case 'http:':
      return isLoopback(url.hostname)
        ? undefined
        : `expected https: (plain http: is accepted for this computer only), found ${url.protocol}//${url.host}`;
    case 'file:':
      return refuseFileUrl(text, url);
    default:
      return `expected https:, http: (this computer only) or file:, found ${url.protocol}`;
  }
}

/** "file:repository" and "file:../x" parse as URLs but name whatever folder the root of the disk has under that name. */
function refuseFileUrl(text: string, url: URL): string | undefined {
  if (!/^file:\/\//i.test(text))
    return `expected an absolute file: address such as file:///srv/acme/repository, found ${text}`;
  try {
    fileURLToPath(url);
    return undefined;
  } catch (error) {
    return `expected a file: address this system can open, found ${text} (${error instanceof Error ? error.message : String(error)})`;
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

function refuse(problems: readonly string[]): Parsed {
  return {
    ok: false,
    message: `This enrolment (org.json) cannot be used: ${problems.join('; ')}. Ask your IT team for a new one.`,
  };
}
