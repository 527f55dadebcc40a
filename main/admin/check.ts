import { checkCedar, generateSchema, lintCedar } from '../policy/cedar.ts';
import { parsePolicyDocument } from '../policy/document.ts';
import { type Manifest, parseManifest } from '../policy/manifest.ts';
import { pathsOf, readSources } from './organisation.ts';
import { type AdminResult, refuse, sentenceOf } from './result.ts';

export interface CheckReport {
  readonly servers: number;
  readonly tools: number;
  /** What is allowed but worth knowing: arguments no rule can read, servers nobody can use. */
  readonly notes: readonly string[];
}

/** policy.json and manifest.json against their schemas, Cedar strictly against the schema generated from the pins. Every problem at once. */
export async function checkOrganisation(dir: string): Promise<AdminResult<CheckReport>> {
  const sources = readSources(pathsOf(dir));
  if (!sources.ok) return sources;
  const document = parsePolicyDocument(sources.value.policyJson);
  const manifest = parseManifest(sources.value.manifestJson);
  const problems = [
    ...(document.ok ? [] : document.problems.map((problem) => sentenceOf('policy.json', problem))),
    ...(manifest.ok ? [] : manifest.problems.map((problem) => sentenceOf('manifest.json', problem))),
  ];
  if (!manifest.ok) return refuse('invalid-manifest', ...problems);
  problems.push(
    ...checkCedar(sources.value.policyCedar, manifest.value, document.ok ? document.value : undefined).map((problem) =>
      sentenceOf('policy.cedar', problem),
    ),
  );
  if (!document.ok || problems.length > 0) return refuse('invalid-policy', ...problems);
  const { untyped } = generateSchema(manifest.value);
  const notes = [
    ...untyped.map(
      (problem) => `No rule can read ${problem.path}: ${problem.found}.${problem.advice ? ` ${problem.advice}` : ''}`,
    ),
    ...serversWithoutTools(manifest.value),
    ...lintCedar(sources.value.policyCedar, manifest.value, document.value).map((problem) =>
      sentenceOf('policy.cedar', problem),
    ),
  ];
  const tools = manifest.value.servers.reduce((sum, server) => sum + Object.keys(server.tools).length, 0);
  return { ok: true, value: { servers: manifest.value.servers.length, tools, notes } };
}

function serversWithoutTools(manifest: Manifest): string[] {
  return manifest.servers
    .filter((server) => server.state === 'active' && Object.keys(server.tools).length === 0)
    .map(
      ({ alias }) => `The server "${alias}" has no pinned tool, so staff see nothing of it. Run "gatehouse-admin pin".`,
    );
}
