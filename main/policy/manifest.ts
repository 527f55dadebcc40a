import { z } from 'zod';
import { sha256Hex } from './canonical.ts';
import { problemsOf } from './document.ts';
import { isJsonObject, type JsonObject, type Problem, type Result } from './json.ts';
import { checkPins, noPins, object, type PinFamilies, sha256, wrongDigest } from './manifest-pins.ts';
import { own, pointer, quote } from './problems.ts';
import { checkServerJson } from './server-json.ts';
import { parseStrictJson } from './strict-json.ts';

export { comparePrompts, compareTemplates, compareTools, describeChanges, diffDefinitions } from './compare.ts';

export type Label = 'untrusted-input' | 'private-data' | 'changes-state';

/** How Gatehouse reaches a server. `command` is executed directly, never through a shell. */
export type Launch =
  | {
      readonly transport: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      /** Names of environment variables passed on to the server beside the short safe list. */
      readonly env: readonly string[];
      /** Subresource-integrity of the npm package, where it came from npm. */
      readonly integrity?: string;
    }
  | { readonly transport: 'http'; readonly url: string }
  /** HTTP+SSE of 2024-11-05: a GET stream that names where to POST. */
  | { readonly transport: 'sse'; readonly url: string };

export interface Pin {
  /** Hex SHA-256 over the RFC 8785 bytes of `definition`. */
  readonly sha256: string;
  /** The whole raw wire definition as pinned, so that a change can be shown. */
  readonly definition: JsonObject;
  readonly labels: readonly Label[];
}

export interface ManifestServer {
  /** server.json of the official MCP registry, schema 2025-12-11, unchanged. */
  readonly server: JsonObject;
  /** [a-z0-9-]{1,24}; in rules github.create_issue, on the wire github__create_issue. */
  readonly alias: string;
  readonly title: string;
  readonly owner: string;
  readonly groups: readonly string[];
  readonly state: 'active' | 'deprecated' | 'revoked';
  readonly launch: Launch;
  readonly auth: { readonly kind: 'none' };
  readonly instructions?: { readonly sha256: string; readonly text: string };
  readonly tools: Readonly<Record<string, Pin>>;
  /** By prompt name. */
  readonly prompts: Readonly<Record<string, Pin>>;
  /** By URI template, as the server writes it. */
  readonly resourceTemplates: Readonly<Record<string, Pin>>;
  /**
   * Resources come and go and cannot be pinned one by one: whether those the server shows may be listed and read. With "none", the
   * default, only addresses that fit a pinned template may be read.
   */
  readonly resources: 'none' | 'as-shown';
  /** What the server declared it can do when it was pinned, raw. */
  readonly capabilities: JsonObject;
}

/** A server of which nothing has been approved yet. */
export const nothingPinned: Pick<
  ManifestServer,
  'tools' | 'prompts' | 'resourceTemplates' | 'resources' | 'capabilities'
> = { tools: {}, prompts: {}, resourceTemplates: {}, resources: 'none', capabilities: {} };

/** manifest.json, parsed. */
export interface Manifest {
  readonly schema: 1;
  readonly servers: readonly ManifestServer[];
  /** Every server that names are worked out over, where `servers` leaves out what the person switched off. Never part of the document. */
  readonly named?: readonly ManifestServer[];
}

export type ManifestCode = 'not-json' | 'invalid';

/** What a server shows for one tool, prompt or resource template, against what the organisation pinned. */
export type PinVerdict =
  | { readonly state: 'approved'; readonly pin: Pin }
  | {
      readonly state: 'changed';
      readonly pin: Pin;
      readonly shown: JsonObject;
      readonly shownSha256: string;
      readonly changes: readonly FieldChange[];
    }
  | { readonly state: 'unpinned'; readonly shown: JsonObject; readonly shownSha256: string }
  | { readonly state: 'missing'; readonly pin: Pin };

export interface FieldChange {
  /** RFC 6901 pointer inside the definition, e.g. "/annotations/readOnlyHint". */
  readonly path: string;
  /** Absent where the field was added. */
  readonly before?: JsonObject[string];
  /** Absent where the field was removed. */
  readonly after?: JsonObject[string];
}

const file = 'manifest.json';

const plainText = z.string().refine((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), 'text on one line');
const argument = z.string().refine((text) => !text.includes('\0'), 'text without a NUL character');

const shells =
  /^(?:a|ba|c|da|fi|k|mk|tc|z)?sh$|^(?:cmd|command|powershell|powershell_ise|pwsh|wsl|bash|busybox|env|sudo|doas|osascript|cscript|wscript)$/;

/** True when a command would hand its arguments to a shell: then the manifest would not say what is run. */
function isShell(command: string): boolean {
  const name = command.split(/[\\/]/).at(-1) ?? '';
  return shells.test(name.toLowerCase().replace(/\.(?:exe|com|bat|cmd)$/, '')) || /\.(?:bat|cmd|ps1)$/i.test(name);
}

