import { classifyInboundRequest } from '@modelcontextprotocol/server';
import { isJsonObject, type Json } from '../policy/json.ts';
import { type Era, idOf, idProblem, legacyEra, modernEra, rejected } from './era.ts';
import type { McpHeaders } from './mcp-headers.ts';
import { clip } from './wire.ts';

/** Messages in one batch, where nothing else is said; each costs a call. */
const standardBatch = 50;

/**
 * Which protocol revision a POST speaks, and whether headers and body agree (MCP 2026-07-28, Streamable HTTP, "Server
 * Validation"). Pure; never throws. The classifier hands the parsed body back as it is, so nothing is dropped here.
 */
export function classify(headers: McpHeaders, body: Json, batchLimit = standardBatch): Era {
  const wrongId = idProblem(body);
  if (wrongId !== undefined) return rejected(null, 400, wrongId);
  const outcome = classifyInboundRequest({
    httpMethod: 'POST',
    body,
    ...(headers['mcp-protocol-version'] !== undefined && { protocolVersionHeader: headers['mcp-protocol-version'] }),
    ...(headers['mcp-method'] !== undefined && { mcpMethodHeader: headers['mcp-method'] }),
    ...(headers['mcp-name'] !== undefined && { mcpNameHeader: headers['mcp-name'] }),
  });
  switch (outcome.kind) {
    case 'reject':
      return rejected(idOf(body), outcome.httpStatus, {
        code: outcome.code,
        message: clip(outcome.message, longest),
        ...(outcome.data !== undefined && { data: clipped(outcome.data as Json) }),
      });
    case 'legacy':
      return legacyEra(body, batchLimit);
    case 'modern':
      return modernEra(headers, body, outcome.classification.revision);
    default:
      return outcome satisfies never;
  }
}

/** Characters of one text the classifier says; it repeats what was sent, however long. */
const longest = 500;

function clipped(value: Json): Json {
  if (typeof value === 'string') return clip(value, longest);
  if (Array.isArray(value)) return value.map(clipped);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, clipped(member)]));
}
