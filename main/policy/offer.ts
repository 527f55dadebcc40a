import type { DecisionRequest, SubjectKind } from './decide.ts';
import type { Profile } from './document.ts';
import type { ManifestServer } from './manifest.ts';
import { own } from './problems.ts';
import { offersResources } from './subjects.ts';
import { templateFor } from './uri-template.ts';

/** True when the organisation approved it at all: pinned, of a server not revoked, and for resources within what is approved of them. */
export function isApproved(server: ManifestServer, request: DecisionRequest): boolean {
  if (server.state === 'revoked') return false;
  const { kind = 'tool', tool, args } = request;
  switch (kind) {
    case 'tool':
      return Object.hasOwn(server.tools, tool);
    case 'prompt':
      return Object.hasOwn(server.prompts, tool);
    case 'resource': {
      if (server.resources === 'as-shown' || args === undefined) return offersResources(server);
      const uri = own(args, 'uri');
      // Without the server's own list, what a pinned template describes is all that is approved.
      return typeof uri === 'string' && templateFor(server, uri) !== undefined;
    }
    default:
      return kind satisfies never;
  }
}

/**
 * The patterns of a profile that cover this. "prompts/…" and "resources/…" never mean tools, so that a tool that has such
 * a name comes with "alias.*" alone.
 */
export function patternsFor(alias: string, kind: SubjectKind, name: string): readonly string[] {
  const everything = `${alias}.*`;
  switch (kind) {
    case 'tool':
      return /^(?:prompts|resources)\//.test(name) ? [everything] : [everything, `${alias}.${name}`];
    case 'prompt':
      return [everything, `${alias}.prompts/*`, `${alias}.prompts/${name}`];
    case 'resource':
      return [everything, `${alias}.resources/*`];
    default:
      return kind satisfies never;
  }
}

/** True when a profile holds it. A profile that is not there holds nothing. */
export function isInProfile(profile: Profile | undefined, request: DecisionRequest): boolean {
  const patterns = patternsFor(request.alias, request.kind ?? 'tool', request.tool);
  return profile?.tools.some((pattern) => patterns.includes(pattern)) ?? false;
}