const stdio = z.strictObject({
  transport: z.literal('stdio'),
  command: argument
    .refine((text) => text.trim() !== '', 'the program to start')
    .refine((text) => text === text.trim(), 'a program name without spaces around it')
    .refine((text) => !isShell(text), 'the program itself, not a shell'),
  args: z.array(argument).default([]),
  env: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')).default([]),
  integrity: z
    .string()
    .regex(/^(?:sha256|sha384|sha512)-[A-Za-z0-9+/]+={0,2}$/, 'subresource integrity such as "sha512-…"')
    .exactOptional(),
});

const address = {
  url: z.string().refine(isSafeUrl, 'an https:// address, or http:// on this computer (127.0.0.1, [::1], localhost)'),
};
const http = z.strictObject({ transport: z.literal('http'), ...address });
const sse = z.strictObject({ transport: z.literal('sse'), ...address });

/** https anywhere, http on loopback only; no credentials inside (MCP authorization, "Communication Security"). */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text) || text !== text.trim()) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return false;
  if (url.protocol === 'https:') return true;
  return url.protocol === 'http:' && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

const server = z.strictObject({
  server: object,
  alias: z.string().regex(/^[a-z0-9-]{1,24}$/, '1 to 24 of a–z, 0–9 and "-"'),
  title: plainText.min(1, 'text').max(80, 'at most 80 characters'),
  owner: plainText.min(1, 'who answers for this server').max(200, 'at most 200 characters'),
  groups: z.array(plainText.min(1, 'a group name')).default([]),
  state: z.enum(['active', 'deprecated', 'revoked'], '"active", "deprecated" or "revoked"').default('active'),
  launch: z.discriminatedUnion('transport', [stdio, http, sse], 'a launch with transport "stdio", "http" or "sse"'),
  auth: z.strictObject({ kind: z.literal('none', '"none"') }).prefault({ kind: 'none' }),
  instructions: z.strictObject({ sha256, text: z.string() }).exactOptional(),
  tools: object.default({}),
  prompts: object.default({}),
  resourceTemplates: object.default({}),
  resources: z.enum(['none', 'as-shown'], '"none" or "as-shown"').default('none'),
  capabilities: object.default({}),
});

const manifest = z.strictObject({ schema: z.literal(1, 'the number 1'), servers: z.array(server) });

/** Parses manifest.json text; collects every invalid field; recomputes every pin's digest and rejects one that differs. */
export function parseManifest(text: string): Result<Manifest, ManifestCode> {
  const json = parseStrictJson(text, file);
  if (!json.ok) return { ok: false, code: 'not-json', problems: json.problems };
  const parsed = manifest.safeParse(json.value);
  const problems: Problem[] = parsed.success ? [] : problemsOf(parsed.error, json.value, manifest);
  // The second layer looks at the raw document, so that a wrong field does not hide a wrong pin.
  const raw = isJsonObject(json.value) ? own(json.value, 'servers') : undefined;
  const entries: readonly unknown[] = Array.isArray(raw) ? raw : [];
  const pins = entries.map((entry, i) => checkServer(entry, i, problems));
  checkAliases(entries, problems);
  if (!parsed.success || problems.length > 0) return { ok: false, code: 'invalid', problems };
  const servers = parsed.data.servers.map((entry, i) => ({ ...entry, ...(pins[i] ?? noPins) }));
  return { ok: true, value: { schema: 1, servers } };
}

function checkServer(entry: unknown, index: number, problems: Problem[]): PinFamilies {
  const at = ['servers', index];
  if (!isJsonObject(entry)) return noPins;
  const about = own(entry, 'server');
  if (isJsonObject(about)) problems.push(...checkServerJson(about, [...at, 'server']));
  const instructions = own(entry, 'instructions');
  if (isJsonObject(instructions)) {
    const text = own(instructions, 'text');
    const pinned = own(instructions, 'sha256');
    const actual = typeof text === 'string' ? sha256Hex(text) : undefined;
    if (actual !== undefined && typeof pinned === 'string' && pinned !== actual) {
      problems.push(wrongDigest([...at, 'instructions', 'sha256'], actual, pinned));
    }
  }
  return checkPins(entry, at, problems);
}

function checkAliases(entries: readonly unknown[], problems: Problem[]): void {
  const seen = new Map<string, number>();
  entries.forEach((entry, i) => {
    const alias = isJsonObject(entry) ? own(entry, 'alias') : undefined;
    if (typeof alias !== 'string') return;
    const first = seen.get(alias);
    if (first === undefined) {
      seen.set(alias, i);
      return;
    }
    problems.push({
      path: pointer(['servers', i, 'alias']),
      expected: 'an alias no other server has',
      found: `${quote(alias)}, which /servers/${first} has too`,
      advice: 'Give one of the two another alias.',
    });
  });
}
