import type { Backends } from '../backends/backends.ts';
import type { PolicySnapshot } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import type { Endpoint } from './admit.ts';
import { openHouseSession } from './house-session.ts';
import { clip } from './wire.ts';

/** What an endpoint says of itself, in `initialize` and `server/discover`. */
export interface ServerIdentity {
  readonly serverInfo: JsonObject;
  readonly instructions: string;
}

/** How long an endpoint of one server waits for that server to say its name. */
const nameWaitMs = 10_000;

export function instructionsFor(organisation: string | undefined): string {
  const whose = organisation === undefined ? 'your organisation' : organisation;
  return `The tools here are provided and governed by ${whose}. A call may be refused or wait until the person at this computer agrees; a refusal says why and whom to ask. Show it to the person and do not try to work around it.`;
}

/**
 * The house's own identity, or for an endpoint of one server that server's name and version, so that callers find what
 * they expect, with what its approved server.json says of it. Of a server's instructions those that were approved are passed on, while it
 * still gives them. Nothing else a server says of itself is: nobody approved it, and models read it.
 */
export async function identityOf(
  parts: { readonly version: string; readonly backends: Backends },
  snapshot: PolicySnapshot | undefined,
  endpoint: Endpoint,
): Promise<ServerIdentity> {
  const organisation = snapshot?.document.organisation;
  const instructions = instructionsFor(organisation);
  const house: JsonObject = {
    name: 'gatehouse',
    title: organisation === undefined ? 'Gatehouse' : `Gatehouse · ${organisation}`,
    version: parts.version,
  };
  if (endpoint.kind !== 'alias') return { serverInfo: house, instructions };
  const server = snapshot?.manifest.servers.find((each) => each.alias === endpoint.alias && each.state !== 'revoked');
  if (server === undefined) return { serverInfo: house, instructions };
  try {
    const session = await openHouseSession(parts.backends, server.alias, AbortSignal.timeout(nameWaitMs));
    const { name, version } = session.serverInfo;
    const serverInfo = {
      name: plainText(name) || server.alias,
      title: server.title,
      version: plainText(version),
      ...approvedInfo(server),
    };
    const approved = server.instructions?.text;
    const own = approved !== undefined && session.instructions === approved ? `\n\n${approved}` : '';
    return { serverInfo, instructions: `${instructions}${own}` };
  } catch {
    // Not reachable now: the name the organisation gave it will do, and its tools are announced when it arrives.
    const version = typeof server.server.version === 'string' ? server.server.version : parts.version;
    return { serverInfo: { name: server.alias, title: server.title, version, ...approvedInfo(server) }, instructions };
  }
}

/** What server.json and Implementation have in common, as it was approved (MCP registry, server.json; 2025-11-25, Implementation). */
function approvedInfo({ server }: ManifestServer): JsonObject {
  const { icons, websiteUrl } = server;
  return {
    ...(Array.isArray(icons) && { icons }),
    ...(typeof websiteUrl === 'string' && { websiteUrl }),
  };
}

/** Short text on one line, without characters that do not show; empty for what is not text. */
function plainText(value: unknown): string {
  return typeof value === 'string' ? clip(value.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, ''), 64) : '';
}
