import { z } from 'zod';
import type { Json, Problem, Result } from './json.ts';
import { nearestName, ownRecord, pointer, quote, show, valueAt } from './problems.ts';
import { parseStrictJson } from './strict-json.ts';
/** A named slice of what is pinned with its own endpoint, /mcp/<name>. */
export interface Profile {
  readonly name: string;
  readonly title: string;
  /**
   * Patterns: "alias.*" for everything of a server, "alias.tool_name", "alias.prompts/name", "alias.prompts/*", and
   * "alias.resources/*". A tool that is itself called "prompts/…" or "resources/…" comes with "alias.*" only.
   */
  readonly tools: readonly string[];
  /** Two tools, to search and to call, stand for all the others. Default false. */
  readonly search: boolean;
}

/** What a server may ask of the AI app that called it (MCP, client features). */
export type ServerRequest = 'elicitation' | 'sampling' | 'roots';

/** How much AI apps may ask of the gateway at once, and how large. What exceeds a limit is refused with a protocol error. */
export interface GatewayLimits {
  /** Largest request body, in bytes. Default 16777216, 1024–67108864. */
  readonly bodyBytes: number;
  /** Sessions one AI app may hold. Default 256, 1–4096. */
  readonly sessionsPerApp: number;
  /** Open streams in one session. Default 4, 1–64. */
  readonly streamsPerSession: number;
  /** Open streams of one AI app, over all its sessions and requests that stand alone. Default 64, 1–1024. */
  readonly streamsPerApp: number;
  /** Requests of one AI app under way at once. Default 256, 1–4096. */
  readonly callsPerApp: number;
  /** Calls of one AI app that wait for input it was asked for. Default 32, 1–1024. */
  readonly parkedPerApp: number;
  /** Seconds such a call waits until it is given up. Default 600, 10–3600. */
  readonly parkedSeconds: number;
  /** Messages in one JSON-RPC batch (revision 2025-03-26). Default 50, 1–1000. */
  readonly batch: number;
  /** Levels of nesting in a message. Default 200, 16–512. */
  readonly depth: number;
}

/** policy.json, parsed and with every default filled in. An unknown field is an error, not a guess. */
export interface PolicyDocument {
  readonly schema: 1;
  readonly organisation: string;
  /** Whom staff ask, shown in every refusal that has no contact of its own. */
  readonly contact: string;
  readonly identity: { readonly users: Readonly<Record<string, readonly string[]>> };
  readonly profiles: readonly Profile[];
  readonly approvals: {
    /** Seconds until silence means no. Default 60, 5–600. */
    readonly timeoutSeconds: number;
    /** What a person may say beside "deny". Default ["call", "session"]. */
    readonly remember: readonly ('call' | 'session')[];
    /** One sentence of the organisation's own, shown in the approval window. Default "". */
    readonly message: string;
  };
  readonly apps: {
    /** Names of AI apps that may connect; "*" for any. Default ["*"]. */
    readonly allowed: readonly string[];
  };
  readonly names: {
    /** On endpoints that merge servers: "alias__tool" always, or only where two servers use one name. Default "always". */
    readonly prefix: 'always' | 'on-collision';
  };
  readonly serverRequests: {
    /** What servers may ask of AI apps while they work on a call. Default all three. */
    readonly allowed: readonly ServerRequest[];
  };
  readonly resilience: {
    /** Seconds a backend may take to answer one call. Default 120, 1–3600. */
    readonly deadlineSeconds: number;
  };
  readonly gateway: GatewayLimits;
  readonly guard: {
    /** Largest result passed on, in bytes. Default 10485760; larger ones are refused, not cut. */
    readonly resultBytes: number;
  };
  readonly sync: {
    /** Seconds between refreshes. Default 900, 10–86400. */
    readonly refreshSeconds: number;
    /** Seconds past expiry that the last good policy stays in force. Default 0. */
    readonly graceSeconds: number;
  };
  readonly audit: {
    /** "full" keeps arguments and results in the record, "digest" only their SHA-256. Default "full". */
    readonly payloads: 'full' | 'digest';
  };
}

export type DocumentCode = 'not-json' | 'invalid';

const file = 'policy.json';

const line = z.string().refine((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), 'text on one line');
const whole = (min: number, max: number, standard: number) =>
  z
    .int(`a whole number from ${min} to ${max}`)
    .min(min, `a whole number from ${min} to ${max}`)
    .max(max, `a whole number from ${min} to ${max}`)
    .default(standard);
const unique = (list: readonly string[]) => new Set(list).size === list.length;
const oneOf = <const T extends readonly string[]>(...names: T) =>
  z.enum(names, names.map((name) => `"${name}"`).join(' or '));

const profile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a name of a–z, 0–9 and "-", at most 32 characters'),
  title: line.min(1, 'text').max(80, 'at most 80 characters'),
  tools: z
    .array(
      z
        .string()
        .regex(
          /^[a-z0-9-]{1,24}\.(\*|.+)$/su,
          '"alias.*", "alias.tool_name", "alias.prompts/name" or "alias.resources/*"',
        ),
    )
    .min(1, 'at least one tool pattern'),
  search: z.boolean('true or false').default(false),
});

/**
 * The form in which account names are compared. Windows takes "alice" and "Alice" for one account and reports whatever
 * was typed at sign-in, so a rule about one spelling must hold for every other.
 */
export function foldAccount(account: string): string {
  return account.normalize('NFKC').toLowerCase();
}

