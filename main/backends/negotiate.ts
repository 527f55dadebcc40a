import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { BackendReply, BackendsOptions } from './backends.ts';
import { BackendFailure } from './failure.ts';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  SERVER_INFO_META_KEY,
  SUPPORTED_PROTOCOL_VERSIONS,
} from './revision-names.ts';
import type { Rpc } from './rpc.ts';
import { reduceServerInfo } from './server-info.ts';
import { WireFailure } from './wire.ts';

export const MODERN_VERSION = '2026-07-28';
const LEGACY_VERSION = '2025-11-25';
/** How long a stdio server may leave `server/discover` unanswered before `initialize` is sent after it. */
const PROBE_MS = 2_000;
/** HeaderMismatch, MissingRequiredClientCapability, UnsupportedProtocolVersion: only a modern server answers with these. */
const MODERN_ERRORS: ReadonlySet<number> = new Set([-32020, -32021, -32022]);
const UNSUPPORTED_VERSION = -32022;

export type ClientInfo = BackendsOptions['clientInfo'];

/** What a server is told of its client. */
export interface ClientSays {
  readonly clientInfo: ClientInfo;
  /** Declared to a 2025 server; a modern one is told with each request. */
  readonly capabilities: JsonObject;
}

/** What the backend said of itself: raw, but for a serverInfo reduced to what is bounded. */
export interface Agreement {
  readonly era: 'legacy' | 'modern';
  readonly protocolVersion: string;
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions: string | undefined;
}

/** The keys of `_meta` each modern request must carry (2026-07-28, Basic, §Per-request metadata), and the log level where one is wanted. */
export function modernMeta(
  version: string,
  clientInfo: ClientInfo,
  capabilities: JsonObject,
  logLevel?: string,
): JsonObject {
  return {
    [PROTOCOL_VERSION_META_KEY]: version,
    [CLIENT_INFO_META_KEY]: { ...clientInfo },
    [CLIENT_CAPABILITIES_META_KEY]: capabilities,
    ...(logLevel !== undefined && { [LOG_LEVEL_META_KEY]: logLevel }),
  };
}

/** How the discovery probe came out. Pure. */
export type ProbeVerdict =
  | { readonly kind: 'modern'; readonly agreement: Agreement }
  | { readonly kind: 'legacy' }
  /** It refuses the revision and names that very one as supported: a server of several versions behind one address may. */
  | { readonly kind: 'again' }
  /** A modern server that refuses what we offer: falling back would hide the true reason. */
  | { readonly kind: 'refused'; readonly message: string };

/** Reads an answer to `server/discover` (2026-07-28, Versioning, §Backward compatibility). */
export function judgeProbe(reply: BackendReply): ProbeVerdict {
  if (!reply.ok) {
    const supported = supportedVersions(reply.error.data);
    const legacyOffered = supported.some((version) => SUPPORTED_PROTOCOL_VERSIONS.includes(version));
    if (!MODERN_ERRORS.has(reply.error.code)) return { kind: 'legacy' };
    if (reply.error.code === UNSUPPORTED_VERSION && supported.includes(MODERN_VERSION)) return { kind: 'again' };
    if (reply.error.code === UNSUPPORTED_VERSION && (legacyOffered || supported.length === 0))
      return { kind: 'legacy' };
    return {
      kind: 'refused',
      message: `it refuses the protocol revision ${MODERN_VERSION} (${reply.error.message.slice(0, 500)})`,
    };
  }
  const { result } = reply;
  const versions = Array.isArray(result.supportedVersions) ? result.supportedVersions : [];
  if (!versions.includes(MODERN_VERSION)) return { kind: 'legacy' };
  const info = isJsonObject(result._meta) ? result._meta[SERVER_INFO_META_KEY] : undefined;
  return { kind: 'modern', agreement: agreementFrom('modern', MODERN_VERSION, result, info) };
}

