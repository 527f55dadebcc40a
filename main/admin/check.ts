import { checkCedar, generateSchema, lintCedar } from '../policy/cedar.ts';
import { parsePolicyDocument } from '../policy/document.ts';
import { type Manifest, type ManifestServer, parseManifest } from '../policy/manifest.ts';
import { pathsOf, readSources } from './organisation.ts';
import type { Family } from './record-pins.ts';
import { type AdminResult, refuse, sentenceOf } from './result.ts';

export interface CheckReport {
  readonly servers: number;
  readonly tools: number;
  readonly prompts: number;
  readonly resourceTemplates: number;
  /** What is allowed but worth knowing: arguments no rule can read, servers nobody can use, names of nothing. */
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
    ...serversWithoutAnything(manifest.value),
    ...lintCedar(sources.value.policyCedar, manifest.value, document.value).map((problem) =>
      sentenceOf('policy.cedar', problem),
    ),
  ];
  const { servers } = manifest.value;
  const count = (family: Family) => servers.reduce((sum, server) => sum + Object.keys(server[family]).length, 0);
  const counts = { tools: count('tools'), prompts: count('prompts'), resourceTemplates: count('resourceTemplates') };
  return { ok: true, value: { servers: servers.length, ...counts, notes } };
}

function serversWithoutAnything(manifest: Manifest): string[] {
  const isEmpty = ({ tools, prompts, resourceTemplates, resources }: ManifestServer) =>
    resources === 'none' && [tools, prompts, resourceTemplates].every((family) => Object.keys(family).length === 0);
  return manifest.servers
    .filter((server) => server.state === 'active' && isEmpty(server))
    .map(
      ({ alias }) => `The server "${alias}" has nothing pinned, so staff see nothing of it. Run "gatehouse-admin pin".`,
    );
}