// z.record would lose a user called "__proto__"; this keeps every own name.
const users = z.custom<Readonly<Record<string, readonly string[]>>>().transform((value, context) => {
  const input: unknown = value;
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    context.addIssue({ code: 'custom', message: 'an object of user name → list of groups', input });
    return z.NEVER;
  }
  const spellings = new Map<string, string>();
  for (const [name, groups] of Object.entries(input)) {
    const first = spellings.get(foldAccount(name));
    if (first !== undefined) {
      const message = `each account name once; upper and lower case are the same account, and ${quote(first)} is there already`;
      context.addIssue({ code: 'custom', message, path: [name], input: groups });
    }
    spellings.set(foldAccount(name), first ?? name);
    if (name === '') context.addIssue({ code: 'custom', message: 'a user name', path: [name], input: name });
    if (!Array.isArray(groups)) {
      context.addIssue({ code: 'custom', message: 'a list of group names', path: [name], input: groups });
      continue;
    }
    groups.forEach((group: unknown, i) => {
      if (typeof group !== 'string' || group === '') {
        context.addIssue({ code: 'custom', message: 'a group name', path: [name, i], input: group });
      }
    });
  }
  return ownRecord(Object.entries(input as Record<string, readonly string[]>));
});

const schema = z.strictObject({
  schema: z.literal(1, 'the number 1'),
  organisation: line.min(1, 'the name of the organisation').max(120, 'at most 120 characters'),
  contact: line.min(1, 'whom staff ask: an e-mail address, a name or a channel').max(200, 'at most 200 characters'),
  identity: z.strictObject({ users: users.prefault({}) }).prefault({}),
  profiles: z
    .array(profile)
    .refine((list) => unique(list.map((p) => p.name)), 'each profile name once')
    .default([]),
  approvals: z
    .strictObject({
      timeoutSeconds: whole(5, 600, 60),
      remember: z
        .array(oneOf('call', 'session'))
        .refine(unique, 'each of "call" and "session" at most once')
        .default(['call', 'session']),
      message: line.max(300, 'at most 300 characters').default(''),
    })
    .prefault({}),
  apps: z
    .strictObject({ allowed: z.array(z.string().min(1, 'the name of an app, or "*"')).default(['*']) })
    .prefault({}),
  names: z.strictObject({ prefix: oneOf('always', 'on-collision').default('always') }).prefault({}),
  serverRequests: z
    .strictObject({
      allowed: z
        .array(oneOf('elicitation', 'sampling', 'roots'))
        .refine(unique, 'each of "elicitation", "sampling" and "roots" at most once')
        .default(['elicitation', 'sampling', 'roots']),
    })
    .prefault({}),
  resilience: z.strictObject({ deadlineSeconds: whole(1, 3600, 120) }).prefault({}),
  gateway: z
    .strictObject({
      bodyBytes: whole(1024, 67_108_864, 16_777_216),
      sessionsPerApp: whole(1, 4096, 256),
      streamsPerSession: whole(1, 64, 4),
      streamsPerApp: whole(1, 1024, 64),
      callsPerApp: whole(1, 4096, 256),
      parkedPerApp: whole(1, 1024, 32),
      parkedSeconds: whole(10, 3600, 600),
      batch: whole(1, 1000, 50),
      depth: whole(16, 512, 200),
    })
    .prefault({}),
  guard: z.strictObject({ resultBytes: whole(1024, 1_073_741_824, 10_485_760) }).prefault({}),
  sync: z.strictObject({ refreshSeconds: whole(10, 86_400, 900), graceSeconds: whole(0, 31_536_000, 0) }).prefault({}),
  audit: z.strictObject({ payloads: oneOf('full', 'digest').default('full') }).prefault({}),
});

/** Parses policy.json text; collects every invalid field. */
export function parsePolicyDocument(text: string): Result<PolicyDocument, DocumentCode> {
  const json = parseStrictJson(text, file);
  if (!json.ok) return { ok: false, code: 'not-json', problems: json.problems };
  const parsed = schema.safeParse(json.value);
  if (!parsed.success) return { ok: false, code: 'invalid', problems: problemsOf(parsed.error, json.value, schema) };
  return { ok: true, value: parsed.data };
}

/** A schema library's issues as problems a person can act on: what was there, and the name probably meant. */
export function problemsOf(error: z.ZodError, input: Json, root: z.ZodType): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    if (issue.code === 'unrecognized_keys') {
      const known = namesAt(root, issue.path);
      return issue.keys.map((key) => {
        const near = nearestName(key, known);
        return {
          path: pointer([...issue.path, key]),
          expected: `one of ${known.join(', ')}`,
          found: `the unknown field ${quote(key)}`,
          advice: near === undefined ? 'Remove this field.' : `Did you mean "${near}"?`,
        };
      });
    }
    const value = valueAt(input, issue.path);
    const missing = value === undefined ? { advice: 'Add this field; it has no default.' } : {};
    return [{ path: pointer(issue.path), expected: expectation(issue), found: show(value), ...missing }];
  });
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return kinds[issue.expected] ?? issue.expected;
  }
  return issue.message;
}

/** The field names a schema knows at a path. */
function namesAt(root: z.ZodType, path: readonly PropertyKey[]): string[] {
  let schemaHere: unknown = unwrap(root);
  for (const part of path) {
    if (schemaHere instanceof z.ZodObject) schemaHere = unwrap(schemaHere.shape[String(part)]);
    else if (schemaHere instanceof z.ZodArray) schemaHere = unwrap(schemaHere.element);
    else return [];
  }
  return schemaHere instanceof z.ZodObject ? Object.keys(schemaHere.shape) : [];
}

function unwrap(type: unknown): unknown {
  let inner = type;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    inner = inner.unwrap();
  }
  return inner;
}