function supportedVersions(data: Json | undefined): readonly string[] {
  const list = isJsonObject(data) && Array.isArray(data.supported) ? data.supported : [];
  return list.filter((version) => typeof version === 'string');
}

function agreementFrom(
  era: 'legacy' | 'modern',
  protocolVersion: string,
  result: JsonObject,
  info: Json | undefined,
): Agreement {
  return {
    era,
    protocolVersion,
    serverInfo: reduceServerInfo(info),
    capabilities: isJsonObject(result.capabilities) ? result.capabilities : {},
    instructions: typeof result.instructions === 'string' ? result.instructions : undefined,
  };
}

/** What is known of a server before it is asked. */
export interface Known {
  readonly era: 'legacy' | 'modern';
  /** Its address speaks HTTP+SSE (2024-11-05). */
  readonly sse: boolean;
}

/** What an earlier negotiation with the same launch found. */
export interface EraVerdict extends Known {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The process ended on the discovery probe, as servers of old SDKs do on anything but `initialize`: start it again without the probe. */
export class EndedOnProbe extends Error {}

/** `initialize` was refused as a server of the HTTP+SSE transport would (2025-11-25, Streamable HTTP, §Backwards compatibility). */
export class MaybeSse extends Error {
  readonly failure: BackendFailure;

