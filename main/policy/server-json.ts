import type { JsonObject, Problem } from './json.ts';
import { own, pointer, show } from './problems.ts';

/**
 * The fields of the official registry's server.json (schema 2025-12-11) that Gatehouse relies on: name and version.
 * The rest is kept as it came; the registry owns its meaning.
 */
export function checkServerJson(server: JsonObject, at: readonly PropertyKey[]): Problem[] {
  const problems: Problem[] = [];
  const refuse = (field: string, expected: string, advice?: string) =>
    problems.push({
      path: pointer([...at, field]),
      expected,
      found: show(own(server, field)),
      ...(advice === undefined ? {} : { advice }),
    });

  const schema = own(server, '$schema');
  if (schema !== undefined && (typeof schema !== 'string' || !schema.includes('/2025-12-11/'))) {
    refuse('$schema', 'the 2025-12-11 schema of server.json');
  }
  const name = own(server, 'name');
  if (
    typeof name !== 'string' ||
    name.length < 3 ||
    name.length > 200 ||
    !/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/.test(name)
  ) {
    refuse('name', 'a reverse-DNS name such as "io.github.owner/server", 3 to 200 characters');
  }
  const version = own(server, 'version');
  if (typeof version !== 'string' || version === '' || version.length > 255) {
    refuse('version', 'one exact version, at most 255 characters');
  } else if (isRange(version)) {
    refuse('version', 'one exact version', 'Versions in the registry never change; name the one you approved.');
  }
  return problems;
}

/** Ranges and "latest" name whatever is newest, which is not what was approved. */
function isRange(version: string): boolean {
  return version === 'latest' || /^[\^~<>=]|\s|\|\||(?:^|\.)[xX*](?:\.|$)/.test(version);
}