  constructor(failure: BackendFailure) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

const SSE_STATUS: ReadonlySet<unknown> = new Set([400, 404, 405]);

/**
 * Finds the era and shakes hands. Modern first; `known` skips the question. `timeoutMs` bounds each request, the caller bounds the whole.
 * Rejects with BackendFailure, EndedOnProbe or MaybeSse.
 */
export async function negotiate(
  rpc: Rpc,
  says: ClientSays,
  known: 'legacy' | 'modern' | undefined,
  timeoutMs: number,
): Promise<Agreement> {
  if (known === 'legacy') return initialize(rpc, says, timeoutMs);
  return rpc.wire.answersWithinSend ? negotiateHttp(rpc, says, timeoutMs) : negotiateStdio(rpc, says, known, timeoutMs);
}

function discover(rpc: Rpc, clientInfo: ClientInfo, timeoutMs: number): Promise<BackendReply> {
  const params = { _meta: modernMeta(MODERN_VERSION, clientInfo, {}) };
  return rpc.exchange('server/discover', params, { timeoutMs, silent: true });
}

async function negotiateHttp(rpc: Rpc, says: ClientSays, timeoutMs: number): Promise<Agreement> {
  const reply = await discover(rpc, says.clientInfo, timeoutMs).catch((error: unknown) => {
    if (error instanceof BackendFailure && provesLegacy(error.cause)) return undefined;
    throw error;
  });
  const verdict: ProbeVerdict = reply ? judgeProbe(reply) : { kind: 'legacy' };
  return conclude(rpc, says, verdict, timeoutMs);
}

/** A refusal by HTTP status: 401, 403 and 5xx prove nothing; a body that is a modern error is a modern server's. */
function provesLegacy(cause: unknown): boolean {
  if (!(cause instanceof WireFailure) || cause.status === undefined) return false;
  const { status } = cause;
  if (status < 400 || status >= 500 || status === 401 || status === 403) return false;
  let body: unknown;
  try {
    body = JSON.parse(cause.body ?? '');
  } catch {
    // Not JSON: certainly no modern error body.
    return true;
  }
  const error = isJsonObject(body) ? body.error : undefined;
  return !(isJsonObject(error) && typeof error.code === 'number' && MODERN_ERRORS.has(error.code));
}

/**
 * Stdio: old servers may ignore an unknown first request, and a server may also be slow to start, so silence decides nothing: after a short
 * wait `initialize` follows on the same pipe, and the first conclusive answer to either wins.
 */
async function negotiateStdio(
  rpc: Rpc,
  says: ClientSays,
  known: 'modern' | undefined,
  timeoutMs: number,
): Promise<Agreement> {
  const probe = discover(rpc, says.clientInfo, timeoutMs).then(judgeProbe, (error: unknown) => {
    if (known === undefined && rpc.failure && rpc.failure.code === 'unavailable') {
      throw new EndedOnProbe('the process ended on server/discover', { cause: error });
    }
    throw error;
  });
  if (known === 'modern') return conclude(rpc, says, await probe, timeoutMs);
  let timer: NodeJS.Timeout | undefined;
  const impatient = new Promise<'silent'>((resolve) => {
    timer = setTimeout(() => resolve('silent'), PROBE_MS);
  });
  const first = await Promise.race([probe, impatient]).finally(() => clearTimeout(timer));
  if (first !== 'silent') return conclude(rpc, says, first, timeoutMs);
  const late = probe.then((verdict) => {
    if (verdict.kind === 'modern') return verdict.agreement;
    throw new Error('not modern');
  });
  return Promise.any([late, initialize(rpc, says, timeoutMs)]).catch((error: unknown) => {
    const failures: unknown[] = error instanceof AggregateError ? error.errors : [error];
    throw (
      failures.find((failure) => failure instanceof EndedOnProbe) ??
      failures.find((failure) => failure instanceof BackendFailure) ??
      error
    );
  });
}

async function conclude(rpc: Rpc, says: ClientSays, verdict: ProbeVerdict, timeoutMs: number): Promise<Agreement> {
  switch (verdict.kind) {
    case 'modern':
      return verdict.agreement;
    case 'legacy':
      return initialize(rpc, says, timeoutMs);
    case 'again': {
      const second = judgeProbe(await discover(rpc, says.clientInfo, timeoutMs));
      const message = `it refuses the protocol revision ${MODERN_VERSION} and says that it speaks it`;
      return conclude(rpc, says, second.kind === 'again' ? { kind: 'refused', message } : second, timeoutMs);
    }
    case 'refused':
      throw new BackendFailure('protocol', rpc.alias, `The server "${rpc.alias}" cannot be used: ${verdict.message}.`);
    default:
      return verdict satisfies never;
  }
}

/** The handshake of 2025-11-25 and before (Lifecycle, §Initialization). */
async function initialize(rpc: Rpc, { clientInfo, capabilities }: ClientSays, timeoutMs: number): Promise<Agreement> {
  const params: JsonObject = {
    protocolVersion: LEGACY_VERSION,
    capabilities,
    clientInfo: { ...clientInfo },
  };
  const reply = await rpc.exchange('initialize', params, { timeoutMs, silent: true }).catch((error: unknown) => {
    if (!(error instanceof BackendFailure && error.cause instanceof WireFailure)) throw error;
    throw rpc.wire.transport === 'http' && SSE_STATUS.has(error.cause.status) ? new MaybeSse(error) : error;
  });
  if (!reply.ok) {
    const text = `The server "${rpc.alias}" refused to start a session: ${reply.error.message.slice(0, 500)} (${reply.error.code}).`;
    throw new BackendFailure('protocol', rpc.alias, text);
  }
  const version = reply.result.protocolVersion;
  if (typeof version !== 'string' || !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
    const found = (JSON.stringify(version) ?? 'nothing').slice(0, 100);
    const text = `The server "${rpc.alias}" speaks the protocol revision ${found}; Gatehouse knows ${SUPPORTED_PROTOCOL_VERSIONS.join(', ')} and ${MODERN_VERSION}.`;
    throw new BackendFailure('protocol', rpc.alias, text);
  }
  rpc.wire.agreed(version);
  // From here on the server may ask, and SDKs do so (roots/list) as soon as they are told of the handshake's end.
  rpc.era = 'legacy';
  await rpc.notify('notifications/initialized', {});
  return agreementFrom('legacy', version, reply.result, reply.result.serverInfo);
}
